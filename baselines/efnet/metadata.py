"""What a file of weights says of itself, so that the file alone is enough to predict with.

One text of JSON under one key, KEY, wherever a format has room for such: in safetensors'
`__metadata__`, ONNX's `metadata_props`, OpenVINO's `rt_info`.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from baselines.efnet.inputs import Reading
from challenge.errors import DataError

KEY = "event_deblurring_kit"
VERSION = 1
PATHS = {"data": ("root", "voxel_root", "store"), "train": ("weights",)}
"""What of a configuration is known on the machine that trained, and is nobody else's business."""


@dataclass(frozen=True)
class Metadata:
    """How a network was trained, how it reads a sample, and what an exported file of it takes."""

    config: dict[str, Any]  # sections data, network, train; paths left out
    channels: int  # of the event grid
    wf: int  # channels of the first level
    parameters: int
    checkpoint: str  # name of the file that was exported
    checkpoint_sha256: str
    iteration: int | None = None
    best_psnr: float | None = None
    size: tuple[int, int] | None = None  # (H, W) that an exported file is made for; None: any
    weights_sha256: str | None = None  # of the .bin beside an .xml
    version: int = field(default=VERSION)

    @property
    def reading(self) -> Reading:
        """How the network reads a sample."""
        return Reading.of_config(self.config["data"])

    @property
    def precision(self) -> str:
        """What it was trained in: "auto", "float32" or "bfloat16"."""
        return str(self.config["train"].get("precision", "float32"))

    def to_text(self) -> str:
        """Write it as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def of_text(cls, text: str | None, path: Path) -> Metadata:
        """Read what `to_text` wrote.

        Raises:
            DataError: there is none, or it is not of this kit.
        """
        if text is None:
            raise DataError(
                f"{path}: was not exported by this kit: expected metadata called {KEY}, found "
                "none; make such a file by `bash run.sh export RUN`"
            )
        try:
            values = json.loads(text)
            if values["version"] > VERSION:
                raise DataError(
                    f"{path}: was exported by a newer kit (metadata of version "
                    f"{values['version']}, this one knows {VERSION}); update the kit"
                )
            known = {each.name for each in dataclasses.fields(cls)}
            found = cls(**{key: value for key, value in values.items() if key in known})
            size = None if found.size is None else (int(found.size[0]), int(found.size[1]))
            found = dataclasses.replace(found, size=size)
            for section in ("data", "network", "train"):
                found.config[section].items()
            _ = found.reading
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise DataError(
                f"{path}: its metadata called {KEY} are not readable; export it again"
            ) from error
        return found
