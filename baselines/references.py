"""The rows every table needs: `blurry` and `edi`, predicted once per split that can be scored."""

from __future__ import annotations

if __name__ == "__main__":
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()

import sys
from collections.abc import Sequence
from pathlib import Path

from baselines.predict import Source, predict
from challenge import cli
from challenge.datasets import BINS
from challenge.errors import ChallengeError
from challenge.runs import SUBMISSIONS, RunRecord, find_runs, load_record

REFERENCES = ("blurry", "edi")


def missing_references(submissions: Path) -> list[tuple[str, RunRecord]]:
    """(baseline, record of a run to copy the data from) for every reference row that is not there
    yet.
    """
    missing: dict[Path, tuple[str, RunRecord]] = {}
    for folder in find_runs(submissions):
        record = load_record(folder)
        if record.data_root is None or record.split is None:
            continue
        if not (Path(record.data_root) / record.split / "sharp").is_dir():
            continue
        for baseline in REFERENCES:
            made = folder.parent / baseline
            if not (made / "run.json").exists() or not load_record(made).reference:
                missing[folder.parent / baseline] = (baseline, record)
    return list(missing.values())


def command() -> None:
    """Predict the reference rows `blurry` and `edi` where they are missing."""
    for baseline, record in missing_references(SUBMISSIONS):
        assert record.data_root is not None and record.split is not None
        source = Source(
            root=Path(record.data_root),
            format=record.data_format or "highrev_raw",
            voxel_root=Path(record.voxel_root) if record.voxel_root else None,
            bins=record.bins or BINS,
            rules=record.rules or "own",
        )
        try:
            predict(source, record.split, baseline, baseline, device="cpu", reference=True)
        except ChallengeError as error:
            print(f"warning: no reference row {baseline}: {error}", file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    return cli.run(command, argv, "python -m baselines.references")


if __name__ == "__main__":
    sys.exit(main())
