"""How a field of Asana becomes a column: its stored type, its JSON type, what to ask for, how to convert.

A `Column` is one field. Its shape knows both types and two conversions between them: `convert`, fast, over an Arrow
array of what was sent, which raises `pa.ArrowInvalid` when anything does not fit; and `fit`, exact, over one decoded
value, which keeps what fits and notes what does not. For what fits, both give the same.
"""

import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

import pyarrow as pa
import pyarrow.compute as pc

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
if TYPE_CHECKING:  # the stubs' classes are generic, Arrow's own are not
    Array: TypeAlias = pa.Array[Any]
    Chunked: TypeAlias = pa.ChunkedArray[Any]
else:
    Array, Chunked = pa.Array, pa.ChunkedArray

Unmapped: TypeAlias = dict[str, Json]
"""The values that did not fit, by their path in the record, as in `custom_fields[2].number_value`."""


class FieldType(Protocol):
    """A kind of value."""

    @property
    def arrow_type(self) -> pa.DataType:
        """The type in the table."""
        ...

    @property
    def json_type(self) -> pa.DataType:
        """The type that Arrow's JSON reader is told to expect."""
        ...

    def opt_fields(self, field: str) -> Iterator[str]:
        """Yield the `opt_fields` that ask for it, given its own path; gid always comes along unasked."""
        ...

    def convert(self, sent: Array) -> Array:
        """Turn an array of `wire` into one of `stored`, or raise `pa.ArrowInvalid`."""
        ...

    def coerce(self, value: Json, path: str, unmapped: Unmapped) -> object:
        """Turn one value into what `stored` holds; of what does not fit, note the value and give None."""
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
        fitted = self.parse(value)
        if fitted is None:
            unmapped[path] = value
        return fitted

    def parse(self, value: Json) -> object | None:
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
    """Another object of Asana, of which the gid is kept."""

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
    """A list of one shape."""

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
        return [self.item.coerce(item, f"{path}[{at}]", unmapped) for at, item in enumerate(value)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One field of a record, or of an object inside it: where it comes from, what it is called, what it means."""

    name: str
    field: str
    type: FieldType
    doc: str = ""

    @property
    def arrow_field(self) -> "pa.Field[Any]":
        return pa.field(self.name, self.type.arrow_type, metadata={"doc": self.doc} if self.doc else None)


@dataclass(frozen=True, slots=True)
class Struct:
    """An object of which the named fields are kept.

    `whole` marks an object that Asana only gives undivided: it is asked for by its own name, not field by field.
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


def text(field: str, doc: str = "") -> Column:
    return Column(name=field, field=field, type=TEXT, doc=doc)


def boolean(field: str, doc: str = "") -> Column:
    return Column(name=field, field=field, type=BOOLEAN, doc=doc)


def integer(field: str, doc: str = "") -> Column:
    return Column(name=field, field=field, type=INTEGER, doc=doc)


def number(field: str, doc: str = "") -> Column:
    """A decimal; also where Asana's specification says integer and its data say otherwise."""
    return Column(name=field, field=field, type=NUMBER, doc=doc)


def instant(field: str, doc: str = "") -> Column:
    return Column(name=field, field=field, type=INSTANT, doc=doc)


def date(field: str, doc: str = "") -> Column:
    return Column(name=field, field=field, type=DATE, doc=doc)


def reference(field: str, doc: str = "") -> Column:
    """An object's gid, as `<field>_gid`."""
    return Column(name=f"{field}_gid", field=field, type=REFERENCE, doc=doc)


def references(field: str, doc: str = "", *, name: str = "") -> Column:
    """A list of objects' gids, as `<singular>_gids`; `name` where the singular is not the field less its s."""
    return Column(name=name or f"{field.removesuffix('s')}_gids", field=field, type=ListOf(REFERENCE), doc=doc)


def texts(field: str, doc: str = "") -> Column:
    return Column(name=field, field=field, type=ListOf(TEXT), doc=doc)


def struct(field: str, *columns: Column, doc: str = "", atomic: bool = False) -> Column:
    return Column(name=field, field=field, type=Struct(columns, atomic), doc=doc)


def structs(field: str, *columns: Column, doc: str = "") -> Column:
    return Column(name=field, field=field, type=ListOf(Struct(columns)), doc=doc)
