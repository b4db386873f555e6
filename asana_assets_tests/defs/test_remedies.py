"""What a failure tells the operator to do, by the kind of error."""

import pytest

from asana_assets.asana.errors import AsanaError, ContractError, ForbiddenError, TruncatedListingError, permanent_error
from asana_assets.defs.failures import to_failure
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, failures


def describe(error: AsanaError, endpoint: str) -> str:
    return str(to_failure(error, endpoint=endpoint, workspace_gid="12").description)


@pytest.mark.parametrize(
    ("endpoint", "path", "scope"),
    [("stories", "/tasks/{parent}/stories", "the scope stories:read"), ("sections", "/x", "full permissions")],
)
def test_a_403_for_every_parent_names_the_missing_permission_and_scope(endpoint: str, path: str, scope: str) -> None:
    error = permanent_error(status=403, template=path, reason="Forbidden")
    assert isinstance(error, ForbiddenError)
    assert describe(error, endpoint) == (
        f"{endpoint} of workspace 12: GET {path} returned 403: Forbidden. The token's user "
        f"lacks the permission for it or, if it is an OAuth token, the token lacks {scope}. Ask an admin of the "
        "workspace for access, use another token, or do not materialize this asset."
    )


def test_a_403_for_the_workspace_is_not_about_parents(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.run("refresh_workspaces")
    warehouse.asana.add_fault("/tags", 403)
    message = failures(warehouse.run("sync_workspace", paid(warehouse), ["tags"]))["tags"]
    assert "the token lacks the scope tags:read" in message
    assert "parent" not in message


def test_a_redirect_is_attributed_to_what_stands_before_asana(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.run("refresh_workspaces")
    warehouse.asana.add_fault("/tags", 302)
    message = failures(warehouse.run("sync_workspace", paid(warehouse), ["tags"]))["tags"]
    assert message.endswith(
        "check ASANA_BASE_URL. Asana's API does not redirect: a proxy or a sign-in page responded. The token was not "
        "forwarded."
    )


def test_a_listing_of_a_large_workspace_that_times_out_says_what_to_do(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.run("refresh_workspaces")
    warehouse.asana.add_fault("/projects", 504)
    warehouse.asana_fields["max_attempts"] = 2
    message = failures(warehouse.run("sync_workspace", paid(warehouse), ["projects"]))["projects"]
    assert message == (
        "projects of workspace Catnip & Co.: GET /projects failed 2 times: Asana returned 504. Stored rows are "
        "kept. Check ASANA_BASE_URL and the network, then materialize the asset again. If only this listing of a large "
        "workspace keeps failing, Asana cannot produce it in time, although smaller pages were tried: materialize it "
        "at a quiet time, ask Asana's support, or leave the workspace out of ASANA_WORKSPACES."
    )


def test_a_truncated_listing_and_a_broken_protocol_keep_the_rows() -> None:
    truncated = TruncatedListingError(count=40_000, status=400, template="/projects", reason="Result set truncated")
    assert describe(truncated, "projects").endswith(
        "Stored rows are kept. Materialize the asset again; if the error persists, ask Asana's support."
    )
    metadata = to_failure(truncated, endpoint="projects", workspace_gid="12").metadata
    assert (metadata["path"].value, metadata["status"].value) == ("/projects", 400)
    assert "report a bug" in describe(ContractError("GET /projects never ends"), "projects")
