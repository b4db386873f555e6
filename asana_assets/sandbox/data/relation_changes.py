"""Changes of what a task refers to: tags, followers, dependencies and custom field values.

A task keeps its `modified_at` if `touch` is false. There is a story in any case.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from asana_assets.sandbox.data.task_changes import TaskChanges

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asana_assets.sandbox.data.model import Object, Struct, Value


class RelationChanges(TaskChanges):
    """Each method makes one change atomically and returns the gid of the changed task."""

    def tag_task(self, gid: str, tag_gid: str, *, touch: bool = True) -> str:
        """Add a tag to a task."""
        with self.lock:
            task, tag = self.get(gid, "task"), self.get(tag_gid, "tag")
            task.fields["tags"] = (*task.refs("tags"), tag)
            self._add_story(task, "added_to_tag", "tagged this task", touch=touch, tag=tag)
            return gid

    def untag_task(self, gid: str, tag_gid: str, *, touch: bool = True) -> str:
        """Remove a tag from a task."""
        with self.lock:
            task, tag = self.get(gid, "task"), self.get(tag_gid, "tag")
            task.fields["tags"] = _without(task.refs("tags"), tag)
            self._add_story(task, "removed_from_tag", "removed a tag", touch=touch, tag=tag)
            return gid

    def follow_task(self, gid: str, user_gid: str, *, touch: bool = True) -> str:
        """Add a follower to a task."""
        with self.lock:
            task, user = self.get(gid, "task"), self.get(user_gid, "user")
            task.fields["followers"] = (*task.refs("followers"), user)
            self._add_story(task, "follower_added", "added a collaborator", touch=touch, follower=user)
            return gid

    def unfollow_task(self, gid: str, user_gid: str, *, touch: bool = True) -> str:
        """Remove a follower from a task, which creates no story."""
        with self.lock:
            task, user = self.get(gid, "task"), self.get(user_gid, "user")
            task.fields["followers"] = _without(task.refs("followers"), user)
            if touch:
                self._bump_modified_at(task)
            self.mark_changed()
            return gid

    def add_dependency(self, gid: str, dependency_gid: str, *, touch: bool = True) -> str:
        """Add a dependency of a task on another one, which is not modified."""
        with self.lock:
            task, dependency = self.get(gid, "task"), self.get(dependency_gid, "task")
            task.fields["dependencies"] = (*task.refs("dependencies"), dependency)
            dependency.fields["dependents"] = (*dependency.refs("dependents"), task)
            self._add_story(task, "dependency_added", "depends on another task", touch=touch, dependency=dependency)
            return gid

    def remove_dependency(self, gid: str, dependency_gid: str, *, touch: bool = True) -> str:
        """Remove a dependency of a task on another one, which is not modified."""
        with self.lock:
            task, dependency = self.get(gid, "task"), self.get(dependency_gid, "task")
            task.fields["dependencies"] = _without(task.refs("dependencies"), dependency)
            dependency.fields["dependents"] = _without(dependency.refs("dependents"), task)
            self._add_story(task, "dependency_removed", "removed a dependency", touch=touch, dependency=dependency)
            return gid

    def set_custom_field(self, gid: str, field_gid: str, value: str | float | None, *, touch: bool = True) -> str:
        """Set the text or number of a custom field of a task.

        Raises:
            LookupError: The task does not have the field.
        """
        with self.lock:
            task = self.get(gid, "task")
            fields = task.fields.get("custom_fields")
            current = [one for one in fields if isinstance(one, Mapping)] if isinstance(fields, tuple) else []
            if all(one["gid"] != field_gid for one in current):
                raise LookupError(f"task {gid} has no custom field {field_gid}")
            changed: tuple[Value, ...] = tuple(_set(one, value) if one["gid"] == field_gid else one for one in current)
            task.fields["custom_fields"] = changed
            subtype = "text_custom_field_changed" if isinstance(value, str) else "number_custom_field_changed"
            self._add_story(task, subtype, "changed a custom field", touch=touch)
            return gid

    def touch_together(self, gids: Iterable[str]) -> str:
        """Set the same new `modified_at` on several tasks, and return it."""
        with self.lock:
            tasks = [self.get(gid, "task") for gid in gids]
            for task in tasks:
                self._bump_modified_at(task)
            now = self.now()
            for task in tasks:
                task.fields["modified_at"] = now
            self.mark_changed()
            return now


def _without(objects: tuple[Object, ...], removed: Object) -> tuple[Object, ...]:
    return tuple(one for one in objects if one is not removed)


def _set(custom_field: Struct, value: str | float | None) -> Struct:
    name = "text_value" if custom_field["type"] == "text" else "number_value"
    return {**custom_field, name: value, "display_value": None if value is None else str(value)}
