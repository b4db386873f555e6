"""Field types and columns: how a field of a record is requested, read from JSON and stored.

A `FieldType` has two conversions from JSON to the stored type. `convert` is fast: it takes a whole Arrow array and
raises `pa.ArrowInvalid` if any value does not fit. `coerce` is exact: it takes one decoded value, keeps what fits and
records what does not. For values that fit, both return the same. Which columns an endpoint has is in `endpoints`.
"""

import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

import pyarrow as pa
import pyarrow.compute as pc

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""A decoded JSON value."""

if TYPE_CHECKING:  # the classes are generic in the stubs only
    Array: TypeAlias = pa.Array[Any]
    Chunked: TypeAlias = pa.ChunkedArray[Any]
else:
    Array, Chunked = pa.Array, pa.ChunkedArray

Unmapped: TypeAlias = dict[str, Json]
"""Values that did not fit, by their path in the record, such as `custom_fields[2].number_value`."""


class FieldType(Protocol):
    """How a field is requested, read from JSON and stored."""

    @property
    def arrow_type(self) -> pa.DataType:
        """Stored type."""
        ...

    @property
    def json_type(self) -> pa.DataType:
        """Type for Arrow's JSON reader."""
        ...

    def opt_fields(self, field: str) -> Iterator[str]:
        """Yield the `opt_fields` paths that request the field; a `gid` is always included and needs none."""
        ...

    def convert(self, sent: Array) -> Array:
        """Convert an array of `json_type` to `arrow_type`; raise `pa.ArrowInvalid` if a value does not fit."""
        ...

    def coerce(self, value: Json, path: str, unmapped: Unmapped) -> object:
        """Convert one decoded value to a Python value of `arrow_type`; record in `unmapped` what does not fit."""
        ...


@dataclass(frozen=True, slots=True)
class _Scalar:
    arrow_type: pa.DataType
    json_type: pa.DataType

    def opt_fields(self, field: str) -> Iterator[str]:
        yield field

    def convert(self, sent: Array) -> Array:
        return sent if self.arrow_type == self.json_type else sent.cast(self.arrow_type)

    def coerce(self, value: Json, path: str, unmapped: Unmapped) -> object:
        if value is None:
            return None
        parsed = self.parse(value)
        if parsed is None:
            unmapped[path] = value
        return parsed

    def parse(self, value: Json) -> object | None:
        """Return the stored value, or None if the value does not fit."""
        raise NotImplementedError


class _Text(_Scalar):
    def parse(self, value: Json) -> object | None:
        return value if isinstance(value, str) else None


class _Boolean(_Scalar):
    def parse(self, value: Json) -> object | None:
        return value if isinstance(value, bool) else None


class _Integer(_Scalar):
    def parse(self, value: Json) -> object | None:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
            return None
        return value


class _Number(_Scalar):
    def parse(self, value: Json) -> object | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None


class _Instant(_Scalar):
    def parse(self, value: Json) -> object | None:
        try:
            instant = dt.datetime.fromisoformat(value) if isinstance(value, str) else None
            return instant.astimezone(dt.UTC) if instant and instant.tzinfo else None
        except (ValueError, OverflowError):
            return None


class _Date(_Scalar):
    def parse(self, value: Json) -> object | None:
        try:
            return dt.date.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            return None


TEXT = _Text(pa.string(), pa.string())
BOOLEAN = _Boolean(pa.bool_(), pa.bool_())
INTEGER = _Integer(pa.int64(), pa.int64())
NUMBER = _Number(pa.float64(), pa.float64())
INSTANT = _Instant(pa.timestamp("us", tz="UTC"), pa.string())
DATE = _Date(pa.date32(), pa.string())


class _Reference(_Scalar):
    """A reference to another object, stored as its gid."""

    def convert(self, sent: Array) -> Array:
        return pc.struct_field(sent, "gid")

    def coerce(self, value: Json, path: str, unmapped: Unmapped) -> object:
        if value is None or isinstance(value, dict):
            return TEXT.coerce(value and value.get("gid"), f"{path}.gid", unmapped)
        unmapped[path] = value
        return None


