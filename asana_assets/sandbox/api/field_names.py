"""Names of fields that several kinds of objects have."""

from __future__ import annotations

REF = ("resource_type", "name")
ENUM = ("resource_type", "name", "enabled", "color")
DATE = ("date", "date_time")
LIKE = ("user.resource_type", "user.name")


def under(prefix: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names as those of a nested object's fields."""
    return tuple(f"{prefix}.{name}" for name in names)


CUSTOM_FIELD_COMPACT = (
    *("resource_type", "name", "type", "enabled", "representation_type", "id_prefix", "input_restrictions"),
    *("is_formula_field", "number_value", "text_value", "display_value"),
    *under("enum_options", ENUM),
    *under("date_value", DATE),
    *under("enum_value", ENUM),
    *under("multi_enum_values", ENUM),
)
CUSTOM_FIELD = (
    *CUSTOM_FIELD_COMPACT,
    *("description", "precision", "format", "currency_code", "custom_label", "custom_label_position"),
    *("is_global_to_workspace", "has_notifications_enabled", "asana_created_field", "is_value_read_only"),
    *("html_text_value", "privacy_setting", "default_access_level", "resource_subtype"),
    *under("created_by", REF),
    *under("people_value", REF),
    *under("reference_value", REF),
)
SETTING = (
    *("resource_type", "is_important"),
    *under("project", REF),
    *under("parent", REF),
    *under("custom_field", CUSTOM_FIELD),
)
