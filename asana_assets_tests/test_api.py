"""The public API: what `asana_assets` exports, and how it is documented."""

import subprocess
import sys
import tomllib

import asana_assets
from asana_assets_tests.support.doc_pages import ROOT, quoted, table

PAGE = "docs/api.md"


def test_every_exported_name_exists_and_no_other() -> None:
    assert all(getattr(asana_assets, name) for name in asana_assets.__all__)
    assert not hasattr(asana_assets, "build_everything")


def test_the_page_lists_every_exported_name_in_order() -> None:
    assert [quoted(name)[0] for name, _ in table(PAGE, "name")] == asana_assets.__all__


def test_the_page_lists_every_extra_for_users() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {quoted(extra)[0] for extra, _ in table(PAGE, "extra")} == project["optional-dependencies"].keys() - {"dev"}
    assert asana_assets.__version__ == project["version"]


def test_importing_the_package_imports_no_other_package() -> None:
    program = "import sys, asana_assets; print({'dagster', 'pyarrow', 'pyiceberg'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)  # noqa: S603 - our own program
    assert result.stdout == "set()\n"
