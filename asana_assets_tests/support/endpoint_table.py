"""The rows of the table of all endpoints in the documentation, as the registry has them.

Run as a module, it prints them: `python -m asana_assets_tests.support.endpoint_table`.
"""

import re

from asana_assets.asana.endpoints import ENDPOINTS, STANDARD_ENDPOINTS
from asana_assets.asana.model import Endpoint


def endpoint_rows() -> list[list[str]]:
    """Return the cells of each row: the standard endpoints, then the others."""
    standard = [endpoint.name for endpoint in STANDARD_ENDPOINTS]
    return [
        _cells(one, is_standard=one.name in standard)
        for one in sorted(ENDPOINTS, key=lambda one: one.name not in standard)
    ]


def _cells(endpoint: Endpoint, *, is_standard: bool) -> list[str]:
    scope = f"`{endpoint.oauth_scope}`" if endpoint.oauth_scope else "full permissions"
    freshness = re.sub(r"their parent's `.*?` changes", "their parent changes", endpoint.freshness)
    limit = f" Asana only lists {endpoint.limited_to}." if endpoint.limited_to else ""
    return [f"`{endpoint.name}`", "yes" if is_standard else "no", endpoint.plan or "any", scope, freshness + limit]


if __name__ == "__main__":
    print("\n".join(f"| {' | '.join(row)} |" for row in endpoint_rows()))  # noqa: T201 - its purpose
