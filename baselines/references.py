"""`bash run.sh score`: the score, with a baseline at hand for the reference row `edi`."""

from __future__ import annotations

if __name__ == "__main__":
    from challenge.environment import bootstrap

    bootstrap.ensure_packages()

import sys
from collections.abc import Sequence
from pathlib import Path

from baselines.plan import Plan
from baselines.predict import predict
from challenge.commands import score
from challenge.datasets import DataSource
from challenge.runs import SUBMISSIONS, RunRecord


def predict_reference(name: str, run: RunRecord, folder: Path) -> None:
    """Predict a baseline over the data of a run, as a reference row in the folder beside it.

    Args:
        name: of the baseline.
        run: its `data_root` and `split` are known.
        folder: `<submissions>/<challenge>/<split>/<name>/`.

    Raises:
        ChallengeError: the data cannot be read.
    """
    source = DataSource.of_record(run)
    assert source is not None and run.split is not None
    place, submissions = folder.parents[1].name, folder.parents[2]
    rules = run.rules or "own"
    plan = Plan(source, rules, name, name, device="cpu", reference=True, place=place)
    predict(plan, run.split, submissions)


def main(argv: Sequence[str] | None = None, submissions: Path = SUBMISSIONS) -> int:
    """Run the command line of `challenge.commands.score`; return the exit code."""
    return score.main(argv, submissions, predict_reference)


if __name__ == "__main__":
    sys.exit(main())
