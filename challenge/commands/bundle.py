"""Make the bundles an organiser uploads to host the challenge: CodaLab v1, Codabench v2.

bash run.sh bundle configs/challenge/mini.yml --data data/mini
bash run.sh bundle --lint bundle.zip
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from challenge import REPOSITORY, cli
from challenge.commands.options import Platform
from challenge.errors import ConfigError, SubmissionError
from challenge.files import sha256
from challenge.hosting.bundles import CONFIGURATIONS, build_bundle, with_splits
from challenge.hosting.lint import lint_bundle
from challenge.rules import load_rules


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
) -> None:
    """Make competition bundles from the rules and the sharp images, and check them.

    The reference data holds every sharp image: keep bundles to yourself.

    Example: bash run.sh bundle configs/challenge/mini.yml --data data/mini
    """
    if lint is not None:
        _report(lint)
        print(f"{lint}: nothing found")
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
        build_bundle(chosen, data, name, path)
        _report(path)
        print(f"{path}\n  {path.stat().st_size / 1e6:.2f} MB, SHA-256 {sha256(path)}")
    print("next: log in to the platform, upload one under “Create competition”")


def _report(path: Path) -> None:
    """Print the warnings.

    Raises:
        SubmissionError: the bundle would break later (all findings).
    """
    findings = lint_bundle(path)
    for finding in findings:
        if finding.level == "warning":
            print(f"warning: {path}: {finding}", file=sys.stderr)
    errors = [str(finding) for finding in findings if finding.level == "error"]
    if errors:
        raise SubmissionError(f"{path}: the platform would accept it, and break later", errors)


if __name__ == "__main__":
    sys.exit(main())
