"""The choice of columns whose values are never requested, or stored as keyed hashes only.

The table keeps its columns: omitted ones are null, hashed ones have the hexadecimal HMAC-SHA256 of each text. What does
not fit a hashed column is hashed in `_unmapped`, too.
"""

import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.endpoints import ENDPOINTS
from asana_assets.asana.errors import ConfigurationError
from asana_assets.asana.field_types import TEXT, Array, Column, FieldType, Json, ListOf, Unmapped
from asana_assets.asana.model import GID, PARENT_GID, ROW_HASH, SYNCED_AT, UNMAPPED, WORKSPACE_GID, Endpoint

OMIT_SETTING = "ASANA_OMIT_COLUMNS"
HASH_SETTING = "ASANA_HASH_COLUMNS"
SECRET_SETTING = "ASANA_HASH_SECRET"  # noqa: S105 - a name

OMITTED = "omitted"
"""How an omitted column is stored."""

_ADDED_COLUMNS = (GID, WORKSPACE_GID, PARENT_GID, SYNCED_AT, UNMAPPED, ROW_HASH)
_NAME, _CREATED_AT, _MODIFIED_AT = "name", "created_at", "modified_at"


@dataclass(frozen=True, slots=True)
class Hasher:
    """Hashes texts with one secret."""

    secret: bytes = field(repr=False)

    def hash(self, text: str) -> str:
        """Return the hexadecimal HMAC-SHA256 of a text."""
        return hmac.digest(self.secret, text.encode(), "sha256").hex()

    def hash_array(self, texts: Array) -> Array:
        """Return the hashes of texts; null stays null."""
        encoded = cast("pa.DictionaryArray[Any, Any]", pc.dictionary_encode(texts))
        hashes = pa.array([self.hash(str(text)) for text in encoded.dictionary.to_pylist()], pa.string())
        return hashes.take(encoded.indices)

    @property
    def key_id(self) -> str:
        """A text that differs for different secrets."""
        return self.hash("asana_assets key")[:16]


@dataclass(frozen=True, slots=True)
class _Omitted:
    """The type of a column whose values are neither requested nor stored."""

    shown: FieldType

    @property
    def arrow_type(self) -> pa.DataType:
        return self.shown.arrow_type

    @property
    def json_type(self) -> pa.DataType:
        return self.shown.json_type

    def opt_fields(self, field: str) -> Iterator[str]:  # noqa: ARG002 - the protocol's signature
        yield from ()

    def convert(self, sent: Array) -> Array:
        return pa.array([None] * len(sent), self.arrow_type)

    def coerce(self, value: Json, path: str, unmapped: Unmapped) -> object:  # noqa: ARG002 - the protocol's signature
        return None


@dataclass(frozen=True, slots=True)
class _Hashed:
    """The type of a column of texts, or of lists of texts, of which only hashes are stored."""

    shown: FieldType
    hasher: Hasher

    @property
    def arrow_type(self) -> pa.DataType:
        return self.shown.arrow_type

    @property
    def json_type(self) -> pa.DataType:
        return self.shown.json_type

    def opt_fields(self, field: str) -> Iterator[str]:
        yield from self.shown.opt_fields(field)

    def convert(self, sent: Array) -> Array:
        return hash_values(self.shown.convert(sent), self.hasher)

    def coerce(self, value: Json, path: str, unmapped: Unmapped) -> object:
        misfits: Unmapped = {}
        coerced = self.shown.coerce(value, path, misfits)
        unmapped |= {name: hash_json(misfit, self.hasher) for name, misfit in misfits.items()}
        [hashed] = hash_values(pa.array([coerced], self.arrow_type), self.hasher).to_pylist()
        return hashed


def hash_values(values: Array, hasher: Hasher) -> Array:
    """Return the hashes of texts or of lists of texts."""
    if not isinstance(values, pa.ListArray):
        return hasher.hash_array(values)
    return pa.ListArray.from_arrays(
        values.offsets,
        hasher.hash_array(values.values),
        type=values.type,
        mask=values.is_null() if values.null_count else None,
    )


