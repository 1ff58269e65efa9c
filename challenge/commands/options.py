"""Options that several verbs share: said once, so that they mean the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path | None,
    typer.Option(help="ROOT, the folder with {train,val,test}/. [default: from run.json]"),
]
Split = Annotated[
    str | None,
    typer.Option(help="train, val, test, addition. [default: from run.json, or by names]"),
]
RulesFile = Annotated[
    Path | None,
    typer.Option("--rules", help="configs/challenge/x.yml, or x. [default: from run.json]"),
]
Platform = Annotated[str, typer.Option(help="codalab, codabench or both.")]
MachinePart = Annotated[
    str | None,
    typer.Option("--part", metavar="I/N", help="Part I of N, 1/N to N/N, one for each machine."),
]
