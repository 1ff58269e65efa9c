"""How predictions come to be: what is kept beside them, and what tells them from others."""

from __future__ import annotations

import datetime
import hashlib
import subprocess
from typing import Any

from baselines.efnet.inference import Inference
from baselines.efnet.shipped import shipped_of
from baselines.plan import Plan
from baselines.restorer import Restorer
from baselines.unfinished import Making
from challenge import REPOSITORY
from challenge.datasets import Dataset
from challenge.datasets.layout import inputs_sha256
from challenge.files import sha256
from challenge.runs import RunRecord


def record_of(
    plan: Plan, split: str, frames: int, restorer: Restorer, runtime_s: float
) -> RunRecord:
    """Write down how the predictions of a split came to be."""
    return RunRecord(
        name=plan.name,
        baseline=plan.baseline,
        challenge=plan.place,
        rules=plan.rules,
        split=split,
        inputs_sha256=inputs_sha256(plan.source.root, split),
        frames=frames,
        runtime_per_image_s=runtime_s,
        device=restorer.device,
        parameters=restorer.parameters,
        **weights_of(plan),
        extra_data=any(shipped_of(path) for path in plan.checkpoints),
        inference=settings_of(restorer),
        commit=commit(),
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        reference=plan.reference,
        description=restorer.description,
        config=plan.config,
        **plan.source.record_fields(),
    )


def asked_of(plan: Plan, split: str, dataset: Dataset) -> Making:
    """Say what is to be made, so that it is told from anything else that was left unfinished."""
    files = (path for frame in dataset.frames for path in dataset.source_files(frame))
    stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return {
        "baseline": plan.baseline,
        "weights": [sha256(path) for path in plan.checkpoints if path.is_file()],
        "split": split,
        **plan.source.record_fields(),
        "frames": dataset.frames,
        "inputs_sha256": inputs_sha256(plan.source.root, split),
        "files": hashlib.sha256(repr(stats).encode()).hexdigest(),
        "device": plan.device,
        "settings": plan.settings.record(),
        "code": commit(with_changes=True),
    }


def weights_of(plan: Plan) -> dict[str, Any]:
    """Say in fields of a RunRecord which weights are used: one file, or the parts of a mean."""
    hashes = {str(path): sha256(path) for path in plan.checkpoints}
    if len(hashes) == 1:
        ((path, digest),) = hashes.items()
        return {"checkpoint": path, "checkpoint_sha256": digest}
    return {"parts": hashes}


def settings_of(restorer: Restorer) -> dict[str, Any]:
    """Say how a restorer restores, if it was told; what was chosen, not what was left to it."""
    settings = getattr(restorer, "settings", None)
    return settings.record() if isinstance(settings, Inference) else {}


def commit(with_changes: bool = False) -> str | None:
    """Read the kit's commit, "+changes" where tracked files differ from it.

    None outside a checkout.

    Args:
        with_changes: adds a hash of them.
    """
    git = ["git", "-C", str(REPOSITORY)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True)
        changes = subprocess.run([*git, "diff", "HEAD"], capture_output=True).stdout
    except OSError:
        return None
    if head.returncode != 0:
        return None
    digest = hashlib.sha256(changes).hexdigest() if with_changes else ""
    return head.stdout.strip() + (f"+changes{digest}" if changes else "")
