"""The keys that the platforms read in competition.yaml, as their sources have them."""

from __future__ import annotations

CODALAB = frozenset(
    "title description url_redirect image has_registration start_date end_date admin_names "  # noqa: SIM905
    "published force_submission_to_leaderboard disallow_leaderboard_modifying "
    "enable_medical_image_viewer enable_detailed_results show_datasets_from_yaml reward "
    "allow_teams enable_per_submission_metadata allow_public_submissions enable_forum "
    "anonymous_leaderboard enable_teams require_team_approval hide_top_three hide_chart "
    "allow_organizer_teams "
    "upper_bound_max_submission_size competition_docker_image html phases leaderboard".split()
)
"""Fields of its model `Competition`, and the blocks that are taken out before."""
CODALAB_PHASE = frozenset(
    "phasenumber label description start_date max_submissions max_submissions_per_day "  # noqa: SIM905
    "is_scoring_only scoring_program reference_data input_data datasets "
    "leaderboard_management_mode force_best_submission_to_leaderboard auto_migration "
    "execution_time_limit color max_submission_size participant_max_storage_use "
    "delete_submissions_except_best_and_last phase_never_ends scoring_program_docker_image "
    "default_docker_image disable_custom_docker_image starting_kit public_data ingestion_program "
    "ingestion_program_docker_image".split()
)
CODABENCH = frozenset(
    "version title description image docker_image queue registration_auto_approve "  # noqa: SIM905
    "enable_detailed_results show_detailed_results_in_submission_panel "
    "show_detailed_results_in_leaderboard auto_run_submissions "
    "can_participants_make_submissions_public make_programs_available make_input_data_available "
    "competition_type reward contact_email fact_sheet forum_enabled terms pages tasks solutions "
    "phases leaderboards".split()
)
CODABENCH_TASK = frozenset(
    "index key name description scoring_program reference_data ingestion_program input_data "  # noqa: SIM905
    "ingestion_only_during_scoring is_public".split()
)
CODABENCH_PHASE = frozenset(
    "index name description start end tasks max_submissions max_submissions_per_day "  # noqa: SIM905
    "execution_time_limit auto_migrate_to_this_phase hide_output hide_prediction_output "
    "hide_score_output starting_kit public_data".split()
)
CODABENCH_BOARD = frozenset(
    "title key hidden submission_rule primary_index columns".split()  # noqa: SIM905
)
CODABENCH_COLUMN = frozenset(
    "title key index sorting computation computation_indexes hidden precision".split()  # noqa: SIM905
)
SUBMISSION_RULES = (
    "Add",
    "Add_And_Delete",
    "Add_And_Delete_Multiple",
    "Force_Last",
    "Force_Latest_Multiple",
    "Force_Best",
)
