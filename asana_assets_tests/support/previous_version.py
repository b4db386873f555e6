"""A warehouse as it was written before rows had hashes and changes were recorded: the tiny sandbox's paid organization.

`python -m asana_assets_tests.support.previous_version CHECKOUT` writes it again, with the package of a checkout of
commit 15aa479.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from asana_assets.sandbox import Sandbox

ARCHIVE = Path(__file__).with_suffix(".tar.xz")
_PATH_LENGTH = 180  # of the data directory: its path in binary files can only be replaced by one of the same length
_PLACEHOLDER = "/".ljust(_PATH_LENGTH, "x")
_SYNC = """
from pyiceberg.table import TableProperties
TableProperties.WRITE_AVRO_COMPRESSION_DEFAULT = "null"
from asana_assets.__main__ import main
main(["sync"])
"""


def unpack(parent: Path) -> Path:
    """Unpack the warehouse in a directory; return its data directory."""
    data_dir = _data_dir(parent)
    with tarfile.open(ARCHIVE) as archive:
        # Python before 3.11.4 has no filters; later versions demand one.
        archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _path: member)
        archive.extractall(data_dir)  # noqa: S202 - our own archive
    _replace_path(data_dir, _PLACEHOLDER, str(data_dir))
    return data_dir


def _data_dir(parent: Path) -> Path:
    return parent / ("d" * (_PATH_LENGTH - len(str(parent)) - 1))


def _replace_path(data_dir: Path, old: str, new: str) -> None:
    for path in data_dir.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes().replace(old.encode(), new.encode()))


def _write(checkout: str) -> None:
    with tempfile.TemporaryDirectory() as directory, Sandbox() as asana:
        data_dir = _data_dir(Path(directory))
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": directory,
            "PYTHONPATH": checkout,
            "ASANA_BASE_URL": asana.url,
            "ASANA_ACCESS_TOKEN": asana.token,
            "ASANA_REQUESTS_PER_SECOND": "1000",
            "ASANA_WORKSPACES": asana.organization.edge_cases["paid_organization"],
            "ASANA_DATA_DIR": str(data_dir),
        }
        subprocess.run([sys.executable, "-c", _SYNC], cwd=directory, env=environment, check=True)  # noqa: S603 - ours
        _replace_path(data_dir, str(data_dir), _PLACEHOLDER)
        with tarfile.open(ARCHIVE, "w:xz") as archive:
            archive.add(data_dir, ".", filter=_without_owner)


def _without_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    _write(sys.argv[1])
