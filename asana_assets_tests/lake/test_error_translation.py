import pytest
from pyiceberg.exceptions import (
    ForbiddenError,
    NotInstalledError,
    OAuthError,
    RESTError,
    ServerError,
    UnauthorizedError,
)

from asana_assets.lake.error_translation import EMBEDDED, translate_error
from asana_assets.lake.errors import CatalogRefusedError, LakeError

P = "PYICEBERG_CATALOG__ASANA__"


@pytest.mark.parametrize(
    ("error", "setting", "refused"),
    [
        (OAuthError("invalid_client: no"), f"{P}CREDENTIAL", True),
        (OAuthError("invalid_scope: no"), f"{P}SCOPE", True),
        (UnauthorizedError("expired"), f"{P}CREDENTIAL and {P}TOKEN", True),
        (ForbiddenError("no"), f"{P}SCOPE", True),
        (RESTError("404"), f"{P}WAREHOUSE", True),
        (NotInstalledError("AWS glue support not installed"), "pip install 'asana-assets[aws]'", False),
        (ModuleNotFoundError("No module named 'boto3'"), "pip install 'asana-assets[aws]'", False),
        (ServerError("down"), f"{P}URI", False),
        (OSError("AWS Error NO_SUCH_BUCKET during PutObject operation"), f"{P}WAREHOUSE", True),
        (OSError("AWS Error EXPIRED_TOKEN during PutObject operation"), "AWS_ACCESS_KEY_ID", True),
        (OSError("AWS Error ACCESS_DENIED during PutObject operation"), f"{P}WAREHOUSE", True),
        (OSError("AWS Error NETWORK_CONNECTION during PutObject operation"), f"{P}CLIENT__REGION", False),
        (PermissionError(13, "Permission denied", "/lake/x"), f"{P}WAREHOUSE", False),
    ],
)
def test_an_error_names_the_setting_to_check(error: Exception, setting: str, *, refused: bool) -> None:
    known = translate_error(error, {"uri": "https://catalog.example"})
    assert isinstance(known, LakeError)
    assert f"check {setting}" in str(known) or f" {setting}" in str(known)
    assert isinstance(known, CatalogRefusedError) == refused


def test_an_error_of_the_embedded_catalog_names_the_data_directory() -> None:
    message = str(translate_error(OSError(28, "No space left on device", "/lake/x"), {EMBEDDED: "true"}))
    assert message == (
        "The tables' files cannot be read or written; check ASANA_DATA_DIR (OSError: No space left on device: /lake/x)."
    )


def test_an_error_of_another_origin_is_not_translated() -> None:
    assert translate_error(KeyError("x"), {}) is None
    assert translate_error(ValueError("x"), {}) is None


def test_no_message_contains_a_secret_or_a_part_of_one() -> None:
    properties = {"credential": "me:s3cret", "auth": {"oauth2": {"client_secret": "hidden"}}, "s3.session-token": "t0k"}
    message = str(translate_error(UnauthorizedError("me:s3cret, s3cret, hidden, t0k"), properties))
    assert not any(secret in message for secret in ("s3cret", "hidden", "t0k"))
