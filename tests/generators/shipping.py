"""Small networks with random weights, laid down as those that come with the kit are."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch
import yaml

from baselines.efnet.checkpoint import save_checkpoint
from baselines.efnet.config import Config, DataConfig, NetworkConfig
from baselines.efnet.exporting import load_described, write_safetensors
from baselines.efnet.model import EFNet
from challenge.files import sha256

WF = 4
BINS = 6


def ship(folder: Path, name: str = "efnet_small", seed: int = 3, **facts: Any) -> Path:
    """Put NAME.safetensors, some 0.1 MB, and NAME.yml into a folder; return the path of the first.

    Args:
        facts: otherwise than usual; None: left out.
    """
    config = Config("standin", DataConfig(root="x", bins=BINS), NetworkConfig(wf=WF))
    torch.manual_seed(seed)
    network = EFNet(ev_chn=BINS, **dataclasses.asdict(config.network))
    folder.mkdir(parents=True, exist_ok=True)
    trained, path = folder / "best.pth", folder / f"{name}.safetensors"
    content = {"params": network.state_dict(), "config": dataclasses.asdict(config)}
    save_checkpoint(trained, content | {"iteration": 7})
    _, metadata, loaded = load_described(trained)
    write_safetensors(path, metadata, loaded)
    trained.unlink()
    usual = {
        "about": f"{name}, random weights",
        "licence": "MIT",
        "sha256": sha256(path),
        "exposure_ms": [1.0, 300.0],
        "card": f"docs/weights/{name}.md",
    }
    kept = {key: value for key, value in (usual | facts).items() if value is not None}
    path.with_suffix(".yml").write_text(yaml.safe_dump(kept), encoding="utf-8")
    return path
