"""The scores of one run as a table on the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich import box
from rich.console import Console
from rich.table import Table

from challenge.metrics.profiles import PROFILES, Profile
from challenge.scoring.results import Scores, gains

NONE = "-"


def print_scores(
    scores: Scores,
    blurry: Scores | None,
    console: Console,
    profiles: Mapping[str, Profile] = PROFILES,
    no_lpips: str = "",
    limits: str = "",
) -> None:
    """Print one table: a row per sequence, the mean over all frames, the gain over the input.

    Args:
        scores: of the run.
        blurry: of the input itself; None: no row of gains.
        console: where to.
        profiles: that were scored.
        no_lpips: why the column of LPIPS is empty, where it is; "" for no such column.
        limits: what such figures cannot say; "" for nothing.
    """
    where = "/".join(part for part in (scores.challenge, scores.split, scores.run) if part)
    title = f"{where}: {scores.frames} images"
    table = Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),  # three profiles and LPIPS fit into 80 columns
    )
    table.add_column("sequence", overflow="fold", min_width=13)
    for name in scores.means:
        ranks = name == scores.profile
        head = f"{name}{' *' if ranks else ''}\ndB / SSIM"
        table.add_column(head, justify="right", no_wrap=True, style="bold" if ranks else "")
    for name in scores.extra or (["LPIPS"] if no_lpips else []):
        table.add_column(f"{name}\n0 is best", justify="right", no_wrap=True)
    empty = [] if scores.extra or not no_lpips else [NONE]
    for sequence, means in scores.sequences.items():
        figures = scores.extra_sequences.get(sequence, {})
        table.add_row(sequence, *_cells(means, ""), *_extra(figures, ""), *empty)
    table.add_section()
    table.add_row("mean", *_cells(scores.means, ""), *_extra(scores.extra, ""), *empty)
    gain = gains(scores, blurry) if blurry else None
    if blurry is not None and gain is not None and gain.keys() == scores.means.keys():
        change = _changes(scores, blurry)
        table.add_row("gain over blurry", *_cells(gain, "+"), *change, *empty)
    console.print(table)
    profile = profiles[scores.profile]
    what = profile.description or f"{profile.psnr} and {profile.ssim}"
    console.print(f"* {scores.profile} ranks: {what}.")
    if small := [name for name in profiles if name not in scores.means]:
        console.print(f"not scored, since the images are too small for them: {', '.join(small)}.")
    if empty:
        console.print(no_lpips, soft_wrap=True, markup=False)
    if limits:
        console.print(f"limits: {limits}.", markup=False)


def _cells(means: Mapping[str, Mapping[str, float]], sign: str) -> list[str]:
    return [f"{each['psnr']:{sign}.3f} / {each['ssim']:{sign}.4f}" for each in means.values()]


def _extra(figures: Mapping[str, float], sign: str) -> list[str]:
    return [f"{value:{sign}.4f}" for value in figures.values()]


def _changes(scores: Scores, other: Scores) -> list[str]:
    """Return figures beside the profiles minus another run's; a dash where that one has none."""
    return [
        f"{value - other.extra[name]:+.4f}" if name in other.extra else NONE
        for name, value in scores.extra.items()
    ]
