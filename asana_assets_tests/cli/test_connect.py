"""`asana-assets connect` and `asana-assets doctor`, as somebody types them."""

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
ANOTHER = "1/1200000000000001:another"


def run(
    at: Path, asana: Sandbox, *arguments: str, typed: str = "", **settings: str
) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(at),
        "ASANA_BASE_URL": asana.url,
        "ASANA_REQUESTS_PER_SECOND": "1000",
        **settings,
    }
    return subprocess.run(  # noqa: S603 # our own command
        [COMMAND, *arguments],
        cwd=at,
        env=environment,
        input=typed,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_connect_says_who_the_token_is_and_keeps_it_for_its_owner_alone(tmp_path: Path) -> None:
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
        kept = tmp_path / ".env"
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert asana.token in kept.read_text()
        personal = traps["personal_workspace"]
        synced = run(tmp_path, asana, "sync", "--select", "users", "--workspace", personal)
        assert synced.returncode == 0, synced.stderr
        examined = run(tmp_path, asana, "doctor")
        assert examined.returncode == 0, examined.stdout
        assert [line.split(":")[0] for line in examined.stdout.splitlines()] == [
            "ok   token",
            "ok   workspace",
            "ok   workspace",
            "ok   workspace",
            "ok   rate limit",
            "ok   catalog",
        ]


def test_a_token_that_asana_turns_down_is_not_kept(tmp_path: Path) -> None:
    with Sandbox() as asana:
        refused = run(tmp_path, asana, "connect", typed=f"{ANOTHER}\n")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == (
        "Error: GET /users/me answered 401: Not Authorized. The token was not kept"
    )
    assert not (tmp_path / ".env").exists()


def test_what_else_is_in_the_file_stays(tmp_path: Path) -> None:
    kept = tmp_path / ".env"
    kept.write_text("ASANA_DATA_DIR=elsewhere\nASANA_ACCESS_TOKEN=old\n")
    kept.chmod(0o644)
    with Sandbox() as asana:
        assert run(tmp_path, asana, "connect", typed=f"{asana.token}\n").returncode == 0
        assert kept.read_text().splitlines() == ["ASANA_DATA_DIR=elsewhere", f"ASANA_ACCESS_TOKEN='{asana.token}'"]
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600


@pytest.mark.parametrize("before", [None, '{"other": "kept", "token": "old"}', "1/12:bare"])
def test_where_a_secret_is_named_the_token_goes_there(tmp_path: Path, before: str | None) -> None:
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


def test_the_doctor_says_of_each_thing_what_is_wrong_with_it(tmp_path: Path) -> None:
    (tmp_path / "in_the_way").write_text("")
    with Sandbox() as asana:
        asana.add_fault("/tags", 403)
        examined = run(
            tmp_path,
            asana,
            "doctor",
            ASANA_ACCESS_TOKEN=asana.token,
            ASANA_WORKSPACES="5",
            ASANA_PACER_URL=f"sqlite:///{tmp_path}/in_the_way/pace.db",
            ASANA_DATA_DIR=str(tmp_path / "in_the_way"),
        )
    assert examined.returncode == 1
    failed = [line for line in examined.stdout.splitlines() if line.startswith("FAIL")]
    assert [line.split(":")[0] for line in failed] == [
        "FAIL workspace",
        "FAIL workspace",
        "FAIL workspace",
        "FAIL workspaces",
        "FAIL rate limit",
        "FAIL catalog",
    ]
    assert "refused: tags 403. Ask an admin" in failed[0]
    assert "ASANA_WORKSPACES names 5" in failed[3]
    assert "ASANA_PACER_URL" in failed[4]
    assert "ASANA_DATA_DIR" in failed[5]
    assert asana.token not in examined.stdout + examined.stderr


def test_without_a_token_the_doctor_says_what_to_set(tmp_path: Path) -> None:
    with Sandbox() as asana:
        examined = run(tmp_path, asana, "doctor")
        assert len(asana.log) == 0
    assert examined.returncode == 1
    assert examined.stdout.startswith("FAIL token: there is no access token: set ASANA_ACCESS_TOKEN")
