"""Make `import torchvision` work beside a CPU build of torch. Does nothing where it works anyway.

On Linux the package registry's torchvision is built for CUDA. Beside a CPU build of torch its
library cannot be loaded; its Python part then asks for the operators `torchvision::nms` and
`torchvision::qnms`, which nobody has defined, and the import ends with "operator torchvision::nms
does not exist". lpips and timm import torchvision but use none of its operators. So it is enough
that the two names exist: they are declared without an implementation; torch refuses to call them.

This must happen before the first import of torchvision: mending a failed one is unreliable.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
from pathlib import Path

OPERATORS = ("nms", "qnms")
SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


@functools.cache
def ensure_torchvision_imports() -> bool:
    """Call before importing torchvision, lpips or timm; as often as you like.

    Returns:
        True if the operators had to be declared; False if torchvision is healthy, already imported,
        or not installed.
    """
    if sys.platform != "linux" or "torchvision" in sys.modules:
        return False
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return False
    import torch

    libraries = list(Path(spec.origin).parent.glob("_C*.so"))
    try:
        for library in libraries:
            torch.ops.load_library(library)  # type: ignore[no-untyped-call]
    except (OSError, RuntimeError):
        libraries = []
    if libraries:
        return False
    for operator in OPERATORS:
        torch.library.define(f"torchvision::{operator}", SIGNATURE)
    return True
