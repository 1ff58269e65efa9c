"""LPIPS: the distance between two images in the features of a pretrained network.

The one metric of the kit that needs torch, and weights from elsewhere (`bash run.sh weights`); both
are touched only when a score is asked for. The numbers are those of the package lpips 0.1.4, which
does the computing; it is only kept from downloading.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from challenge.errors import DataError
from challenge.metrics.weights import State, find_backbone, load_weights, weights_path

if TYPE_CHECKING:
    import torch

SMALLEST_SIDE: Mapping[str, int] = MappingProxyType({"alex": 31, "vgg": 16})
"""Height and width must be at least so many pixels for every layer to have an output."""


def column(net: str) -> str:
    """Say what the figure is called in tables: `lpips_alex`, `lpips_vgg`."""
    return f"lpips_{find_backbone(net).net}"


def score_lpips(prediction: np.ndarray, sharp: np.ndarray, net: str = "alex") -> float:
    """LPIPS of one image with the weights that `bash run.sh weights` got; 0 for equal images.

    The model is loaded once per network and process; see `Lpips` for the definition.

    Args:
        prediction, sharp: (H, W, 3) uint8 RGB of one size. Not modified.
        net: `alex`, which the paper's authors advise for comparing images, or `vgg`.

    Raises:
        ConfigError: no such network.
        DataError: no weights or damaged ones; another shape, dtype or size.
    """
    return _kept_model(net, weights_path(net))(prediction, sharp)


@functools.lru_cache(maxsize=2)
def _kept_model(net: str, _path: Path) -> Lpips:
    return Lpips(net, load_weights(net).state)


class Lpips:
    """A loaded model; call it with two images. Lower is better.

    With f_l the feature maps of layer l (five ReLU outputs), scaled to unit length over the
    channels at each place, and w_l the published linear weights (version 0.1):
    LPIPS = sum over l of the mean over places of sum over channels of w_l (f_l(x) - f_l(y))^2,
    where x = image / 127.5 - 1, RGB.

    The whole image goes through at once: at 1632x1224 (width x height) `vgg` needs several GB.

    Source: Zhang et al., The Unreasonable Effectiveness of Deep Features as a Perceptual Metric,
    CVPR 2018.
    """

    def __init__(self, net: str, backbone: State, device: str | None = None) -> None:
        """Build the model.

        Args:
            net: `alex` or `vgg`.
            backbone: torchvision-shaped weights, as `load_weights` returns them. Not modified.
            device: as torch names it; None: the GPU if there is one.
        """
        import torch

        self.net = find_backbone(net).net
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._model = _build(self.net, backbone).to(self.device)

    def __call__(self, prediction: np.ndarray, sharp: np.ndarray) -> float:
        """LPIPS of one pair.

        Args:
            prediction, sharp: (H, W, 3) uint8 RGB of one size. Not modified.

        Raises:
            DataError: another shape, dtype or size.
        """
        import torch

        self._check(prediction, sharp)
        with torch.inference_mode():
            pair = self._tensor(prediction), self._tensor(sharp)
            return float(self._model(*pair).item())

    def _check(self, prediction: np.ndarray, sharp: np.ndarray) -> None:
        expected = "expected (H, W, 3) uint8 RGB"
        problems = [
            f"{name}: {expected}, found {image.shape} {image.dtype}"
            for name, image in (("prediction", prediction), ("sharp", sharp))
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8
        ]
        least = SMALLEST_SIDE[self.net]
        if not problems and prediction.shape != sharp.shape:
            problems = [f"prediction {prediction.shape} and sharp {sharp.shape} differ in size"]
        elif not problems and min(sharp.shape[:2]) < least:
            height, width = sharp.shape[:2]
            problems = [f"expected at least {least}x{least} pixels, found {width}x{height}"]
        if problems:
            raise DataError(f"{column(self.net)} cannot be computed", problems)

    def _tensor(self, image: np.ndarray) -> torch.Tensor:
        """Return (1, 3, H, W) float32 in [-1, 1]."""
        import torch

        planes = np.ascontiguousarray(image.transpose(2, 0, 1)[None])
        return torch.from_numpy(planes).to(self.device, torch.float32) / 127.5 - 1.0


def _build(net: str, backbone: State) -> Any:
    """lpips.LPIPS with this backbone and its own linear weights; downloads nothing."""
    from challenge.environment.torchvision_shim import ensure_torchvision_imports

    ensure_torchvision_imports()
    import lpips
    import torch

    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # lpips calls torchvision by a name that is going away
        model = lpips.LPIPS(net=net, version="0.1", pnet_rand=True, verbose=False)
    # lpips deals torchvision's `features` out to slices but keeps their numbers: slice2.3 is
    # features.3.
    features = {name: f"features.{name.partition('.')[2]}" for name in model.net.state_dict()}
    values = {name: torch.from_numpy(np.array(backbone[key])) for name, key in features.items()}
    model.net.load_state_dict(values)
    return model.eval()
