"""The rows every table needs: `blurry` and `edi`, predicted once per split that can be scored."""

from __future__ import annotations

if __name__ == "__main__":
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()

import sys
from collections.abc import Sequence
from pathlib import Path

from baselines.predict import Plan, predict
from challenge import cli
from challenge.datasets import DataSource
from challenge.datasets.layout import sharp_folder
from challenge.errors import ChallengeError, disk_errors
from challenge.runs import RUN_FILE, SUBMISSIONS, find_runs, load_record

REFERENCES = ("blurry", "edi")


def missing_references(submissions: Path) -> list[tuple[Plan, str]]:
    """List what is to be predicted, and of which split: every reference row not there yet.

    The data are those of a run beside which it is missing, if their sharp images are known.
    """
    missing: dict[Path, tuple[Plan, str]] = {}
    for folder in find_runs(submissions):
        record = load_record(folder)
        source = DataSource.of_record(record)
        if source is None or record.split is None:
            continue
        if not sharp_folder(source.root, record.split).is_dir():
            continue
        for baseline in REFERENCES:
            made = folder.parent / baseline
            if not (made / RUN_FILE).exists() or not load_record(made).reference:
                plan = Plan(
                    source=source,
                    rules=record.rules or "own",
                    name=baseline,
                    baseline=baseline,
                    device="cpu",
                    reference=True,
                )
                missing[made] = (plan, record.split)
    return list(missing.values())


def command(*, submissions: Path) -> None:
    """Predict the reference rows `blurry` and `edi` where they are missing."""
    for plan, split in missing_references(submissions):
        try:
            with disk_errors():
                predict(plan, split, submissions)
        except ChallengeError as error:
            print(f"warning: no reference row {plan.name}: {error}", file=sys.stderr)


def main(argv: Sequence[str] | None = None, submissions: Path = SUBMISSIONS) -> int:
    """Run the command line; return the exit code."""
    return cli.run(command, argv, "python -m baselines.references", submissions=submissions)


if __name__ == "__main__":
    sys.exit(main())