REFERENCE = _Reference(pa.string(), pa.struct([pa.field("gid", pa.string())]))


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list whose items have one type."""

    item: FieldType

    @property
    def arrow_type(self) -> pa.DataType:
        return pa.list_(pa.field("element", self.item.arrow_type))

    @property
    def json_type(self) -> pa.DataType:
        return pa.list_(self.item.json_type)

    def opt_fields(self, field: str) -> Iterator[str]:
        yield from self.item.opt_fields(field)

    def convert(self, sent: Array) -> Array:
        lists = cast("pa.ListArray[Any]", sent)
        return pa.ListArray.from_arrays(
            lists.offsets,
            self.item.convert(lists.values),
            type=self.arrow_type,
            mask=lists.is_null() if lists.null_count else None,
        )

    def coerce(self, value: Json, path: str, unmapped: Unmapped) -> object:
        if value is None:
            return None
        if not isinstance(value, list):
            unmapped[path] = value
            return None
        return [self.item.coerce(item, f"{path}[{index}]", unmapped) for index, item in enumerate(value)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A field of a record, or of an object nested in it.

    Attributes:
        name: Column name.
        field: Asana's name of the field; "" if the value is not Asana's.
        type: Type of the field.
        doc: Description for analysts; the column comment in Iceberg.
    """

    name: str
    field: str
    type: FieldType
    doc: str

    @property
    def arrow_field(self) -> "pa.Field[Any]":
        return pa.field(self.name, self.type.arrow_type, metadata={"doc": self.doc})


@dataclass(frozen=True, slots=True)
class Struct:
    """A nested object, projected to the given columns.

    Attributes:
        columns: Fields to store.
        atomic: Whether Asana returns the object only as a whole, so that it is requested by its own name instead of
            field by field.
    """

    columns: tuple[Column, ...]
    atomic: bool = False

    @property
    def arrow_type(self) -> pa.DataType:
        return pa.struct([column.arrow_field for column in self.columns])

    @property
    def json_type(self) -> pa.DataType:
        return pa.struct([pa.field(column.field, column.type.json_type) for column in self.columns])

    def opt_fields(self, field: str) -> Iterator[str]:
        if self.atomic:
            yield field
            return
        for column in self.columns:
            if column.field != "gid":
                yield from column.type.opt_fields(f"{field}.{column.field}")

    def convert(self, sent: Array) -> Array:
        structs = cast("pa.StructArray", sent)
        return pa.StructArray.from_arrays(
            [column.type.convert(pc.struct_field(structs, column.field)) for column in self.columns],
            fields=[column.arrow_field for column in self.columns],
            mask=structs.is_null() if structs.null_count else None,
        )

    def coerce(self, value: Json, path: str, unmapped: Unmapped) -> object:
        if value is None:
            return None
        if not isinstance(value, dict):
            unmapped[path] = value
            return None
        return {c.name: c.type.coerce(value.get(c.field), f"{path}.{c.field}", unmapped) for c in self.columns}


def text(field: str, doc: str) -> Column:
    return Column(name=field, field=field, type=TEXT, doc=doc)


def boolean(field: str, doc: str) -> Column:
    return Column(name=field, field=field, type=BOOLEAN, doc=doc)


def integer(field: str, doc: str) -> Column:
    return Column(name=field, field=field, type=INTEGER, doc=doc)


def number(field: str, doc: str) -> Column:
    """Return a column of decimals; also for fields that Asana specifies as integers but that hold decimals."""
    return Column(name=field, field=field, type=NUMBER, doc=doc)


def instant(field: str, doc: str) -> Column:
    return Column(name=field, field=field, type=INSTANT, doc=doc)


def date(field: str, doc: str) -> Column:
    return Column(name=field, field=field, type=DATE, doc=doc)


def reference(field: str, doc: str) -> Column:
    """Return the column `<field>_gid` for a reference to an object."""
    return Column(name=f"{field}_gid", field=field, type=REFERENCE, doc=doc)


def references(field: str, doc: str, *, name: str = "") -> Column:
    """Return the column `<singular>_gids` for a list of references; `name` is for irregular singulars."""
    return Column(name=name or f"{field.removesuffix('s')}_gids", field=field, type=ListOf(REFERENCE), doc=doc)


def texts(field: str, doc: str) -> Column:
    return Column(name=field, field=field, type=ListOf(TEXT), doc=doc)


def struct(field: str, *columns: Column, doc: str, atomic: bool = False) -> Column:
    return Column(name=field, field=field, type=Struct(columns, atomic), doc=doc)


def structs(field: str, *columns: Column, doc: str) -> Column:
    return Column(name=field, field=field, type=ListOf(Struct(columns)), doc=doc)
