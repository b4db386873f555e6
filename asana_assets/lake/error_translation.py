"""Translation of catalog and object-store errors into one sentence that names the setting to check.

Errors are matched by qualified class name, so that the libraries that raise them need not be imported.
"""

import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from asana_assets.asana.redaction import redacted
from asana_assets.lake.errors import CatalogRefusedError, CatalogUnavailableError, LakeError

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

EMBEDDED = "asana-assets.embedded"
"""A property of the embedded catalog, which is used when none is configured."""

SETTING_PREFIX = "asana-assets.setting-prefix"
"""A property of any other catalog: what the environment variables of its other properties start with."""

_SECRET_NAME = re.compile(r"credential|password|secret|token|key", re.IGNORECASE)
_MAX_REASON_LENGTH = 300

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Source = TypeVar("_Source", bound="Catalog | Table")


def translates_errors(function: Callable[Concatenate[_Source, _P], _R]) -> Callable[Concatenate[_Source, _P], _R]:
    """Decorate a function whose first argument is a catalog or a table to raise known errors as `LakeError`."""

    @wraps(function)
    def translating(source: _Source, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        with translate_errors(source):
            return function(source, *args, **kwargs)

    return translating


@contextmanager
def translate_errors(source: "Catalog | Table") -> Generator[None]:
    """Raise known errors of the block as `LakeError`; unknown ones propagate unchanged."""
    try:
        yield
    except LakeError:
        raise
    except Exception as error:  # every catalog and store raises its own errors
        catalog: Catalog = getattr(source, "catalog", source)  # pyright: ignore[reportAssignmentType] - a table's, or itself
        known = translate_error(error, catalog.properties)
        if known is None:
            raise
        raise known from None  # the original message may contain a secret


def translate_error(error: BaseException, properties: Mapping[str, object]) -> LakeError | None:
    """Return the `LakeError` for an error of a catalog with these properties or of its store, None if unknown."""
    names = {f"{cls.__module__.partition('.')[0]}.{cls.__name__}" for cls in type(error).__mro__}
    text = str(error)
    if "botocore.ClientError" in names or "botocore.BotoCoreError" in names or "AWS Error" in text:
        return _translate_aws_error(type(error).__name__ + text, _reason(error, properties), properties)
    for classes, pattern, message, settings, refused in _RULES:
        if names & classes and re.search(pattern, text, re.IGNORECASE):
            error_class = CatalogRefusedError if refused else CatalogUnavailableError
            return error_class(
                f"{message}; check {_setting_names(settings, properties)} ({_reason(error, properties)})."
            )
    return None


def secrets_of(properties: Mapping[str, object]) -> list[str]:
    """Return a catalog's secret property values, which no message may contain; the longest first."""
    found: list[str] = []
    for name, value in properties.items():
        if isinstance(value, dict):
            found += secrets_of(value)
        elif isinstance(value, str) and value and _SECRET_NAME.search(name):
            found += [value, *(part for part in value.split(":") if len(part) > 3)]  # noqa: PLR2004 - `id:secret`
    return sorted(found, key=len, reverse=True)


_PYICEBERG = {
    "unauthorized": {"pyiceberg.UnauthorizedError", "pyiceberg.AuthorizationExpiredError"},
    "server": {"pyiceberg.ServerError", "pyiceberg.ServiceUnavailableError", "pyiceberg.TooManyRequestsError"},
}
_READ_ONLY = r"insufficientprivilege|permission denied|read-?only"

# Error classes, a pattern for their text, the message, the settings to check, and whether the request was rejected.
_RULES: tuple[tuple[set[str], str, str, tuple[str, ...], bool], ...] = (
    ({"pyiceberg.OAuthError"}, "scope", "The catalog refused a token for this role", ("SCOPE",), True),
    ({"pyiceberg.OAuthError"}, "", "The catalog rejected the credential", ("CREDENTIAL",), True),
    (
        _PYICEBERG["unauthorized"],
        "",
        "The catalog rejected the credential, or it has expired",
        ("CREDENTIAL", "TOKEN"),
        True,
    ),
    (
        {"pyiceberg.ForbiddenError"},
        "",
        "The role lacks a privilege in the catalog: grant it, or use another role",
        ("SCOPE", "CREDENTIAL"),
        True,
    ),
    (
        {"pyiceberg.NoSuchNamespaceError"},
        "",
        "The catalog has no such namespace",
        ("ICEBERG_NAMESPACE", "ICEBERG_NAME_CASE", "WAREHOUSE"),
        True,
    ),
    (
        {"pyiceberg.BadRequestError"},
        "",
        "The catalog rejected the request as invalid",
        ("ICEBERG_NAMESPACE", "ICEBERG_NAME_CASE", "ICEBERG_EXPIRE_SNAPSHOTS"),
        True,
    ),
    (_PYICEBERG["server"], "", "The catalog returned a server error", ("URI",), False),
    (
        {"pyiceberg.RESTError"},
        "",
        "The catalog has no such endpoint or warehouse",
        ("URI", "WAREHOUSE"),
        True,
    ),
    ({"requests.RequestException"}, "", "The catalog did not respond", ("URI",), False),
    ({"sqlalchemy.SQLAlchemyError"}, _READ_ONLY, "The catalog's database is not writable", ("URI",), True),
    ({"sqlalchemy.SQLAlchemyError"}, "", "The catalog's database cannot be used", ("URI",), False),
    (
        {"builtins.ValueError"},
        "no default path|unrecognized filesystem|empty bucket name|scheme",
        "The warehouse location is not a valid storage URI",
        ("WAREHOUSE",),
        True,
    ),
    (
        {"pyiceberg.NotInstalledError", "builtins.ModuleNotFoundError"},
        "glue|boto",
        "The catalog needs AWS's libraries: run pip install 'asana-assets[aws]'",
        ("TYPE", "REST__SIGV4_ENABLED"),
        False,
    ),
    ({"builtins.OSError"}, "", "The tables' files cannot be read or written", ("WAREHOUSE",), False),
)


# A pattern for an AWS error's code reduced to its letters and digits (botocore and Arrow format codes differently), the
# message, the settings to check, and whether the request was rejected.
_AWS_RULES: tuple[tuple[str, str, tuple[str, ...], bool], ...] = (
    ("nosuchbucket", "The bucket does not exist", ("WAREHOUSE",), True),
    (
        "expiredtoken|invalidaccesskeyid|invalidclienttokenid|unrecognizedclient|signature|invalidtoken|credentials",
        "AWS rejected the credentials, or they have expired",
        ("AWS_ACCESS_KEY_ID, AWS_PROFILE and other AWS_* variables", "CLIENT__ACCESS_KEY_ID"),
        True,
    ),
    (
        "accessdenied|accessforbidden|unauthorized|status403",
        "The AWS role lacks a permission: grant it access to the bucket and the Glue database, or use another role",
        ("WAREHOUSE", "ICEBERG_NAMESPACE", "AWS_PROFILE"),
        True,
    ),
    ("noregion|region", "The AWS region is missing or invalid", ("CLIENT__REGION",), True),
    ("profile", "The AWS profile does not exist", ("AWS_PROFILE", "CLIENT__PROFILE_NAME"), True),
    ("", "AWS returned an unexpected error", ("CLIENT__REGION", "WAREHOUSE"), False),
)


def _translate_aws_error(code: str, reason: str, properties: Mapping[str, object]) -> LakeError:
    letters = re.sub("[^a-z0-9]", "", code.lower())
    _, message, settings, refused = next(rule for rule in _AWS_RULES if re.search(rule[0], letters))
    error_class = CatalogRefusedError if refused else CatalogUnavailableError
    return error_class(f"{message}; check {_setting_names(settings, properties)} ({reason}).")


def setting_prefix(catalog_name: str) -> str:
    """Return what the environment variables of a catalog's properties start with."""
    return f"PYICEBERG_CATALOG__{catalog_name.upper()}__"


def _setting_names(settings: tuple[str, ...], properties: Mapping[str, object]) -> str:
    if properties.get(EMBEDDED):
        return "ASANA_DATA_DIR"
    prefix = properties.get(SETTING_PREFIX, setting_prefix("asana"))
    names = [name if name.startswith(("ICEBERG_", "AWS_")) else f"{prefix}{name}" for name in settings]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _reason(error: BaseException, properties: Mapping[str, object]) -> str:
    reason = str(error)
    if isinstance(error, OSError) and error.strerror and error.errno:
        reason = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    line = redacted(reason, secrets_of(properties)).rstrip(".")
    line = line if len(line) <= _MAX_REASON_LENGTH else f"{line[:_MAX_REASON_LENGTH]}…"
    return f"{type(error).__name__}: {line}"
