"""Tests with many parameters, of which `make test` runs some and the soak all.

What a parameter adds there is one more case of the same kind. The number says that one of so many is run.
"""

from __future__ import annotations

ONE_OF = {
    "test_advice.py::test_nothing_is_said_of_clean_pipelines": 3,
    "test_analysis.py::test_the_condition_that_fails_is_named": 3,
    "test_cli.py::test_a_narrow_locale_does_not_crash": 3,
    "test_cli.py::test_a_reader_that_goes_away_ends_it_quietly": 3,
    "test_copy.py::test_a_bad_row_stops_the_load_before_anything_is_written": 3,
    "test_edge_damage.py::test_a_file_that_is_missing_or_cut_is_named_and_nothing_gets_lost": 2,
    "test_edge_damage.py::test_a_kill_raises_no_alarm": 2,
    "test_edge_optimize.py::test_it_works_from_any_main_program": 3,
    "test_edge_snapshots.py::test_a_damaged_archive_changes_nothing": 3,
    "test_edge_snapshots.py::test_a_name_is_no_path": 3,
    "test_edge_snapshots.py::test_an_archive_that_is_no_snapshot_is_refused": 3,
    "test_edge_snapshots.py::test_what_cannot_be_recovered_changes_nothing": 3,
    "test_edge_vector_names.py::test_a_kill_while_vectors_change_loses_no_point": 4,
    "test_evaluation.py::test_the_randomization_test_against_scipy": 3,
    "test_faults_over_grpc.py::test_a_statement_outlives_a_fault_or_says_what_is_known": 2,
    "test_field_advice.py::test_lint_says_it_where_it_has_a_database": 3,
    "test_generated_pipelines.py::test_local_mode_is_judged_honestly": 3,
    "test_generated_pipelines.py::test_the_engine_fuses_what_the_stages_give": 2,
    "test_known.py::test_values_that_are_not_told_apart_get_the_same_advice": 4,
    "test_limits.py::test_nesting": 3,
    "test_limits.py::test_what_tells_of_a_deep_text_needs_no_empty_stack": 3,
    "test_measuring.py::test_a_server_gives_the_figures_of_the_embedded_engine": 3,
    "test_pages.py::test_a_point_with_several_values_comes_once_at_the_first_of_them": 2,
    "test_pages.py::test_dates_are_the_same_however_they_are_written": 2,
    "test_pages.py::test_every_id_comes_once_and_integers_come_before_uuids": 2,
    "test_pages.py::test_floats_go_on_at_the_exact_value": 2,
    "test_pages.py::test_integers_that_no_float_can_be_are_told_apart": 2,
    "test_pages.py::test_values_that_many_points_have_are_walked_by_id": 2,
    "test_properties.py::test_cut_off_anywhere": 3,
    "test_properties.py::test_keywords_are_names_where_nothing_else_can_stand": 3,
    "test_retries.py::test_each_operation_meets_each_fault": 3,
    "test_rows.py::test_any_other_value_stays_payload": 3,
    "test_session.py::test_payload_and_vectors_are_what_was_asked_for": 3,
    "test_strict_mode.py::test_why_and_analysis_say_the_same_as_without_limits": 3,
    "test_why.py::test_answers_are_verified_by_changing_what_they_name": 2,
    "test_why_ways.py::test_what_is_named_makes_it_a_hit_once_it_is_typed": 3,
    "test_wrong_answers.py::test_a_wrong_answer_is_an_error_that_quotes_it": 3,
}