def hash_json(value: Json, hasher: Hasher) -> str:
    """Return the hash of any value."""
    return hasher.hash(msgspec.json.encode(value).decode())


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnChoice:
    """Which columns are omitted and which are hashed, by `endpoint.column`.

    Attributes:
        omitted: The columns that are not requested.
        hashed: The columns of which hashes are stored.
        hasher: Hashes them; None if there are none.
    """

    omitted: frozenset[str] = frozenset()
    hashed: frozenset[str] = frozenset()
    hasher: Hasher | None = None

    def hides(self, endpoint: str, column: str) -> bool:
        """Return whether the column's values are not stored as they are."""
        return f"{endpoint}.{column}" in self.omitted | self.hashed

    def of(self, endpoint: Endpoint) -> dict[str, str]:
        """Return how the endpoint's hidden columns are stored, by name: a text that differs if that does."""
        hashed = f"hashed with {self.hasher.key_id}" if self.hasher else ""
        return {
            column.name: OMITTED if f"{endpoint.name}.{column.name}" in self.omitted else hashed
            for column in endpoint.columns
            if self.hides(endpoint.name, column.name)
        }

    def apply(self, endpoint: Endpoint) -> Endpoint:
        """Return the endpoint as it is requested and stored."""
        if not self.of(endpoint):
            return endpoint
        return replace(endpoint, columns=tuple(self._hide(endpoint.name, column) for column in endpoint.columns))

    def _hide(self, endpoint: str, column: Column) -> Column:
        if f"{endpoint}.{column.name}" in self.omitted:
            return replace(column, type=_Omitted(column.type))
        if self.hasher and f"{endpoint}.{column.name}" in self.hashed:
            return replace(column, type=_Hashed(column.type, self.hasher))
        return column


def choose_columns(
    omit: Sequence[str],
    hash_: Sequence[str],
    secret: str | None,
    *,
    needed: Mapping[str, Sequence[str]] | None = None,
    endpoints: Sequence[Endpoint] = ENDPOINTS,
) -> ColumnChoice:
    """Return the choice of columns, given as `endpoint.column`.

    Args:
        omit: Columns to omit.
        hash_: Columns to hash.
        secret: The secret of the hashes.
        needed: Further columns that the sync needs, by endpoint.
        endpoints: All endpoints.

    Raises:
        ConfigurationError: A column does not exist, is needed, is in both lists or is to be hashed and not of texts, or
            there is no secret.
    """
    known = {endpoint.name: endpoint for endpoint in endpoints}
    for setting, names in ((OMIT_SETTING, omit), (HASH_SETTING, hash_)):
        for name in names:
            endpoint, column = _find(setting, name, known)
            if column.name in {*_needed_columns(endpoint, endpoints), *(needed or {}).get(endpoint.name, ())}:
                raise ConfigurationError(f"{setting} names {name}, but syncs need the values of this column")
            if setting == HASH_SETTING and column.type not in {TEXT, ListOf(TEXT)}:
                raise ConfigurationError(
                    f"{setting} names {name}, but only texts can be hashed: use {OMIT_SETTING} for this column"
                )
    if both := sorted(set(omit) & set(hash_)):
        raise ConfigurationError(f"{OMIT_SETTING} and {HASH_SETTING} both name {', '.join(both)}: remove it from one")
    if hash_ and not secret:
        raise ConfigurationError(f"{HASH_SETTING} is set, which needs {SECRET_SETTING}: a long, random text")
    hasher = Hasher(secret.encode()) if hash_ and secret else None
    return ColumnChoice(omitted=frozenset(omit), hashed=frozenset(hash_), hasher=hasher)


def _find(setting: str, name: str, known: Mapping[str, Endpoint]) -> tuple[Endpoint, Column]:
    endpoint_name, _, column_name = name.partition(".")
    endpoint = known.get(endpoint_name)
    if endpoint is None:
        raise ConfigurationError(
            f"{setting} names {name}, but columns are written endpoint.column, and the endpoints are {', '.join(known)}"
        )
    columns = {column.name: column for column in (*endpoint.columns, *_ADDED_COLUMNS)}
    if column_name not in columns:
        names = ", ".join(column.name for column in endpoint.columns)
        raise ConfigurationError(f"{setting} names {name}, but the columns of {endpoint_name} are {names}")
    return endpoint, columns[column_name]


def _needed_columns(endpoint: Endpoint, endpoints: Iterable[Endpoint]) -> set[str]:
    """Return the columns of an endpoint by which syncs identify rows, find parents and detect changes."""
    needed = {column.name for column in _ADDED_COLUMNS} | {*endpoint.parent_columns}
    if endpoint.window:
        needed.add(endpoint.window.column.name)
    below = [one for other in endpoints for one in other.listings if one.parent and one.parent.name == endpoint.name]
    for listing in (*below, *([endpoint.recursive_listing] if endpoint.recursive_listing else [])):
        needed |= {
            listing.parent_column,
            *listing.version_column_names,
            *([listing.only_if] if listing.only_if else []),
        }
    if endpoint.search:
        needed |= {_CREATED_AT, _MODIFIED_AT}
    if not endpoint.upstream:  # the names of partitions
        needed.add(_NAME)
    return needed
