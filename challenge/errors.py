"""What goes wrong in a user's hands, told in one sentence that says what to do."""

from __future__ import annotations

from collections.abc import Sequence


class ChallengeError(Exception):
    """A mistake the user can mend: a summary, and every problem found, one line each.

    A command line prints it as `error: …` and leaves with exit code 1; any other traceback is our
    bug.
    """

    def __init__(self, summary: str, problems: Sequence[str] = ()) -> None:
        self.summary = summary
        self.problems = tuple(problems)
        super().__init__("\n  - ".join((summary, *self.problems)))


class DataError(ChallengeError):
    """Images or events on disk, or arrays made of them, are not what they should be."""


class ConfigError(ChallengeError):
    """A configuration file, an override or a command-line value cannot be used."""


class SubmissionError(ChallengeError):
    """A folder of predictions or a zip would not be accepted, or could not be scored."""
