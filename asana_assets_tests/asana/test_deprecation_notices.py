"""Laws of `Asana-Change` parsing: notices come out as Asana sent them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asana_assets.asana.response import deprecation_notices

NO_DEADLINE = settings(deadline=None)  # the machine may be busy
NOTICES = (
    "name=new_user_task_lists;info=https://forum.asana.com/t/103828",
    "name=new_goal_memberships;info=https://forum.asana.com/t/378601?a=b,c;affected=true",
    "name=teamless_projects;info=https://forum.asana.com/t/929205#name",
)


def test_there_are_no_notices_without_the_header() -> None:
    assert deprecation_notices({"Content-Type": "application/json"}) == []
    assert deprecation_notices({"Asana-Change": ""}) == []


@pytest.mark.parametrize("comma", [",", ", ", ",  "])
def test_joined_headers_are_separated_and_their_urls_stay_intact(comma: str) -> None:
    assert deprecation_notices({"Asana-Change": comma.join(NOTICES)}) == list(NOTICES)


def test_a_repeated_notice_is_one_notice() -> None:
    assert set(deprecation_notices({"Asana-Change": ", ".join([*NOTICES, *NOTICES])})) == set(NOTICES)


def test_a_notice_that_affects_the_request_differs_from_one_that_does_not() -> None:
    plain = "name=a;info=https://forum.asana.com/t/1"
    assert deprecation_notices({"Asana-Change": f"{plain}, {plain};affected=true"}) == [plain, f"{plain};affected=true"]


@NO_DEADLINE
@given(st.lists(st.text("abc_;:/.?=&%, -", max_size=12).map(lambda rest: f"name={rest.rstrip(', ')}")))
def test_any_notices_are_parsed_as_they_were_joined(notices: list[str]) -> None:
    assert deprecation_notices({"Asana-Change": ", ".join(notices)}) == notices
