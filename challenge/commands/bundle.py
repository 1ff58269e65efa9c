"""Make the bundles an organiser uploads to host the challenge: CodaLab v1, Codabench v2.

bash run.sh bundle configs/challenge/mini.yml --data data/mini
bash run.sh bundle --lint bundle.zip
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from challenge import REPOSITORY, SPLITS, cli
from challenge.commands.options import Platform
from challenge.datasets.layout import blurry_folder
from challenge.errors import ConfigError, SubmissionError
from challenge.files import scratch_folder, sha256, write_whole
from challenge.hosting.bundles import CONFIGURATIONS, build_bundle, reference_name, with_splits
from challenge.hosting.isolated import scoring_python
from challenge.hosting.lint import lint_bundle
from challenge.hosting.lint_findings import BREAKS, REFUSED
from challenge.hosting.self_test import FEW, Trial, self_test, uses_lpips
from challenge.rules import load_rules


class Tried(str, Enum):
    """How much of a bundle the self-test tries."""

    few = "few"
    all = "all"
    none = "none"


SelfTest = Annotated[
    Tried | None,
    typer.Option(
        "--self-test",
        help=f"Try the bundle as the platform would run it: few ({FEW} frames of each phase), all "
        "(that also tells how long the platform will take), none. [default: few; with --lint none, "
        "since it runs the program that the bundle holds]",
        show_default=False,
    ),
]


def main(argv: Sequence[str] | None = None) -> int:
    """Make or lint bundles; return the exit code."""
    return cli.run(make_bundle, argv, "bash run.sh bundle")


def make_bundle(
    rules: Annotated[
        Path | None, typer.Argument(metavar="RULES", help="configs/challenge/x.yml, or x.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="ROOT, with the sharp images of every phase.")
    ] = None,
    platform: Platform = "both",
    split: Annotated[
        list[str] | None, typer.Option(help="Only the phases of this split; may be repeated.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the bundles. [default: submissions/bundles]")
    ] = None,
    lint: Annotated[Path | None, typer.Option(help="Only check this bundle.")] = None,
    test: SelfTest = None,
) -> None:
    """Make competition bundles from the rules and the sharp images, check them, and try them out.

    The self-test runs each bundle's scoring program as the platform does: on the references, which
    must score 100 dB and 1, on the blurry frames (where ROOT has them), which must score what
    `score` gives here, and on a zip with a folder around its files, which must fail.

    The reference data holds every sharp image: keep bundles to yourself.

    Example: bash run.sh bundle configs/challenge/mini.yml --data data/mini
    """
    if lint is not None:
        _check(lint, lint)
        if test not in (None, Tried.none):
            _try(lint, lint, data, test)
        print(f"{lint}: the platform takes it, and nothing known breaks later")
        return
    if rules is None or data is None:
        raise ConfigError("expected RULES and --data ROOT, or --lint BUNDLE.zip")
    if platform != "both" and platform not in CONFIGURATIONS:
        raise ConfigError(f"--platform: expected codalab, codabench or both, found {platform!r}")
    chosen = load_rules(rules)
    chosen = with_splits(chosen, split) if split else chosen
    folder = out or REPOSITORY / "submissions" / "bundles"
    for name in CONFIGURATIONS if platform == "both" else [platform]:
        path = folder / f"{chosen.name or rules.stem}_{name}.zip"
        with write_whole(path) as temporary:
            build_bundle(chosen, data, name, temporary)
            _check(temporary, path, pixels=False)
            if test is not Tried.none:
                _try(temporary, path, data, test or Tried.few)
        print(f"{path}\n  {path.stat().st_size / 1e6:.2f} MB, SHA-256 {sha256(path)}")
    print("next: log in to the platform, upload one under “Create competition”")


def _check(path: Path, name: Path, pixels: bool = True) -> None:
    """Print the warnings.

    Args:
        name: where the bundle will be.
        pixels: False: the references' pixels were looked at before.

    Raises:
        SubmissionError: the platform would refuse the bundle, or break on it later (all findings).
    """
    findings = lint_bundle(path, name.name, pixels=pixels)
    for finding in findings:
        if finding.level == "warning":
            print(f"warning: {name}: {finding}", file=sys.stderr)
    errors = [
        f"{kind}: {finding}"
        for kind in (REFUSED, BREAKS)
        for finding in findings
        if finding.kind == kind
    ]
    if any(finding.kind == REFUSED for finding in findings):
        raise SubmissionError(f"{name}: the platform would refuse it at upload", errors)
    if errors:
        raise SubmissionError(f"{name}: the platform would accept it, and break later", errors)


def _try(path: Path, name: Path, data: Path | None, test: Tried) -> None:
    """Run the self-test, and say how it went.

    Raises:
        SubmissionError: something did not score as it must.
    """
    blurry = {reference_name(split): blurry_folder(data, split) for split in SPLITS if data}
    frames = FEW if test is Tried.few else None
    print(f"{name}: self-test, {test.value} frames", flush=True)
    with scratch_folder(Path(tempfile.gettempdir()), "self-test") as scratch:
        python = scoring_python(uses_lpips(path), scratch / "python")
        for trial in self_test(path, python, scratch, blurry, frames):
            if trial.problems:
                summary = f"{name}: the self-test failed in {trial.task.name!r}"
                raise SubmissionError(summary, trial.problems)
            print(f"  {trial.task.name}: {_told(trial)}", flush=True)


def _told(trial: Trial) -> str:
    seconds = trial.seconds / trial.frames * trial.all_frames
    blurry = "no blurry frames to compare with"
    if trial.blurry:
        key, value = next(iter(trial.blurry.items()))
        blurry = f"the blurry frames {key} {value:.4f} as here"
    perfect = ", ".join(f"{key} {value:g}" for key, value in (trial.perfect or {}).items())
    return (
        f"the references score {perfect}; {blurry}; a wrapped zip ends with its page "
        f"({trial.frames} of {trial.all_frames} frames; all take some {seconds:.0f} s here, and "
        "the platforms' queues stop a run after 600 s)"
    )


if __name__ == "__main__":
    sys.exit(main())
