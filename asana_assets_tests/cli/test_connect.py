"""`asana-assets connect`, run as a process of its own."""

import json
import stat
from pathlib import Path

import pytest
from boto3.session import Session
from moto.server import ThreadedMotoServer

from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.command import run

pytestmark = pytest.mark.slow

REJECTED_TOKEN = "1/1200000000000001:another"


def test_connect_prints_what_the_token_can_access_and_saves_it_readable_by_its_owner_only(tmp_path: Path) -> None:
    with Sandbox() as asana:
        connected = run(tmp_path, asana, "connect", typed=f"{asana.token}\n")
        assert connected.returncode == 0, connected.stderr
        traps = asana.organization.edge_cases
        lines = connected.stdout.splitlines()
        paid, free = (
            next(line for line in lines if traps[name] in line) for name in ("paid_organization", "free_organization")
        )
        assert "paid plan" in paid
        assert "free plan" in free
        assert "project_templates 402" in free
        assert asana.token not in connected.stdout + connected.stderr
        saved = tmp_path / ".env"
        assert stat.S_IMODE(saved.stat().st_mode) == 0o600
        assert asana.token in saved.read_text()
        personal = traps["personal_workspace"]
        synced = run(tmp_path, asana, "sync", "--select", "users", "--workspace", personal)
        assert synced.returncode == 0, synced.stderr
        diagnosed = run(tmp_path, asana, "doctor")
        assert diagnosed.returncode == 0, diagnosed.stdout
        assert [line.split(":")[0] for line in diagnosed.stdout.splitlines()] == [
            "ok   token",
            "ok   workspace",
            "ok   workspace",
            "note search of workspace Cat lovers",
            "note project_templates of workspace Cat lovers",
            "ok   workspace",
            "note search of workspace Personal projects",
            "note project_templates of workspace Personal projects",
            "note request rate",
            "ok   rate limit",
            "ok   catalog",
        ]


def test_a_script_passes_the_token_on_standard_input_and_sees_the_right_rate_and_the_next_steps(tmp_path: Path) -> None:
    with Sandbox() as asana:
        options = {"ASANA_REQUESTS_PER_SECOND": "5"}
        connected = run(tmp_path, asana, "connect", "--token-stdin", typed=f"{asana.token}\n", **options)
        empty = run(tmp_path, asana, "connect", "--token-stdin")
    assert connected.returncode == 0, connected.stderr
    assert connected.stderr.splitlines() == [
        f"Trying each endpoint in {name} …" for name in ("Catnip & Co.", "Cat lovers", "Personal projects")
    ]
    lines = connected.stdout.splitlines()
    assert "Paid plan: set ASANA_REQUESTS_PER_SECOND=24, you run at 5 requests/s." in lines
    assert [line.split("  ")[1] for line in lines[lines.index("Next:") + 1 :]] == [
        "asana-assets plan",
        "asana-assets sync",
        "asana-assets status",
    ]
    assert (tmp_path / ".env").read_text().startswith("ASANA_ACCESS_TOKEN=")
    assert empty.returncode == 2
    assert "standard input is empty" in empty.stderr


def test_a_token_that_asana_rejects_is_not_saved(tmp_path: Path) -> None:
    with Sandbox() as asana:
        rejected = run(tmp_path, asana, "connect", typed=f"{REJECTED_TOKEN}\n")
    assert rejected.returncode == 1
    assert rejected.stderr.splitlines()[-1] == (
        "Error: GET /users/me returned 401: Not Authorized. The token was not saved."
    )
    assert not (tmp_path / ".env").exists()


def test_other_lines_of_the_env_file_are_kept(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("ASANA_DATA_DIR=elsewhere\nASANA_ACCESS_TOKEN=old\n")
    env_file.chmod(0o644)
    with Sandbox() as asana:
        assert run(tmp_path, asana, "connect", typed=f"{asana.token}\n").returncode == 0
        assert env_file.read_text().splitlines() == ["ASANA_DATA_DIR=elsewhere", f"ASANA_ACCESS_TOKEN='{asana.token}'"]
        assert stat.S_IMODE(env_file.stat().st_mode) == 0o600


@pytest.mark.parametrize("before", [None, '{"other": "kept", "token": "old"}', "1/12:bare"])
def test_the_token_is_saved_in_the_configured_secret_whose_other_keys_are_kept(
    tmp_path: Path, before: str | None
) -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        aws = {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }
        client = Session(aws["AWS_ACCESS_KEY_ID"], aws["AWS_SECRET_ACCESS_KEY"]).client(
            "secretsmanager", endpoint_url=aws["AWS_ENDPOINT_URL"], region_name=aws["AWS_DEFAULT_REGION"]
        )
        name = f"asana/{hash(before)}"
        if before:
            client.create_secret(Name=name, SecretString=before)
        with Sandbox() as asana:
            connected = run(tmp_path, asana, "connect", typed=f"{asana.token}\n", ASANA_TOKEN_SECRET_ID=name, **aws)
            assert connected.returncode == 0, connected.stderr
            stored = json.loads(client.get_secret_value(SecretId=name)["SecretString"])
            assert stored == {**({"other": "kept"} if before and "other" in before else {}), "token": asana.token}
    finally:
        server.stop()
    assert not (tmp_path / ".env").exists()
