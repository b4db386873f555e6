"""Choosing endpoints: groups, names, and what is chosen with them."""

from dataclasses import replace

import pytest

from asana_assets.asana.endpoints import ENDPOINTS, STANDARD_ENDPOINTS
from asana_assets.asana.errors import ConfigurationError
from asana_assets.asana.selection import select_endpoints


def names(*selected: str) -> list[str]:
    return [endpoint.name for endpoint in select_endpoints(selected)]


def test_the_standard_endpoints_are_the_default() -> None:
    standard = {endpoint.name for endpoint in STANDARD_ENDPOINTS}
    assert {endpoint.name for endpoint in select_endpoints()} == standard == set(names("standard"))


def test_all_chooses_every_endpoint_with_all_of_its_listings() -> None:
    assert select_endpoints(["all"]) == ENDPOINTS


def test_an_endpoint_is_chosen_with_those_that_it_is_listed_by() -> None:
    assert names("sections") == ["workspaces", "projects", "sections"]
    assert names("team_memberships", "tags") == ["workspaces", "teams", "team_memberships", "tags"]


def test_nothing_but_the_workspaces_is_chosen_without_names() -> None:
    assert names() == ["workspaces"]


def test_an_unknown_name_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(
        ConfigurationError,
        match=r"endpoints names sektions; there are standard \(attachments, .*\), all and, ",
    ):
        names("sections", "sektions")


def test_listings_by_endpoints_that_are_not_chosen_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    tags = next(endpoint for endpoint in ENDPOINTS if endpoint.name == "tags")
    extra = replace(tags, name="extra")
    by_extra = replace(tags.listings[0], parent=extra)
    listed = replace(tags, name="listed", listings=(*tags.listings, by_extra))
    only_by_extra = replace(tags, name="only_by_extra", listings=(by_extra,))
    monkeypatch.setattr("asana_assets.asana.selection.ENDPOINTS", (*ENDPOINTS, extra, listed, only_by_extra))
    assert select_endpoints(["listed"])[-1] == replace(listed, listings=tags.listings)
    assert select_endpoints(["listed", "extra"])[-1] == listed
    assert names("only_by_extra") == ["workspaces", "extra", "only_by_extra"]
