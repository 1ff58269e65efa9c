"""What the platforms' fields take, as their sources have it: keys, types, lengths, choices.

Facts of Codabench's models, serializers and unpackers (its version of March 2026), and of CodaLab's
`Competition`, `CompetitionPhase` and `CompetitionDefBundle`. A bundle for CodaLab v1 may be
uploaded to Codabench too: where both have a limit, the tighter one stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from challenge.findings import Finding
from challenge.hosting.lint_findings import breaks, doubt, meant, near, refused, shown
from challenge.rules.hosting import is_email

LARGEST_NUMBER = 2**31 - 1
FLAGS = frozenset("t true y yes on 1 f false n no off 0".split())  # noqa: SIM905


@dataclass(frozen=True)
class Field:
    """What one field takes.

    Attributes:
        expected: for people.
        fits: (value) -> whether the platform takes it.
        required: the upload fails without it.
        words: the values there are, where they are few.
    """

    expected: str
    fits: Callable[[Any], bool]
    required: bool = False
    words: tuple[str, ...] = ()


ANYTHING = Field("anything", lambda value: True)
NAME = "the name of a file"


def text(longest: int | None = None, empty: bool = True) -> Field:
    """A text; numbers are taken for one. `empty`: none, or nothing in it, is taken too."""

    def fits(value: Any) -> bool:
        if value is None or value == "":
            return empty
        is_text = isinstance(value, (str, int, float)) and not isinstance(value, bool)
        return is_text and bool(str(value).strip()) and len(str(value).strip()) <= (longest or 1e9)

    limit = f" of at most {longest} characters" if longest else ""
    return Field(f"a text{limit}", fits)


def whole(empty: bool = False) -> Field:
    """A whole number, not negative."""

    def fits(value: Any) -> bool:
        if value is None:
            return empty
        number = isinstance(value, (int, str)) and not isinstance(value, bool)
        return (
            number
            and re.fullmatch(r"\d{1,10}", str(value)) is not None
            and (int(value) <= LARGEST_NUMBER)
        )

    return Field("a whole number from 0", fits)


def choice(*names: str) -> Field:
    """One of these words; upper and lower case count."""
    return Field(f"one of {', '.join(names)}", lambda value: value in names, words=names)


def needed(field: Field) -> Field:
    """The same, and it has to be there."""
    return replace(field, required=True)


FLAG = Field("true or false", lambda value: str(value).lower() in FLAGS)
EMAIL = Field(
    "one e-mail address of at most 254 characters",
    lambda value: value in (None, "") or (isinstance(value, str) and is_email(value)),
)
MAPPING = Field("keys and values", lambda value: isinstance(value, Mapping) and bool(value))
NUMBER = Field("a number", lambda value: isinstance(value, (int, float)))
SOME_LIST = Field("a list", lambda value: isinstance(value, list))
LIST = Field("a list", lambda value: isinstance(value, list) and bool(value))
FILE = Field(NAME, lambda value: isinstance(value, str) and bool(value))
Fields = Mapping[str, Field]

CODABENCH: Fields = {
    "version": ANYTHING,
    "title": needed(text(256, empty=False)),
    "description": text(),
    "image": needed(FILE),
    "docker_image": text(128, empty=False),
    "queue": ANYTHING,
    "registration_auto_approve": FLAG,
    "enable_detailed_results": FLAG,
    "show_detailed_results_in_submission_panel": FLAG,
    "show_detailed_results_in_leaderboard": FLAG,
    "auto_run_submissions": FLAG,
    "can_participants_make_submissions_public": FLAG,
    "make_programs_available": FLAG,
    "make_input_data_available": FLAG,
    "competition_type": choice("competition", "benchmark"),
    "reward": text(256),
    "contact_email": EMAIL,
    "fact_sheet": ANYTHING,
    "forum_enabled": FLAG,
    "terms": needed(FILE),
    "pages": needed(SOME_LIST),
    "tasks": needed(LIST),
    "solutions": ANYTHING,
    "phases": needed(LIST),
    "leaderboards": needed(LIST),
}
CODABENCH_PAGE: Fields = {"title": needed(text(255, empty=False)), "file": needed(FILE)}
CODABENCH_TASK: Fields = {
    "index": needed(ANYTHING),
    "key": ANYTHING,
    "name": needed(text(256, empty=False)),
    "description": text(),
    "scoring_program": needed(FILE),
    "reference_data": FILE,
    "ingestion_program": FILE,
    "input_data": FILE,
    "ingestion_only_during_scoring": FLAG,
    "is_public": FLAG,
}
CODABENCH_PHASE: Fields = {
    "index": NUMBER,
    "name": needed(text(256, empty=False)),
    "description": text(),
    "start": needed(ANYTHING),
    "end": ANYTHING,
    "tasks": needed(SOME_LIST),
    "max_submissions": whole(empty=True),
    "max_submissions_per_day": whole(empty=True),
    "execution_time_limit": whole(empty=True),
    "auto_migrate_to_this_phase": FLAG,
    "hide_output": FLAG,
    "hide_prediction_output": FLAG,
    "hide_score_output": FLAG,
    "starting_kit": FILE,
    "public_data": FILE,
}
SUBMISSION_RULES = choice(
    "Add",
    "Add_And_Delete",
    "Add_And_Delete_Multiple",
    "Force_Last",
    "Force_Latest_Multiple",
    "Force_Best",
)
CODABENCH_BOARD: Fields = {
    "title": needed(text(64, empty=False)),
    "key": needed(text(36, empty=False)),
    "hidden": FLAG,
    "submission_rule": SUBMISSION_RULES,
    "primary_index": whole(),
    "columns": needed(LIST),
}
CODABENCH_COLUMN: Fields = {
    "title": needed(text(36, empty=False)),
    "key": needed(text(36, empty=False)),
    "index": needed(whole()),
    "sorting": choice("desc", "asc"),
    "computation": choice("avg", "sum", "min", "max"),
    "computation_indexes": ANYTHING,
    "hidden": FLAG,
    "precision": whole(),
}

_V1_FLAGS = (
    "has_registration published force_submission_to_leaderboard disallow_leaderboard_modifying "  # noqa: SIM905
    "enable_medical_image_viewer enable_detailed_results show_datasets_from_yaml allow_teams "
    "enable_per_submission_metadata allow_public_submissions enable_forum anonymous_leaderboard "
    "enable_teams require_team_approval hide_top_three hide_chart allow_organizer_teams".split()
)
CODALAB: Fields = {
    "title": needed(text(100, empty=False)),
    "description": text(),
    "url_redirect": text(200),
    "image": needed(FILE),
    "start_date": ANYTHING,
    "end_date": ANYTHING,
    "admin_names": ANYTHING,
    "reward": whole(empty=True),
    "upper_bound_max_submission_size": whole(),
    "competition_docker_image": text(128),
    "html": needed(MAPPING),
    "phases": needed(MAPPING),
    "leaderboard": needed(MAPPING),
    **dict.fromkeys(_V1_FLAGS, FLAG),
}
"""Fields of its model `Competition`, and the blocks that are taken out before."""
CODALAB_PHASE: Fields = {
    "phasenumber": needed(whole()),
    "label": needed(text(50, empty=False)),
    "description": text(1000),
    "start_date": needed(ANYTHING),
    "max_submissions": whole(),
    "max_submissions_per_day": whole(),
    "is_scoring_only": FLAG,
    "scoring_program": FILE,
    "reference_data": needed(FILE),
    "input_data": FILE,
    "datasets": ANYTHING,
    "leaderboard_management_mode": text(50),
    "force_best_submission_to_leaderboard": FLAG,
    "auto_migration": FLAG,
    "execution_time_limit": whole(),
    "color": text(24),
    "max_submission_size": whole(),
    "participant_max_storage_use": whole(),
    "delete_submissions_except_best_and_last": FLAG,
    "phase_never_ends": FLAG,
    "scoring_program_docker_image": text(128),
    "default_docker_image": text(128),
    "disable_custom_docker_image": FLAG,
    "starting_kit": FILE,
    "public_data": FILE,
    "ingestion_program": FILE,
    "ingestion_program_docker_image": text(128),
}
CODALAB_BOARD: Fields = {"label": needed(text(50, empty=False)), "rank": needed(whole())}
CODALAB_COLUMN: Fields = {
    "leaderboard": needed(MAPPING),
    "label": text(36, empty=False),
    "rank": whole(),
    "sort": choice("desc", "asc"),
    "numeric_format": whole(),
    **dict.fromkeys(("column_group", "computed", "selection_default", "hidden"), ANYTHING),
}


def field_findings(
    values: Any, fields: Fields, where: str = "", strict: bool = False
) -> Iterator[Finding]:
    """Find each field of a block that is missing, that the platform does not know, or refuses.

    Args:
        where: the block's place, for people; "" for the whole configuration.
        strict: a key that it does not know ends the upload (CodaLab v1); else it is ignored.
    """
    if not isinstance(values, Mapping):
        yield refused(f"{where}: keys and values", shown(values), "write `key: value` lines")
        return
    prefix = f"{where}: " if where else ""
    for key, field in fields.items():
        if key not in values:
            if field.required:
                yield refused(f"{prefix}{key}: {field.expected}", "none", "write it")
        elif not field.fits(values[key]):
            found = shown(values[key])
            if isinstance(values[key], str) and len(values[key]) > 36:
                found += f" ({len(values[key])} characters)"
            fix = meant(str(values[key]), field.words) if field.words else "mend it"
            yield refused(f"{prefix}{key}: {field.expected}", found, fix)
    for key in values:
        if key in fields:
            continue
        place, fix = f"{prefix}{key}", meant(str(key), fields)
        if strict:
            yield refused("a key that CodaLab v1 knows", place, fix)
        elif near(str(key), fields):
            yield breaks("a key that the platform knows", place, fix + " It ignores this one")
        else:
            yield doubt("a key that the platform knows", place, fix + ": it is ignored")
