"""Exported files compute what torch does, and each says what is wrong with it."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from baselines.efnet.checkpoint import load_checkpoint, network_of, save_checkpoint
from baselines.efnet.config import Config, DataConfig, NetworkConfig
from baselines.efnet.engines import Forward, choose_engine, open_exported
from baselines.efnet.export import main
from baselines.efnet.exporting import (
    check_parity,
    load_described,
    onnx_of,
    random_inputs,
    write_onnx,
    write_openvino,
)
from baselines.efnet.inputs import Reading
from baselines.efnet.metadata import Metadata
from baselines.efnet.model import EFNet
from challenge import REPOSITORY
from challenge.errors import ChallengeError, ConfigError, DataError
from challenge.representations import Representation

MASKED = DataConfig(
    root="/secret/place",
    representation="scer",
    normalise="magnitude",
    event_mask=True,
    channel_order="bgr",
)
NESTED = DataConfig(root="/secret/place", representation="nested", bins=2, windows=[1.0, 0.2])


def needs(*engines: str) -> None:
    for name in engines:
        pytest.importorskip(name, reason=f"{name} is not installed; it is of the extra `export`")


def trained(folder: Path, data: DataConfig = MASKED, **network: object) -> Path:
    """A checkpoint of ours, with random weights."""
    config = Config("x", data, NetworkConfig(**({"wf": 4} | network)))  # type: ignore[arg-type]
    channels = Reading.of_config(dataclasses.asdict(data)).representation.channels
    torch.manual_seed(3)
    weights = EFNet(ev_chn=channels, **dataclasses.asdict(config.network)).state_dict()
    path = folder / "best.pth"
    save_checkpoint(path, {"params": weights, "config": dataclasses.asdict(config), "iteration": 7})
    return path


def difference(checkpoint: Path, forward: Forward, samples: int, height: int, width: int) -> float:
    """The largest from the published structure's own forward pass, in float32."""
    network, metadata, _ = load_described(checkpoint)
    inputs = random_inputs(metadata, samples, height, width)
    with torch.no_grad():
        expected = network(*inputs[:3])[-1]
    found = forward(*inputs[:3])
    assert found.dtype == torch.float32 and found.shape == expected.shape
    return float((found - expected).abs().max())


@pytest.mark.parametrize(
    "data, network",
    [
        (MASKED, {}),
        (NESTED, {"depth": 2, "fuse_before_downsample": False, "num_heads": [2, 1]}),
        (DataConfig(root="x"), {"depth": 1, "relu_slope": 0.1}),
    ],
)
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_an_exported_network_computes_what_torch_does(
    tmp_path: Path, engine: str, data: DataConfig, network: dict[str, object]
) -> None:
    needs("onnx", engine)
    checkpoint = trained(tmp_path, data, **network)
    described = load_described(checkpoint)
    model = onnx_of(*described[:2])
    forward, metadata = open_exported(engine, model, "float32", tmp_path / "x.onnx")
    assert metadata == described[1]
    for size in ((1, 16, 24), (2, 33, 7), (1, 256, 200)):  # the last is cut into parts by torch
        assert difference(checkpoint, forward, *size) < 1e-5


def test_what_differs_from_torch_is_not_passed(tmp_path: Path) -> None:
    needs("onnx", "onnxruntime")
    network, metadata, _ = load_described(trained(tmp_path))
    model = onnx_of(network, metadata)
    forward, _ = open_exported("onnxruntime", model, "float32", tmp_path / "x.onnx")
    assert all(parity.passes for parity in check_parity(network, forward, metadata))
    with torch.no_grad():
        network.last.bias += 0.001
    with pytest.raises(ChallengeError, match=r"not equal to torch's[\s\S]*largest difference 1.0e"):
        check_parity(network, forward, metadata)


@pytest.mark.parametrize("suffix, write", [(".onnx", write_onnx), (".xml", write_openvino)])
def test_a_file_alone_is_enough(tmp_path: Path, suffix: str, write: object) -> None:
    needs("onnx", "onnxruntime", "openvino")
    checkpoint = trained(tmp_path)
    network, metadata, _ = load_described(checkpoint)
    target = tmp_path / "out" / f"model{suffix}"
    write(target, network, dataclasses.replace(metadata, size=(20, 28)))  # type: ignore[operator]
    engine = choose_engine(None, target)
    assert engine == "openvino"
    forward, found = open_exported(engine, target, "float32", target)
    assert difference(checkpoint, forward, 2, 20, 28) < 1e-5
    assert found.reading == Reading(Representation("scer", 6), "magnitude", True, "bgr")
    assert (found.size, found.iteration, found.channels, found.wf) == ((20, 28), 7, 6, 4)
    assert "/secret" not in found.to_text()
    with pytest.raises(DataError, match=r"exported for 28x20 .* found 20x28"):
        forward(*random_inputs(metadata, 1, 28, 20)[:3])
    with pytest.raises(DataError, match="takes event grids of 6 channels, found 5"):
        forward(torch.zeros(1, 3, 20, 28), torch.zeros(1, 5, 20, 28), torch.zeros(1, 1, 20, 28))
    left = {path.name for path in target.parent.iterdir()}
    assert left == ({"model.onnx"} if suffix == ".onnx" else {"model.xml", "model.bin"})


