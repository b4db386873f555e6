"""`asana-assets connect` and `asana-assets doctor`, each run as a process of its own."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from boto3.session import Session
from moto.server import ThreadedMotoServer

from asana_assets.sandbox import Sandbox

pytestmark = pytest.mark.slow

COMMAND = str(Path(sys.executable).with_name("asana-assets"))
REJECTED_TOKEN = "1/1200000000000001:another"


def run(
    directory: Path, asana: Sandbox, *arguments: str, typed: str = "", **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in this directory, with these settings and no others."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "ASANA_BASE_URL": asana.url,
        "ASANA_REQUESTS_PER_SECOND": "1000",
        **settings,
    }
    return subprocess.run(  # noqa: S603 - our own command
        [COMMAND, *arguments],
        cwd=directory,
        env=environment,
        input=typed,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


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
            "ok   workspace",
            "ok   rate limit",
            "ok   catalog",
        ]


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


def test_doctor_reports_each_problem_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "not_a_directory").write_text("")
    with Sandbox() as asana:
        asana.add_fault("/tags", 403)
        diagnosed = run(
            tmp_path,
            asana,
            "doctor",
            ASANA_ACCESS_TOKEN=asana.token,
            ASANA_WORKSPACES="5",
            ASANA_PACER_URL=f"sqlite:///{tmp_path}/not_a_directory/pace.db",
            ASANA_DATA_DIR=str(tmp_path / "not_a_directory"),
        )
    assert diagnosed.returncode == 1
    failed = [line for line in diagnosed.stdout.splitlines() if line.startswith("FAIL")]
    assert [line.split(":")[0] for line in failed] == [
        "FAIL workspace",
        "FAIL workspace",
        "FAIL workspace",
        "FAIL workspaces",
        "FAIL rate limit",
        "FAIL catalog",
    ]
    assert "unavailable: tags 403. Ask a workspace admin" in failed[0]
    assert "ASANA_WORKSPACES names 5" in failed[3]
    assert "ASANA_PACER_URL" in failed[4]
    assert "ASANA_DATA_DIR" in failed[5]
    assert asana.token not in diagnosed.stdout + diagnosed.stderr


def test_without_a_token_doctor_names_the_setting_and_sends_nothing(tmp_path: Path) -> None:
    with Sandbox() as asana:
        diagnosed = run(tmp_path, asana, "doctor")
        assert len(asana.log) == 0
    assert diagnosed.returncode == 1
    assert diagnosed.stdout.startswith("FAIL token: there is no access token: set ASANA_ACCESS_TOKEN")
