"""Stories of every subtype on one task."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asana_assets.sandbox.data.builder import Builder
    from asana_assets.sandbox.data.custom_fields import CustomField
    from asana_assets.sandbox.data.model import Object, Value


def add_edge_case_stories(
    builder: Builder, task: Object, fields: Mapping[str, CustomField], *, project: Object
) -> None:
    """Add the stories to a task in a project with at least two sections."""
    stories = _EdgeCaseStories(builder, task)
    stories.add_custom_field_stories(fields, project)
    stories.add_system_stories(project)
    stories.add_comment()
    task.fields["modified_at"] = builder.at(136)


class _EdgeCaseStories:
    def __init__(self, builder: Builder, task: Object) -> None:
        self.builder = builder
        self.organization = builder.organization
        self.gids = builder.organization.edge_cases
        self.task = task
        self.owner = builder.organization.me

    def _add(self, hours: float, subtype: str, text: str, **extra: Value) -> Object:
        return self.organization.new_story(self.task, subtype, text, self.builder.at(hours), self.owner, **extra)

    def add_custom_field_stories(self, fields: Mapping[str, CustomField], project: Object) -> None:
        """Add a story without an author, then changes of a custom field of every type."""
        text, enum, multi_enum, number = (fields[kind] for kind in ("text", "enum", "multi_enum", "number"))
        created_at = self.builder.at(120)
        system_story = self.organization.new_story(
            self.task, "added_to_project", "added to Website 🌐", created_at, None, project=project
        )
        self.gids["system_story"] = system_story.gid
        change: dict[str, Value] = {"old_number_value": 12.5, "new_number_value": 0.1}
        decimal_story = self._add(
            121, "number_custom_field_changed", "changed Cost", custom_field=number.values[1], **change
        )
        self.gids["story_with_decimals"] = decimal_story.gid
        low, high = enum.values[1]["enum_value"], enum.values[2]["enum_value"]
        change = {"old_enum_value": low, "new_enum_value": high}
        self._add(122, "enum_custom_field_changed", "changed Priority", custom_field=enum.values[2], **change)
        change = {"old_text_value": "", "new_text_value": "Bäckerei"}
        self._add(123, "text_custom_field_changed", "changed Customer", custom_field=text.values[1], **change)
        due: Value = {"start_on": None, "due_at": None, "due_on": "2026-03-01"}
        change = {"old_date_value": None, "new_date_value": due, "custom_field": fields["date"].values[1]}
        self._add(124, "date_custom_field_changed", "changed Go-live", **change)
        change = {"old_people_value": (), "new_people_value": (self.owner,)}
        people = fields["people"].values[1]
        self._add(125, "people_custom_field_changed", "changed Reviewers", custom_field=people, **change)
        change = {"old_multi_enum_values": (), "new_multi_enum_values": (low, high)}
        channels = multi_enum.values[2]
        self._add(126, "multi_enum_custom_field_changed", "changed Channels", custom_field=channels, **change)

    def add_system_stories(self, project: Object) -> None:
        """Add changes of everything except custom fields."""
        before, after = self.organization.sections[project.gid][:2]
        self._add(127, "section_changed", "moved", old_section=before, new_section=after)
        due: Value = {"start_on": None, "due_at": None, "due_on": "2026-02-10"}
        self._add(128, "due_date_changed", "changed the due date", old_dates=None, new_dates=due)
        # Asana writes system stories in the language of the token's user.
        self._add(129, "assigned", "このタスクを割り当てました", assignee=self.owner)
        self._add(130, "name_changed", "changed the name", old_name="Every field", new_name=None)
        subtypes: dict[str, Value] = {"old_resource_subtype": "default_task", "new_resource_subtype": "milestone"}
        self._add(131, "resource_subtype_changed", "changed the type", **subtypes)
        other = self.organization.objects[self.gids["milestone"]]
        self._add(132, "dependency_added", "depends on another", dependency=other)
        self._add(133, "duplicated", "duplicated", duplicated_from=other)
        statuses: dict[str, Value] = {"old_approval_status": "pending", "new_approval_status": "approved"}
        self._add(134, "approval_status_changed", "approved", **statuses)
        tag = next(iter(self.organization.workspace_objects(self.task.workspace_gid, "tag").values()))
        self._add(134, "added_to_tag", "added a tag", tag=tag)
        self._add(134, "follower_added", "added a follower", follower=self.owner)
        self._add(134, "marked_duplicate", "marked as a duplicate", duplicate_of=other, task=other)

    def add_comment(self) -> None:
        """Add a comment with a sticker, a reaction, a preview and a like."""
        comment = self._add(135, "comment_added", "Great! 👍", sticker_name="dancing_unicorn")
        self.gids["comment"] = comment.gid
        reaction = {"emoji_base": "👎", "variant": "👎🏼", "count": 1, "reacted": False}
        comment.fields |= {"reaction_summary": (reaction,), "is_pinned": True}
        preview = {"fallback": "Ann: Great!", "footer": "Mar 17", "header": "Chat", "title": "Ann", "text": "Great!"}
        comment.fields["previews"] = ({**preview, "header_link": "https://chat.example.com/1"},)
        comment.fields["likes"] = ({"gid": self.organization.new_gid(), "user": self.owner},)
        comment.fields |= {"num_likes": 1, "liked": True}
        self._add(136, "comment_liked", "liked a comment", story=comment)