def test_files_that_are_none_of_ours_are_refused(tmp_path: Path) -> None:
    needs("onnx", "onnxruntime", "openvino")
    network, metadata, _ = load_described(trained(tmp_path))
    path = tmp_path / "model.onnx"
    write_onnx(path, network, metadata)
    whole = path.read_bytes()
    for engine in ("onnxruntime", "openvino"):
        for content in (whole[: len(whole) // 2], b"", b"no model" * 99):
            path.write_bytes(content)
            with pytest.raises(DataError, match=r"model.onnx: (not a readable|was not exported)"):
                open_exported(engine, path, "float32", path)
        path.write_bytes(whole.replace(b"event_deblurring_kit", b"event_deblurring_cat"))
        with pytest.raises(DataError, match="was not exported by this kit"):
            open_exported(engine, path, "float32", path)
        with pytest.raises(DataError, match="no such file"):
            open_exported(engine, tmp_path / "none.onnx", "float32", tmp_path / "none.onnx")
    with pytest.raises(DataError, match="no weights for torch; take the checkpoint"):
        load_checkpoint(path)


def test_an_xml_needs_its_own_bin(tmp_path: Path) -> None:
    needs("onnx", "openvino")
    network, metadata, _ = load_described(trained(tmp_path))
    path, weights = tmp_path / "model.xml", tmp_path / "model.bin"
    write_openvino(path, network, metadata)
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(DataError, match="model.bin beside it holds other weights"):
        open_exported("openvino", path, "float32", path)
    weights.unlink()
    with pytest.raises(DataError, match="weights are missing: expected model.bin"):
        open_exported("openvino", path, "float32", path)


COMES_AND_GOES = """
import signal, sys
from pathlib import Path
from baselines.efnet.engines import open_exported

path = Path(sys.argv[1])
kept = [open_exported("openvino", path, "float32", path) for _ in range(2)]
kept.pop(0)
kept.pop(0)
signal.signal(signal.SIGTERM, lambda *_: print("handled"))
signal.raise_signal(signal.SIGTERM)
"""


def test_signals_are_handled_after_networks_were_opened_and_dropped(tmp_path: Path) -> None:
    needs("onnx", "openvino")
    network, metadata, _ = load_described(trained(tmp_path))
    path = tmp_path / "model.onnx"
    path.write_bytes(onnx_of(network, metadata))
    words = [sys.executable, "-c", COMES_AND_GOES, str(path)]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr


def test_metadata_of_a_newer_kit_or_of_nonsense_are_refused(tmp_path: Path) -> None:
    _, metadata, _ = load_described(trained(tmp_path))
    assert Metadata.of_text(metadata.to_text(), tmp_path) == metadata
    newer = dataclasses.replace(metadata, version=99)
    with pytest.raises(DataError, match="newer kit"):
        Metadata.of_text(newer.to_text(), tmp_path)
    for text in ("", "[]", "{}", "{", '{"version": 1, "config": 3}', '{"version": "a"}'):
        with pytest.raises(DataError, match="not readable; export it again"):
            Metadata.of_text(text, tmp_path)


def test_safetensors_come_back_with_what_predict_needs(tmp_path: Path) -> None:
    checkpoint, path = trained(tmp_path, NESTED, depth=2), tmp_path / "out.safetensors"
    assert main([str(checkpoint), "--format", "safetensors", "--out", str(path)]) == 0
    expected, found = load_checkpoint(checkpoint), load_checkpoint(path)
    assert found["config"]["data"]["windows"] == [1.0, 0.2] and found["iteration"] == 7
    assert found["config"]["network"] == expected["config"]["network"]
    assert "/secret" not in str(found["config"])
    weights = network_of(found, path).state_dict()
    assert all(torch.equal(weights[key], value) for key, value in expected["params"].items())


def test_bare_safetensors_load_as_published_weights_do(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    network, path = EFNet(wf=4), tmp_path / "bare.safetensors"
    save_file(network.state_dict(), path)
    loaded = load_checkpoint(path)
    assert "config" not in loaded
    again = network_of(loaded, path).state_dict()
    assert all(torch.equal(again[key], value) for key, value in network.state_dict().items())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="not a readable checkpoint"):
        load_checkpoint(path)


def test_engines_are_chosen_by_the_file_and_refused_by_name(tmp_path: Path) -> None:
    assert choose_engine(None, Path("best.pth")) == "torch"
    assert choose_engine("openvino", Path("best.pth")) == "openvino"
    assert choose_engine("onnxruntime", Path("best.onnx")) == "onnxruntime"
    for engine, path in (("torch", "best.onnx"), ("onnxruntime", "best.xml"), ("tvm", "best.pth")):
        with pytest.raises(ConfigError, match=engine):
            choose_engine(engine, Path(path))


def test_the_command_says_what_it_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], highrev: Path
) -> None:
    needs("onnx", "onnxruntime")
    checkpoint = trained(tmp_path, NESTED)
    assert main([str(checkpoint), "--data", str(highrev)]) == 0
    said = capsys.readouterr().out
    assert "a real frame, 56x40" in said and "best.onnx" in said
    assert (tmp_path / "best.onnx").is_file()


@pytest.mark.parametrize(
    "arguments, word",
    [
        (["--format", "tflite"], "onnx or openvino or safetensors"),
        (["--size", "0x4"], "WIDTHxHEIGHT"),
        (["--size", "1224"], "WIDTHxHEIGHT"),
        (["--out", "model.xml"], "ends in .onnx"),
        (["--format", "safetensors", "--size", "8x8"], "fit any size"),
    ],
)
def test_what_cannot_be_exported_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], word: str
) -> None:
    checkpoint = trained(tmp_path)
    assert main([str(checkpoint), *arguments]) == 1
    assert word in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["best.pth"]


def test_no_checkpoint_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.pth")]) == 1
    assert "none.pth: no such checkpoint" in capsys.readouterr().err
