"""What `predict` can be told, and what `train` can as well: how many processes there are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from baselines.efnet.shipped import LIST

Baseline = Annotated[
    str | None, typer.Option(help="efnet, edi, blurry, or a module of yours; default: efnet")
]
Checkpoints = Annotated[
    list[Path] | None,
    typer.Option(
        "--checkpoint", help="weights; of several the mean is written; default: RUN's best.pth"
    ),
]
Data = Annotated[
    Path | None, typer.Option(help="folder with {val,test}/ in any format; default: RUN's")
]
Splits = Annotated[
    list[str] | None, typer.Option("--split", help="default: val and test, those there are")
]
Weights = Annotated[
    str | None,
    typer.Option(help=f"a network that comes with the kit, by name; {LIST}: which there are"),
]
Rules = Annotated[
    str | None,
    typer.Option(help="configs/challenge/<RULES>.yml; default: RUN's, `own` with --data"),
]
Tile = Annotated[
    str | None,
    typer.Option(help="side in pixels; 256,512: mean of both; 0: whole frame; default: what fits"),
]
Overlap = Annotated[
    int | None, typer.Option(help="of tiles, in pixels; default: a quarter of the side")
]
Flips = Annotated[
    bool, typer.Option("--flips", help="mean over 8 flips and rotations: 8 times the work")
]
Local = Annotated[
    int, typer.Option(help="attention over windows of so many pixels, as those of the crops")
]
Engine = Annotated[
    str | None,
    typer.Option(help="torch, openvino or onnxruntime; default: torch, or what runs the file"),
]
Precision = Annotated[str | None, typer.Option(help="float32, bfloat16, auto; default: as trained")]
Memory = Annotated[
    float | None, typer.Option(help="GiB there are on this machine; default: what is free")
]
Afresh = Annotated[bool, typer.Option("--afresh", help="do not go on with what was interrupted")]
Nproc = Annotated[
    int | None, typer.Option(help="processes on this machine, one for each GPU; default: this one")
]
Nnodes = Annotated[int, typer.Option(help="machines; the same command on each")]
Rdzv = Annotated[
    str | None, typer.Option(help="where they meet: HOST:PORT, a free port of one of them")
]
MaxRestarts = Annotated[
    int, typer.Option(help="so often all processes start again when one was killed")
]
