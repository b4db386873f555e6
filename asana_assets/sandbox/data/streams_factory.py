"""Constructors of time tracking entries and of events of the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from asana_assets.sandbox.data.object_factory import ObjectFactory

if TYPE_CHECKING:
    from asana_assets.sandbox.data.model import Object, Struct, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """What the constructor of an audit log event needs to know."""

    event_type: str
    event_category: str
    created_at: str
    actor: Object | None = None
    resource: Object
    details: Struct


class StreamFactory(ObjectFactory):
    """Creates what is recorded over time."""

    def new_time_entry(
        self, task: Object, user: Object, minutes: int, *, entered_on: str, created_at: str, **more: Value
    ) -> Object:
        """Create an entry; `more` are fields that replace the defaults."""
        projects = task.refs("projects")
        links: dict[str, Value] = {"task": task, "created_by": user, "categories": ()}
        values: dict[str, Value] = {"duration_minutes": minutes, "entered_on": entered_on, "created_at": created_at}
        states: dict[str, Value] = {"approval_status": "DRAFT", "billable_status": "notApplicable", "description": None}
        fields = {**links, **values, **states, "attributable_to": projects[0] if projects else None, **more}
        entry = self._create("time_tracking_entry", task.workspace_gid, fields)
        self.workspace_objects(task.workspace_gid, "time_tracking_entry")[entry.gid] = entry
        return entry

    def new_category(self, workspace: Object, name: str) -> Object:
        """Create a time tracking category."""
        return self._create("time_tracking_category", workspace.gid, {"name": name, "color": "blue"})

    def new_audit_event(self, workspace: Object, new: NewEvent) -> Object:
        actor: Struct = {"actor_type": "asana"}
        context: Struct = {"context_type": "asana"}
        if new.actor is not None:
            person = {"gid": new.actor.gid, "name": new.actor.text("name"), "email": new.actor.text("email")}
            actor = {"actor_type": "user", **person}
            context = {"context_type": "web", "client_ip_address": "203.0.113.7", "user_agent": "Mozilla/5.0"}
        resource: Struct = {
            "resource_type": new.resource.kind,
            "resource_subtype": new.resource.fields.get("resource_subtype"),
            "gid": new.resource.gid,
            "name": new.resource.fields.get("name"),
        }
        fields: dict[str, Value] = {"event_type": new.event_type, "event_category": new.event_category}
        fields |= {"created_at": new.created_at, "actor": actor, "resource": resource}
        event = self._create("audit_log_event", workspace.gid, {**fields, "details": new.details, "context": context})
        self.workspace_objects(workspace.gid, "audit_log_event")[event.gid] = event
        return event
