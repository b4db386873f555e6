"""A small, faithful Asana over HTTP: deterministic data, real limits, failures to order.

    with Sandbox(scale="tiny", seed=1) as asana:
        asana.url, asana.token, asana.organization

It imports nothing of the rest of the project, and nothing of the rest imports it.
"""

from asana_assets.sandbox.context import TOKEN, Sandbox
from asana_assets.sandbox.faults import FIRST_ATTEMPT_KINDS, Fault, FaultKind, FaultPlan, ReceivedRequest
from asana_assets.sandbox.fields import ALL_FIELDS, ENDPOINTS
from asana_assets.sandbox.organization import Organization
from asana_assets.sandbox.scenario import SCALES, Scale, build_organization
from asana_assets.sandbox.server import LogEntry

__all__ = [
    "ALL_FIELDS",
    "ENDPOINTS",
    "FIRST_ATTEMPT_KINDS",
    "SCALES",
    "TOKEN",
    "Fault",
    "FaultKind",
    "FaultPlan",
    "LogEntry",
    "Organization",
    "ReceivedRequest",
    "Sandbox",
    "Scale",
    "build_organization",
]
