"""Custom fields: one definition of every type, and a few values of each that tasks share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asana_assets.sandbox.factory import Factory
    from asana_assets.sandbox.model import Object, Struct, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomField:
    """A definition, and values as they appear on a task; the first value is the empty one."""

    definition: Struct
    values: tuple[Struct, ...]


def _define(factory: Factory, creator: Object, name: str, kind: str, **more: Value) -> dict[str, Value]:
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
        **more,
    }


def _values(definition: dict[str, Value], key: str, values: tuple[tuple[Value, str | None], ...]) -> CustomField:
    """Values by the one key that the type has, each with its display text."""
    shown = tuple({**definition, key: value, "display_value": display} for value, display in values)
    return CustomField(definition={**shown[0]}, values=shown)


def _option(factory: Factory, name: str, color: str, *, enabled: bool = True) -> dict[str, Value]:
    gid = factory.new_gid()
    return {"gid": gid, "resource_type": "enum_option", "name": name, "enabled": enabled, "color": color}


def build_custom_fields(factory: Factory, people: tuple[Object, ...], tasks: tuple[Object, ...]) -> list[CustomField]:
    """Every type once; two fields with one name; an option that is disabled; a field that left its project.

    Order: text, enum, multi_enum, number, percent, date, people, reference, formula, custom_id, namesake, retired.
    """
    ann = people[0]
    low, high = _option(factory, "Low", "blue"), _option(factory, "High", "red")
    old = _option(factory, "Urgent (old)", "none", enabled=False)
    options: Value = (low, high, old)
    text = _define(factory, ann, "Customer", "text")
    enum = _define(factory, ann, "Priority", "enum", enum_options=options, asana_created_field="priority")
    multi = _define(factory, ann, "Channels", "multi_enum", enum_options=options)
    number = _define(factory, ann, "Cost", "number", precision=2, format="currency", currency_code="EUR")
    percent = _define(factory, ann, "Progress", "number", precision=0, format="percentage")
    day = _define(factory, ann, "Go-live", "date")
    persons = _define(factory, ann, "Reviewers", "people")
    reference = _define(factory, ann, "Related", "reference")
    formula = _define(
        factory, ann, "Cost per day", "number", precision=6, is_formula_field=True, is_value_read_only=True
    )
    formula["representation_type"] = "formula"
    number_id = _define(factory, ann, "Ticket", "text", id_prefix="ENG", is_value_read_only=True)
    number_id["representation_type"] = "custom_id"
    namesake = _define(factory, ann, "Customer", "enum", enum_options=options, is_global_to_workspace=False)
    retired = _define(factory, ann, "Retired", "text", enabled=False)
    costs = (12.5, 0.1, -3.75, 1234567.89, 0.0, 19.99)
    first_two: Value = people[:2]
    return [
        _values(text, "text_value", ((None, None), ("Bäckerei Ünal 🥐", "Bäckerei Ünal 🥐"), ("", ""))),
        _values(enum, "enum_value", ((None, None), (low, "Low"), (high, "High"), (old, "Urgent (old)"))),
        _values(multi, "multi_enum_values", (((), ""), ((low,), "Low"), ((low, high), "Low, High"))),
        _values(number, "number_value", ((None, None), *((cost, f"€{cost:.2f}") for cost in costs))),
        _values(percent, "number_value", ((None, None), (0.25, "25%"), (1.0, "100%"))),
        _values(
            day,
            "date_value",
            (
                (None, None),
                ({"date": "2026-03-01", "date_time": None}, "2026-03-01"),
                ({"date": "2026-03-01", "date_time": "2026-03-01T22:00:00.000Z"}, "2026-03-01T22:00:00.000Z"),
            ),
        ),
        _values(persons, "people_value", (((), ""), (first_two, ", ".join(one.text("name") for one in people[:2])))),
        _values(reference, "reference_value", (((), ""), (tasks, ", ".join(one.text("name") for one in tasks)))),
        _values(formula, "number_value", ((None, None), (0.333333, "0.333333"))),
        _values(number_id, "text_value", (("ENG-1", "ENG-1"), ("ENG-2", "ENG-2"))),
        _values(namesake, "enum_value", ((None, None), (high, "High"))),
        _values(retired, "text_value", ((None, None), ("kept after the field left", "kept after the field left"))),
    ]
