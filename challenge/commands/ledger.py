"""The ledger of what was sent: list it, and type in what the server said.

bash run.sh ledger                                       every zip, as a table
bash run.sh ledger RUN_OR_ZIP --psnr 34.56 --ssim 0.93   the server's figures; says whose they are
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from challenge import cli
from challenge.errors import ConfigError
from challenge.findings import printable
from challenge.runs import SUBMISSIONS
from challenge.submission.ledger import (
    FILE_NAME,
    Row,
    explain,
    find_row,
    read_ledger,
    record_server,
)


def main(argv: Sequence[str] | None = None, submissions: Path = SUBMISSIONS) -> int:
    """List or record; return the exit code."""
    return cli.run(ledger, argv, "bash run.sh ledger", submissions=submissions)


def ledger(
    what: Annotated[
        str | None,
        typer.Argument(metavar="RUN_OR_ZIP", help="A run, its zip, or the start of its SHA-256."),
    ] = None,
    psnr: Annotated[float | None, typer.Option(help="The server's PSNR in dB.")] = None,
    ssim: Annotated[float | None, typer.Option(help="The server's SSIM.")] = None,
    notes: Annotated[str | None, typer.Option(help="Words of yours, added to the row's.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="Another ledger. [default: submissions/ledger.csv]")
    ] = None,
    *,
    submissions: Path = SUBMISSIONS,
) -> None:
    """List what was packed to be sent; or write down what the server said to it.

    Example: bash run.sh ledger submissions/highrev/val/mine.zip --psnr 34.56 --ssim 0.93
    """
    path = file or submissions / FILE_NAME
    if what is None:
        if psnr is not None or ssim is not None or notes is not None:
            raise ConfigError("whose are these? Name the run or the zip before them")
        rows = read_ledger(path)
        if rows:
            Console(highlight=False).print(_table(rows))
        print(path if rows else f"{path}: nothing was packed yet; bash run.sh submit")
        return
    if psnr is None and ssim is None and notes is None:
        row = find_row(read_ledger(path), what, path)
    else:
        row = record_server(path, what, psnr, ssim, notes or "")
        print(f"wrote {path}")
    _describe(row)


def _describe(row: Row) -> None:
    print(f"{row.zip}  ({row.date}, {row.phase or row.split or 'phase not known'})")
    print(f"  SHA-256 {row.sha256}")
    for profile, (psnr, ssim) in row.local.items():
        print(f"  local  {_number(psnr)} dB, SSIM {_number(ssim)} {profile}")
    print(f"  server {_number(row.server_psnr)} dB, SSIM {_number(row.server_ssim)}")
    print(f"  {explain(row)}")
    if row.local_ssim is not None and row.server_ssim is not None:
        print(f"  SSIM: server minus local {row.server_ssim - row.local_ssim:+.4f}")
    if row.notes:
        print(f"  notes: {printable(row.notes)}")


def _table(rows: Sequence[Row]) -> Table:
    table = Table()
    for name in ("zip", "written"):
        table.add_column(name, overflow="fold")
    for name in ("local dB", "SSIM", "server dB", "SSIM", "drift"):
        table.add_column(name, justify="right", no_wrap=True)
    more = [name for name in ("matches", "notes") if any(getattr(row, name) for row in rows)]
    for name in more:
        table.add_column(name, overflow="fold")
    for row in rows:
        place = "/".join(Path(row.zip).parts[-3:]) if row.split else Path(row.zip).name
        numbers = (row.local_psnr, row.local_ssim, row.server_psnr, row.server_ssim)
        words = {"matches": ", ".join(row.matches), "notes": printable(row.notes)}
        cells = [place, row.date[:10], *map(_number, numbers), _number(row.drift, "+.4f")]
        table.add_row(*map(escape, [*cells, *(words[name] for name in more)]))
    return table


def _number(value: float | None, form: str = ".4f") -> str:
    return "-" if value is None else format(value, form)


if __name__ == "__main__":
    sys.exit(main())
