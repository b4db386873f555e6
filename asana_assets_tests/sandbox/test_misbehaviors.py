"""Behaviors by name, from Python and from the command line."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from asana_assets.sandbox import ENDPOINTS, MISBEHAVIORS, Sandbox
from asana_assets.sandbox.__main__ import main
from asana_assets_tests.support.sandbox_client import SandboxClient

if TYPE_CHECKING:
    from asana_assets_tests.support.sandbox_client import Record


def _truth(sandbox: Sandbox) -> dict[str, list[Record]]:
    paid = sandbox.organization.edge_cases["paid_organization"]
    return {endpoint: [dict(record) for record in sandbox.truth(endpoint, paid)] for endpoint in ENDPOINTS}


def _fetch(client: SandboxClient) -> list[tuple[int, bytes]]:
    """Fetch a bit of everything, and return the status and body of each response."""
    paid, project = client.gid("paid_organization"), client.gid("main_project")
    calls: list[tuple[str, dict[str, str | float]]] = [
        ("/workspaces", {}),
        ("/users", {"workspace": paid}),
        ("/projects", {"workspace": paid}),
        ("/tasks", {"project": project, "opt_fields": "name,custom_fields,num_subtasks,memberships"}),
        (f"/projects/{project}/sections", {}),
        (f"/workspaces/{paid}/tasks/search", {"sort_by": "modified_at"}),
        *((f"/tasks/{task['gid']}/stories", {}) for task in client.sandbox.truth("tasks", paid)),
    ]
    fetched: list[tuple[int, bytes]] = []
    for path, params in calls:
        try:
            response = client.get(path, limit=100, **params)
        except OSError:
            fetched.append((0, b""))
            continue
        fetched.append((response.status_code, response.content))
        offset = re.search(rb'"offset":"([^"]+)"', response.content)
        if offset is not None:
            response = client.get(path, limit=100, offset=offset[1].decode(), **params)
            fetched.append((response.status_code, response.content))
    return fetched
