"""Changes of time tracking entries, and new events of the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asana_assets.sandbox.data.streams_factory import NewEvent, StreamFactory

if TYPE_CHECKING:
    from asana_assets.sandbox.data.model import Struct, Value


class StreamChanges(StreamFactory):
    """Each method makes one change atomically and returns the gid of the changed or created object."""

    def add_time_entry(self, task_gid: str, minutes: int, entered_on: str, **fields: Value) -> str:
        """Add an entry of the token's user."""
        with self.lock:
            task = self.get(task_gid, "task")
            created_at = self.now()
            entry = self.new_time_entry(task, self.me, minutes, entered_on=entered_on, created_at=created_at, **fields)
            self.mark_changed()
            return entry.gid

    def change_time_entry(self, gid: str, **fields: Value) -> str:
        with self.lock:
            self.get(gid, "time_tracking_entry").fields |= fields
            self.mark_changed()
            return gid

    def delete_time_entry(self, gid: str) -> str:
        with self.lock:
            entry = self.get(gid, "time_tracking_entry")
            self.delete_objects([entry])
            del self.workspace_objects(entry.workspace_gid, "time_tracking_entry")[gid]
            self.mark_changed()
            return gid

    def log_event(self, workspace_gid: str, event_type: str, *, created_at: str = "", **details: Value) -> str:
        """Add an event of the token's user to the audit log, by default one that happens now."""
        with self.lock:
            workspace = self.get(workspace_gid, "workspace")
            values: Struct = details
            event = self.new_audit_event(
                workspace,
                NewEvent(
                    event_type=event_type,
                    event_category="admin_settings",
                    created_at=created_at or self.now(),
                    actor=self.me,
                    resource=workspace,
                    details=values,
                ),
            )
            self.mark_changed()
            return event.gid

    def expire_audit_log(self, workspace_gid: str) -> list[str]:
        """Delete all events so far, as if they were older than 90 days; return their gids."""
        with self.lock:
            gids = list(self.workspace_objects(workspace_gid, "audit_log_event"))
            self.expired_events.update(gids)
            self.mark_changed()
            return gids
