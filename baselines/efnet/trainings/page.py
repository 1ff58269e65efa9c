"""One training on a page: how it stands, what it was told, what it reached, how to go on."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from baselines import BEST, CONFIG, LAST
from baselines.efnet.score_tables import FRAMES, VALIDATIONS
from baselines.efnet.training_log import TENSORBOARD
from baselines.efnet.trainings.facts import Facts, recent
from baselines.efnet.trainings.table import UNKNOWN, default_values, span, written
from challenge.config import changes
from challenge.findings import printable

MOST_SCORES = 12
MIB = 2**20


def print_training(each: Facts, console: Console) -> None:
    """Print the page of one training."""
    console.print(Text(printable(f"{each.name}: {standing(each)}"), style="bold"))
    for line in (f"folder: {each.folder}", *speed_lines(each)):
        console.print(Text(printable(line)))
    if each.config:
        told = changes(each.config, default_values())
        console.print(Text("\nconfiguration, where it is not the default", style="bold"))
        for key, value in told.items():
            console.print(Text(printable(f"  {key}={written(value)}")))
    if each.scores:
        console.print()
        console.print(scores_table(each))
        if len(each.scores) > MOST_SCORES:
            console.print(f"  the last {MOST_SCORES} of {len(each.scores)}; all: {VALIDATIONS}")
        if (each.folder / FRAMES).exists():
            console.print(f"  of every frame: {FRAMES}")
    checkpoints = sorted(each.folder.glob("*.pth"))
    if checkpoints:
        console.print(Text("\ncheckpoints", style="bold"))
    for path in checkpoints:
        console.print(Text(printable(f"  {path.name}  {path.stat().st_size / MIB:.1f} MiB")))
    for line in ways_on(each):
        console.print(Text(printable(line)), soft_wrap=True)  # a command is copied as one line


def standing(each: Facts) -> str:
    """Say how it stands with a training, in a sentence."""
    done = "" if each.iterations is None else f" at iteration {each.iteration} of {each.iterations}"
    left = "" if each.left_s is None else f", about {span(each.left_s)} left"
    ago = "" if each.silent_s == float("inf") else f", last wrote {span(each.silent_s)} ago"
    why = f" ({each.why})" if each.why else ""
    return f"{each.state}{why}{done}{left}{ago}"


def speed_lines(each: Facts) -> list[str]:
    """Say what it takes."""
    words = []
    if each.images_per_s is not None:
        words.append(f"{each.images_per_s:.3g} images/s")
    if (waited := recent(each.speed, "waited_for_data")) is not None:
        words.append(f"{waited:.0%} of the time waits for data")
    if (took := recent(each.speed, "validation_s")) is not None:
        words.append(f"a validation takes {span(took)}")
    for key, what in (("memory_mib", "memory"), ("gpu_memory_mib", "GPU memory")):
        if (peak := recent(each.speed, key)) is not None:
            words.append(f"{what} {peak / 1024:.1f} GiB at most")
    return ["speed: " + ", ".join(words)] if words else []


def scores_table(each: Facts) -> Table:
    """Make the table of the last validations; `*` marks the best of all."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for header in ("iteration", "PSNR [dB]", "SSIM", "learning rate"):
        table.add_column(header, justify="right")
    for row in each.scores[-MOST_SCORES:]:
        mark = "*" if row["iteration"] == each.best_iteration else " "
        rate = UNKNOWN if row["learning_rate"] is None else f"{row['learning_rate']:.3g}"
        ssim = UNKNOWN if row["ssim"] is None else f"{row['ssim']:.4f}"
        table.add_row(str(row["iteration"]), f"{row['psnr']:.2f}{mark}", ssim, rate)
    return table


def ways_on(each: Facts) -> list[str]:
    """List the commands that a reader may want next."""
    lines = []
    going = each.state in ("running", "finished")
    if (each.folder / LAST).exists() and not going:
        config = quoted(each.folder / CONFIG)
        lines.append(f"go on:    bash run.sh train {config} --resume")
    if (each.folder / BEST).exists():
        lines.append(f"predict:  bash run.sh predict {shlex.quote(each.name)}")
    if (each.folder / TENSORBOARD).exists():
        lines.append(f"curves:   tensorboard --logdir {quoted(each.folder / TENSORBOARD)}")
    return ["", *lines] if lines else []


def quoted(path: Path) -> str:
    """Write a path for a shell, as short as it can be typed here."""
    with contextlib.suppress(ValueError):
        path = path.resolve().relative_to(Path.cwd())
    return shlex.quote(str(path))
