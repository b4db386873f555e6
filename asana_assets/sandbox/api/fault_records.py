"""What a fault changes in records. `fault_kinds` documents the kinds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import msgspec

from asana_assets.sandbox.api.raw_json import raw_value

if TYPE_CHECKING:
    from asana_assets.sandbox.api.faults import Fault

Records: TypeAlias = "list[Any]"
_ChangeField: TypeAlias = "Callable[[dict[str, Any], str], None]"

_HALF_AN_EMOJI = rb"\ud83d"
_FIRST_BYTES_OF_AN_EMOJI = "🥐".encode()[:3]


def gid_of(record: Any) -> str:
    """Return the record's gid as text, even if another fault has damaged the record."""
    return str(cast("dict[str, Any]", record).get("gid")) if isinstance(record, dict) else ""


def _replaced_record(fault: Fault, records: Records) -> Records:
    selected = _selected(fault, records)
    return [fault.value if index in selected else record for index, record in enumerate(records)]


def _duplicate_record(fault: Fault, records: Records) -> Records:
    selected = _selected(fault, records)
    return [record for index, record in enumerate(records) for _ in range(1 + (index in selected))]


def _missing_field(fault: Fault, records: Records) -> Records:
    return _change_field(fault, records, lambda record, name: record.pop(name))


def _replaced_field(fault: Fault, records: Records) -> Records:
    return _change_field(fault, records, lambda record, name: record.update({name: fault.value}))


def _raw_field(fault: Fault, records: Records) -> Records:
    return _change_field(fault, records, lambda record, name: record.update({name: raw_value(fault.raw)}))


def _lone_surrogate(fault: Fault, records: Records) -> Records:
    return _change_field(fault, records, lambda record, name: _append_raw(record, name, _HALF_AN_EMOJI))


def _invalid_utf8(fault: Fault, records: Records) -> Records:
    return _change_field(fault, records, lambda record, name: _append_raw(record, name, _FIRST_BYTES_OF_AN_EMOJI))


def _append_raw(record: dict[str, Any], name: str, suffix: bytes) -> None:
    text = record[name]
    if isinstance(text, str):
        record[name] = raw_value(msgspec.json.encode(text)[:-1] + suffix + b'"')


def _change_field(fault: Fault, records: Records, change: _ChangeField) -> Records:
    """Change the field of the selected records; those that do not have it are not changed."""
    *path, name = (fault.field or "name").split(".")
    for index in _selected(fault, records):
        owners: Records = [records[index]]
        for step in path:
            owners = [one for owner in owners if isinstance(owner, dict) for one in _as_list(owner.get(step))]
        for owner in owners:
            if isinstance(owner, dict) and name in owner:
                change(cast("dict[str, Any]", owner), name)
    return records


def _selected(fault: Fault, records: Records) -> set[int]:
    """Return the indices of the records that the fault changes."""
    if fault.gid:
        return {index for index, record in enumerate(records) if gid_of(record) == fault.gid}
    if fault.position is None:
        return set(range(len(records)))
    index = fault.position if fault.position >= 0 else len(records) + fault.position
    return {index} if 0 <= index < len(records) else set()


def _as_list(value: Any) -> Records:
    return cast("Records", value) if isinstance(value, list) else [value]


RECORD_EFFECTS: dict[str, Callable[[Fault, Records], Records]] = {
    "replaced_record": _replaced_record,
    "duplicate_record": _duplicate_record,
    "missing_field": _missing_field,
    "replaced_field": _replaced_field,
    "raw_field": _raw_field,
    "lone_surrogate": _lone_surrogate,
    "invalid_utf8": _invalid_utf8,
}
