"""Custom fields: a definition of every type, each with a few values for tasks to use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asana_assets.sandbox.data.model import Object, Struct, Value
    from asana_assets.sandbox.data.object_factory import ObjectFactory


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomField:
    """A definition, and values as they appear on a task. The first value is usually the empty one."""

    definition: Struct
    values: tuple[Struct, ...]


def build_custom_fields(
    factory: ObjectFactory, people: tuple[Object, ...], references: tuple[Object, ...]
) -> dict[str, CustomField]:
    """Build one field of every type, and three special cases.

    `namesake` has the name of another field, `retired` was removed from its project, and the enums have a disabled
    option.
    """
    creator = people[0]
    low, high = _option(factory, "Low", "blue"), _option(factory, "High", "red")
    disabled = _option(factory, "Urgent (old)", "none", enabled=False)
    options: Value = (low, high, disabled)
    text = _define(factory, creator, "Customer", "text")
    enum = _define(factory, creator, "Priority", "enum", enum_options=options, asana_created_field="priority")
    multi_enum = _define(factory, creator, "Channels", "multi_enum", enum_options=options)
    number = _define(factory, creator, "Cost", "number", precision=2, format="currency", currency_code="EUR")
    percent = _define(factory, creator, "Progress", "number", precision=0, format="percentage")
    date = _define(factory, creator, "Go-live", "date")
    reviewers = _define(factory, creator, "Reviewers", "people")
    reference = _define(factory, creator, "Related", "reference")
    formula = _define(
        factory, creator, "Cost per day", "number", precision=6, is_formula_field=True, is_value_read_only=True
    )
    formula["representation_type"] = "formula"
    custom_id = _define(factory, creator, "Ticket", "text", id_prefix="ENG", is_value_read_only=True)
    custom_id["representation_type"] = "custom_id"
    namesake = _define(factory, creator, "Customer", "enum", enum_options=options, is_global_to_workspace=False)
    retired = _define(factory, creator, "Retired", "text", enabled=False)
    costs = (12.5, 0.1, -3.75, 1234567.89, 0.0, 19.99)
    first_two: Value = people[:2]
    return {
        "text": _with_values(text, "text_value", ((None, None), ("Bäckerei Ünal 🥐", "Bäckerei Ünal 🥐"), ("", ""))),
        "enum": _with_values(
            enum, "enum_value", ((None, None), (low, "Low"), (high, "High"), (disabled, "Urgent (old)"))
        ),
        "multi_enum": _with_values(
            multi_enum, "multi_enum_values", (((), ""), ((low,), "Low"), ((low, high), "Low, High"))
        ),
        "number": _with_values(number, "number_value", ((None, None), *((cost, f"€{cost:.2f}") for cost in costs))),
        "percent": _with_values(percent, "number_value", ((None, None), (0.25, "25%"), (1.0, "100%"))),
        "date": _with_values(
            date,
            "date_value",
            (
                (None, None),
                ({"date": "2026-03-01", "date_time": None}, "2026-03-01"),
                ({"date": "2026-03-01", "date_time": "2026-03-01T22:00:00.000Z"}, "2026-03-01T22:00:00.000Z"),
            ),
        ),
        "people": _with_values(reviewers, "people_value", (((), ""), (first_two, _names(people[:2])))),
        "reference": _with_values(reference, "reference_value", (((), ""), (references, _names(references)))),
        "formula": _with_values(formula, "number_value", ((None, None), (0.333333, "0.333333"))),
        "custom_id": _with_values(custom_id, "text_value", (("ENG-1", "ENG-1"), ("ENG-2", "ENG-2"))),
        "namesake": _with_values(namesake, "enum_value", ((None, None), (high, "High"))),
        "retired": _with_values(
            retired, "text_value", ((None, None), ("kept after the field left", "kept after the field left"))
        ),
    }


def _define(factory: ObjectFactory, creator: Object, name: str, kind: str, **extra: Value) -> dict[str, Value]:
    return {
        "gid": factory.new_gid(),
        "resource_type": "custom_field",
        "name": name,
        "resource_subtype": kind,
        "type": kind,
        "representation_type": kind,
        "enabled": True,
        "id_prefix": None,
        "input_restrictions": ("task",) if kind == "reference" else (),
        "is_formula_field": False,
        "description": f"The {name.lower()} of the task",
        "format": "none",
        "currency_code": None,
        "custom_label": None,
        "custom_label_position": None,
        "is_global_to_workspace": True,
        "has_notifications_enabled": False,
        "asana_created_field": None,
        "is_value_read_only": False,
        "created_by": creator,
        "privacy_setting": "public_with_guests",
        "default_access_level": "editor",
        **extra,
    }


def _option(factory: ObjectFactory, name: str, color: str, *, enabled: bool = True) -> dict[str, Value]:
    gid = factory.new_gid()
    return {"gid": gid, "resource_type": "enum_option", "name": name, "enabled": enabled, "color": color}


def _with_values(definition: dict[str, Value], key: str, values: tuple[tuple[Value, str | None], ...]) -> CustomField:
    """Combine a definition with values, which are pairs of the value under `key` and its display text."""
    shown = tuple({**definition, key: value, "display_value": display} for value, display in values)
    return CustomField(definition={**shown[0]}, values=shown)


def _names(objects: tuple[Object, ...]) -> str:
    return ", ".join(one.text("name") for one in objects)
