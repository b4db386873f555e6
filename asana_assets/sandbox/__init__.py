"""A small but faithful Asana over HTTP: deterministic data, real limits, faults on demand.

    with Sandbox(scale="tiny", seed=1) as sandbox:
        sandbox.url, sandbox.token, sandbox.organization

It imports nothing from the rest of the project, and is imported only by tests and benchmarks.
"""

from asana_assets.sandbox.api.application import LogEntry
from asana_assets.sandbox.api.fault_kinds import FaultKind, FaultOptions
from asana_assets.sandbox.api.faults import FIRST_ATTEMPT_KINDS, Fault, FaultPlan
from asana_assets.sandbox.api.fields import ALL_FIELDS, ENDPOINTS, STANDARD
from asana_assets.sandbox.api.misbehaviors import MISBEHAVIORS, Misbehavior
from asana_assets.sandbox.api.request import ReceivedRequest
from asana_assets.sandbox.context import TOKEN, Sandbox
from asana_assets.sandbox.data.organization import Organization
from asana_assets.sandbox.data.scale import SCALES, Scale
from asana_assets.sandbox.data.scenario import build_organization

__all__ = [
    "ALL_FIELDS",
    "ENDPOINTS",
    "FIRST_ATTEMPT_KINDS",
    "MISBEHAVIORS",
    "SCALES",
    "STANDARD",
    "TOKEN",
    "Fault",
    "FaultKind",
    "FaultOptions",
    "FaultPlan",
    "LogEntry",
    "Misbehavior",
    "Organization",
    "ReceivedRequest",
    "Sandbox",
    "Scale",
    "build_organization",
]
