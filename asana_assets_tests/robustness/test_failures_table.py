"""The table of failures in docs/operations.md is a contract: each of its rows names the tests that hold it."""

from importlib import import_module

import pytest

from asana_assets_tests.docs.test_pages import OPERATIONS
from asana_assets_tests.support.doc_pages import read, table

STATUSES = "robustness.test_final_statuses"
PRESSURE = "robustness.test_pressure"
OBJECTS = "robustness.test_broken_objects"
ABSENCE = "robustness.test_absence"
COLUMNS = "defs.test_empty_columns"
FAILURES = "defs.test_failures"
REPORT = "cli.test_sync_report"
OWNERSHIP = "defs.test_namespace_ownership"

COVERED_BY: dict[str, list[str]] = {
    "401": [
        "defs.test_executor:test_after_a_401_no_further_step_starts_and_no_further_request_is_sent",
        f"{FAILURES}:test_an_extract_that_fails_halfway_leaves_no_fetching_threads",
        "defs.test_secrets:test_after_a_401_the_secret_is_read_once_more_and_the_run_continues",
        "asana.test_permanent_errors:test_no_request_is_sent_with_a_token_that_was_rejected",
        f"{REPORT}:test_after_a_401_one_error_names_the_request_and_the_rest_was_not_started",
    ],
    "400, 422 or another final status for a listing of the workspace": [
        f"{STATUSES}:test_a_final_status_of_a_workspaces_listing_fails_its_asset_only_and_keeps_its_rows",
    ],
    "the same for one parent, or a retry budget that is spent on one parent": [
        f"{STATUSES}:test_a_parent_that_always_fails_keeps_its_rows_is_named_and_is_fetched_first_by_the_next_sync",
        f"{OBJECTS}:test_a_parent_that_always_fails_keeps_its_rows_and_the_others_are_stored",
        f"{OBJECTS}:test_a_project_whose_tasks_cannot_be_listed_stops_no_other_project",
    ],
    "the same for most parents": [
        f"{STATUSES}:test_an_asset_most_of_whose_parents_fail_fails_and_keeps_its_rows",
        f"{FAILURES}:test_400_fails_the_asset_with_method_path_and_asanas_message",
        "defs.test_resume:test_rows_fetched_before_the_retry_budget_is_spent_are_stored",
    ],
    "402 for a listing of the workspace": [
        f"{FAILURES}:test_402_stores_an_empty_partition_and_passes_available_on_plan_with_a_note",
        f"{ABSENCE}:test_rows_of_a_former_plan_are_kept_until_the_operator_accepts_their_deletion",
        f"{ABSENCE}:test_a_402_once_is_not_believed",
        "defs.test_all_endpoints:test_each_endpoint_that_a_free_plan_lacks_costs_one_request",
        f"{REPORT}:test_a_plan_limit_is_a_note_even_if_strict",
    ],
    "403 for a listing that only service accounts may read, such as `audit_log_events`": [
        "defs.test_streams_endpoints:test_a_workspace_without_the_plan_or_a_service_account_has_notes",
        "defs.test_streams_endpoints:test_rows_survive_a_time_without_the_plan_and_nothing_is_missed_afterwards",
    ],
    "403 or 404 for a listing of the workspace": [
        f"{STATUSES}:test_a_refused_listing_of_a_workspace_leaves_other_assets_and_workspaces_alone",
        f"{STATUSES}:test_users_who_may_no_longer_be_listed_keep_their_rows_and_their_tasks",
        f"{OBJECTS}:test_a_guest_gets_the_tasks_of_projects_and_is_told_what_is_missing",
    ],
    "3xx": [
        f"{STATUSES}:test_a_redirect_fails_the_asset_with_its_host_and_keeps_the_rows",
        "asana.test_transport:test_a_redirect_is_not_followed_so_that_the_token_is_not_forwarded",
    ],
    "403 or 451 for one parent, e.g. a project that became private": [
        f"{STATUSES}:test_a_parent_without_access_keeps_its_rows_and_is_a_warning",
        f"{FAILURES}:test_rows_of_a_parent_that_became_private_are_kept_and_the_parent_is_named",
    ],
    "403 or 404 for the first 24 parents of a listing": [
        f"{STATUSES}:test_a_listing_that_refuses_its_first_24_parents_is_not_requested_for_all_others",
        f"{OBJECTS}:test_a_missing_permission_stops_the_listing_early_and_fails_the_asset",
    ],
    "a response lacks stored rows: an empty or shorter listing, a 404 or 410 for a parent": [
        f"{ABSENCE}:test_a_listing_that_loses_records_once_deletes_nothing",
        f"{ABSENCE}:test_a_parents_listing_that_is_empty_or_not_found_once_deletes_nothing",
        f"{FAILURES}:test_rows_of_a_deleted_parent_are_deleted",
        "robustness.test_quiet_sync:test_what_was_deleted_leaves_the_tables_for_one_request_per_listing_that_lost_rows",
    ],
    "429": [
        f"{PRESSURE}:test_a_pause_that_asana_demands_costs_no_attempt",
        "asana.test_throttle:test_a_rejection_halves_the_rate_and_pauses_for_retry_after",
        "asana.test_throttle:test_recovery_takes_no_longer_after_many_rejections",
        "defs.test_whole_sync:test_the_rate_adapts_to_a_limit_below_the_configured_rate",
    ],
    "408, any 5xx, a timeout, or a 200 that is truncated, empty, an HTML page or otherwise not Asana's": [
        f"{PRESSURE}:test_a_sync_is_complete_if_one_request_in_five_fails_at_first",
        f"{PRESSURE}:test_a_response_that_is_never_asanas_fails_one_parent_or_the_listing_of_the_workspace",
        f"{PRESSURE}:test_a_listing_of_a_large_workspace_that_always_times_out_fails_its_asset_with_what_to_do",
        "asana.test_retries:test_all_attempts_are_made_after_the_first_response",
        "asana.test_retries:test_fewer_attempts_are_made_before_the_first_response",
        "asana.test_retries:test_the_time_budget_limits_the_attempts",
    ],
    "a page's offset is refused": [
        f"{PRESSURE}:test_a_listing_whose_later_pages_are_refused_stores_what_it_listed_and_deletes_nothing",
        f"{OBJECTS}:test_a_listing_that_ends_early_adds_rows_and_deletes_none",
        "asana.test_refused_offsets:test_a_listing_whose_offsets_always_expire_ends_early_after_5_restarts",
    ],
    "a listing that never ends: repeated offsets or pages, only empty pages, over 10,000 pages": [
        f"{PRESSURE}:test_a_listing_that_never_ends_fails_one_parent_or_the_listing_of_the_workspace",
        "asana.test_endless_listings:test_a_listing_of_too_many_pages_is_a_contract_error",
    ],
    "text that is not valid Unicode, such as half an emoji": [
        f"{OBJECTS}:test_text_that_is_not_valid_unicode_is_repaired_and_counted",
        f"{PRESSURE}:test_invalid_text_of_any_endpoint_is_stored_with_a_replacement",
    ],
    "a record that is null, not an object or without a gid": [
        f"{OBJECTS}:test_a_record_that_cannot_be_identified_is_counted_and_the_others_are_stored",
        f"{OBJECTS}:test_a_stored_row_whose_record_cannot_be_identified_is_kept_and_fetched_by_the_next_sync",
    ],
    "a value that does not fit its column": [
        f"{FAILURES}:test_a_value_that_does_not_fit_its_column_is_kept_in_unmapped_and_counted",
        f"{PRESSURE}:test_a_value_that_does_not_fit_its_column_is_kept_for_any_endpoint",
    ],
    "a field that nearly all records had before is missing, null or empty in nearly all of them": [
        f"{COLUMNS}:test_a_column_of_all_fetched_rows_that_goes_empty_is_named_until_its_values_return",
        f"{COLUMNS}:test_a_column_of_any_type_that_goes_empty_is_named_alone",
        f"{COLUMNS}:test_an_empty_list_of_custom_fields_in_every_record_is_noticed_like_a_missing_one",
        f"{COLUMNS}:test_an_accepted_column_is_not_reported_until_it_loses_values_again",
    ],
    "a search for changes fails, is refused, or returns results that prove that it misses some": [
        "defs.test_failed_search:test_a_failed_search_is_a_warning_of_each_asset_that_it_concerns_until_it_succeeds",
        "defs.test_failed_search:test_a_plan_without_search_is_no_warning",
    ],
    "the disk is full, or the object store or the catalog fails for a while": [
        "robustness.test_full_disk:test_tables_and_history_are_true_after_the_disk_was_full_in_syncs_of_changes",
        "destinations.test_outages:test_tables_and_history_are_true_after_outages_of_s3_during_syncs_of_changes",
        "destinations.test_wrong_settings:test_an_unreachable_catalog_names_the_uri",
    ],
    "the namespace has the workspaces of another account": [
        f"{OWNERSHIP}:test_the_token_of_another_account_is_refused_and_both_are_named",
        f"{OWNERSHIP}:test_a_token_without_any_workspace_is_refused",
        f"{OWNERSHIP}:test_a_namespace_can_be_handed_over_to_another_account",
    ],
    "the namespace belongs to an integration with another name": [
        f"{OWNERSHIP}:test_another_integration_is_refused_in_every_table",
    ],
    "a partition of 100 rows or more loses over half of its rows": [
        "defs.test_checks:test_a_row_count_drop_blocks_downstream_assets_until_it_is_accepted",
        f"{REPORT}:test_a_failed_blocking_check_is_one_error_and_its_downstream_assets_were_not_started",
    ],
}
"""By situation, the tests over HTTP; those of the client for figures that would take too long with a whole asset."""


def test_every_row_of_the_table_is_covered_by_tests() -> None:
    assert [situation for situation, _ in table(OPERATIONS, "situation")] == list(COVERED_BY)


@pytest.mark.parametrize("situation", COVERED_BY)
def test_the_tests_of_a_row_exist(situation: str) -> None:
    assert COVERED_BY[situation]
    for reference in COVERED_BY[situation]:
        module, _, name = reference.partition(":")
        assert callable(getattr(import_module(f"asana_assets_tests.{module}"), name))


def test_the_readme_links_to_the_table() -> None:
    assert f"({OPERATIONS}#failures)" in read("README.md")
