"""What the errors of catalogs and stores mean for the person who runs the sync: one sentence, the setting in it.

The libraries' errors are told by name, so that none of them has to be imported for it.
"""

import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from asana_assets.asana.redaction import redacted
from asana_assets.lake.errors import CatalogRefusedError, CatalogUnavailableError, LakeError

if TYPE_CHECKING:  # half a second to import
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

EMBEDDED = "asana-assets.embedded"
"""A property of the catalog that nobody configured."""

_CATALOG = "PYICEBERG_CATALOG__ASANA__"
_SECRET = re.compile(r"credential|password|secret|token|key", re.IGNORECASE)
_LONGEST = 300

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Of = TypeVar("_Of", bound="Catalog | Table")


def translates_errors(function: Callable[Concatenate[_Of, _P], _R]) -> Callable[Concatenate[_Of, _P], _R]:
    """Have a function of a catalog or a table raise `LakeError` where `meaning` knows one."""

    @wraps(function)
    def explained(of: _Of, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        with translate_errors(of):
            return function(of, *args, **kwargs)

    return explained


@contextmanager
def translate_errors(of: "Catalog | Table") -> Generator[None]:
    """As `in_plain_words`, for a block."""
    try:
        yield
    except LakeError:
        raise
    except Exception as error:  # each kind of catalog and store has its own; those that mean nothing to us go on
        catalog: Catalog = getattr(of, "catalog", of)  # pyright: ignore[reportAssignmentType] - a table's, or itself
        known = translate_error(error, catalog.properties)
        if known is None:
            raise
        raise known from None  # the cause's own text may hold a secret


def translate_error(error: BaseException, properties: Mapping[str, object]) -> LakeError | None:
    """The sentence for an error of a catalog with these properties or of its store; None if it is no such error."""
    names = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(error).__mro__}
    text = str(error)
    if "botocore.ClientError" in names or "botocore.BotoCoreError" in names or "AWS Error" in text:
        return _of_aws(type(error).__name__ + text, _told(error, properties), properties)
    for kinds, pattern, words, settings, refused in _RULES:
        if names & kinds and re.search(pattern, text, re.IGNORECASE):
            sort = CatalogRefusedError if refused else CatalogUnavailableError
            return sort(f"{words}; check {_named(settings, properties)} ({_told(error, properties)}).")
    return None


def secrets_of(properties: Mapping[str, object]) -> list[str]:
    """What of a catalog's properties no sentence may hold."""
    found: list[str] = []
    for name, value in properties.items():
        if isinstance(value, dict):
            found += secrets_of(value)
        elif isinstance(value, str) and value and _SECRET.search(name):
            found += [value, *(part for part in value.split(":") if len(part) > 3)]  # noqa: PLR2004 - `id:secret`
    return sorted(found, key=len, reverse=True)


_PYICEBERG = {
    "unauthorized": {"pyiceberg.UnauthorizedError", "pyiceberg.AuthorizationExpiredError"},
    "server": {"pyiceberg.ServerError", "pyiceberg.ServiceUnavailableError", "pyiceberg.TooManyRequestsError"},
}
_READ_ONLY = r"insufficientprivilege|permission denied|read-?only"

# Kinds of error, what their text says, what that means, which settings, and whether it was a clear no.
_RULES: tuple[tuple[set[str], str, str, tuple[str, ...], bool], ...] = (
    ({"pyiceberg.OAuthError"}, "scope", "The catalog gives no token for this role", ("SCOPE",), True),
    ({"pyiceberg.OAuthError"}, "", "The catalog does not take the credential", ("CREDENTIAL",), True),
    (
        _PYICEBERG["unauthorized"],
        "",
        "The catalog does not take the credential, or it has expired",
        ("CREDENTIAL", "TOKEN"),
        True,
    ),
    (
        {"pyiceberg.ForbiddenError"},
        "",
        "The catalog forbids this to the role: grant it the privilege, or use another role",
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
        "The catalog refuses the request",
        ("ICEBERG_NAMESPACE", "ICEBERG_NAME_CASE", "ICEBERG_EXPIRE_SNAPSHOTS"),
        True,
    ),
    (_PYICEBERG["server"], "", "The catalog is in trouble", ("URI",), False),
    ({"pyiceberg.RESTError"}, "", "The catalog has no such place", ("URI", "WAREHOUSE"), True),
    ({"requests.RequestException"}, "", "The catalog does not answer", ("URI",), False),
    ({"sqlalchemy.SQLAlchemyError"}, _READ_ONLY, "The catalog's database cannot be written", ("URI",), True),
    ({"sqlalchemy.SQLAlchemyError"}, "", "The catalog's database cannot be used", ("URI",), False),
    (
        {"builtins.ValueError"},
        "no default path|unrecognized filesystem|empty bucket name|scheme",
        "The warehouse is no place for files",
        ("WAREHOUSE",),
        True,
    ),
    ({"builtins.OSError"}, "", "The tables' files cannot be read or written", ("WAREHOUSE",), False),
)


# What is in the code of an error of AWS, in letters alone: botocore and Arrow write them differently.
_AWS_RULES: tuple[tuple[str, str, tuple[str, ...], bool], ...] = (
    ("nosuchbucket", "There is no such bucket", ("WAREHOUSE",), True),
    (
        "expiredtoken|invalidaccesskeyid|invalidclienttokenid|unrecognizedclient|signature|invalidtoken|credentials",
        "AWS does not take the credentials, or they have expired",
        ("AWS_ACCESS_KEY_ID, AWS_PROFILE and their like", "CLIENT__ACCESS_KEY_ID"),
        True,
    ),
    (
        "accessdenied|accessforbidden|unauthorized|status403",
        "AWS forbids this to the role: give it the rights to the bucket and the Glue database, or use another",
        ("WAREHOUSE", "ICEBERG_NAMESPACE", "AWS_PROFILE"),
        True,
    ),
    ("noregion|region", "AWS has no such region", ("CLIENT__REGION",), True),
    ("profile", "AWS has no such profile", ("AWS_PROFILE", "CLIENT__PROFILE_NAME"), True),
    ("", "AWS does not answer as it should", ("CLIENT__REGION", "WAREHOUSE"), False),
)


def _of_aws(code: str, told: str, properties: Mapping[str, object]) -> LakeError:
    letters = re.sub("[^a-z0-9]", "", code.lower())
    _, words, settings, refused = next(one for one in _AWS_RULES if re.search(one[0], letters))
    sort = CatalogRefusedError if refused else CatalogUnavailableError
    return sort(f"{words}; check {_named(settings, properties)} ({told}).")


def _named(settings: tuple[str, ...], properties: Mapping[str, object]) -> str:
    if properties.get(EMBEDDED):
        return "ASANA_DATA_DIR"
    whole = [name if name.startswith(("ICEBERG_", "AWS_")) else f"{_CATALOG}{name}" for name in settings]
    return " and ".join(filter(None, [", ".join(whole[:-1]), whole[-1]]))


def _told(error: BaseException, properties: Mapping[str, object]) -> str:
    reason = str(error)
    if isinstance(error, OSError) and error.strerror and error.errno:
        reason = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    line = redacted(reason, secrets_of(properties)).rstrip(".")
    return f"{type(error).__name__}: {line if len(line) <= _LONGEST else f'{line[:_LONGEST]}…'}"
