"""Columns that several endpoints share, each described once."""

from asana_assets.asana.field_types import (
    boolean,
    date,
    instant,
    integer,
    number,
    reference,
    references,
    struct,
    structs,
    text,
)
from asana_assets.asana.model import GID, RESOURCE_TYPE

NAME = text("name", "Name in Asana; names can change and are not unique.")
COLOR = text("color", "Color in Asana, such as dark-blue; null or none if no color was chosen.")
DESCRIPTION = text("description", "Description as plain text.")
HTML_DESCRIPTION = text("html_description", "Description as HTML.")
NOTES = text("notes", "Description as plain text.")
HTML_NOTES = text("html_notes", "Description as HTML.")
PERMALINK_URL = text("permalink_url", "URL of the object in Asana's web app.")
CREATED_AT = instant("created_at", "Time of creation (UTC).")
FOLLOWERS = references("followers", "The users who follow the object.")
CURRENT_STATUS_UPDATE = reference("current_status_update", "The latest status update; null without any.")
DEFAULT_ACCESS_LEVEL = text("default_access_level", "Access of new members: admin, editor, commenter or viewer.")
MEMBER = struct("member", GID, RESOURCE_TYPE, doc="The user or the team that is a member; its type is user or team.")

# --- likes and reactions

LIKED = boolean("liked", "True if the token's user liked the object.")
LIKES = structs(
    "likes", GID, reference("user", "The user who liked the object."), doc="Likes of the object, one for each user."
)
NUM_LIKES = integer("num_likes", "Number of users who liked the object.")
REACTIONS = structs(
    "reaction_summary",
    text("emoji_base", "Emoji, without its skin tone."),
    text("variant", "Emoji as it was used, with its skin tone."),
    number("count", "Number of users who reacted with this emoji."),
    boolean("reacted", "True if the token's user reacted with this emoji."),
    doc="Emoji reactions to the object, one item for each emoji.",
)

# --- custom fields

ENUM_OPTION = (GID, NAME)
CUSTOM_FIELD_VALUE = (
    GID,
    NAME,
    text("type", "Type of the field: text, number, enum, multi_enum, date, people or reference."),
    text("representation_type", "Like `type`, with formula and custom_id as additional types."),
    boolean("enabled", "True if the field is in use, false if it was removed from the project and its value was kept."),
    text("display_value", "Value as Asana displays it, for every type; null if no value is set."),
    text("text_value", "Value of a text field; null for other types."),
    number("number_value", "Value of a number field, 0.25 for 25 percent; null for other types."),
    struct("enum_value", *ENUM_OPTION, doc="Selected option of an enum field; null for other types."),
    structs("multi_enum_values", *ENUM_OPTION, doc="Selected options of a multi_enum field; null for other types."),
    struct(
        "date_value",
        date("date", "Day of the value."),
        instant("date_time", "Time of the value (UTC); null if only a day is set."),
        doc="Value of a date field; null for other types.",
    ),
    boolean("is_formula_field", "True if the value is computed by a formula."),
    text("id_prefix", "Prefix of the IDs of a custom_id field; null for other types."),
)
CUSTOM_FIELDS = structs(
    "custom_fields",
    *CUSTOM_FIELD_VALUE,
    doc="Custom field values of the object itself; group them by gid, as names can change.",
)
CUSTOM_FIELD_SETTINGS = structs(
    "custom_field_settings",
    GID,
    reference("custom_field", "The custom field that is available."),
    reference("project", "The project in which the custom field is available; `parent_gid` replaces it."),
    reference("parent", "The object in which the custom field is available."),
    boolean("is_important", "True if list views show the custom field."),
    doc="Custom fields that are available in the object, without values.",
)
