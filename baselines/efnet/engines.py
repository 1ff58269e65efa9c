"""What computes the network: torch, or another engine that runs a file exported from it."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from baselines.efnet.device import autocast
from baselines.efnet.metadata import KEY, Metadata
from baselines.efnet.model import EFNet
from challenge.errors import ConfigError, DataError
from challenge.files import sha256

Forward = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""(N, 3, H, W) blurry, (N, channels, H, W) voxel, (N, 1, H, W) mask or None -> (N, 3, H, W) float32
restored, not clipped, on the device of the inputs. Inputs are not modified.
"""

INPUTS = ("blurry", "voxel", "mask")
"""Names of the inputs of an exported file, the mask's where the network reads one."""
OUTPUT = "restored"
ENGINES = ("torch", "openvino", "onnxruntime")
RUN_BY = {".onnx": ("openvino", "onnxruntime"), ".xml": ("openvino",)}
"""Suffix of an exported file -> the engines that run it, the faster one first."""
Compiled = Callable[[list[Tensor]], Tensor]


def torch_forward(network: EFNet, device: torch.device, precision: str) -> Forward:
    """Make the function that restores with the network itself.

    Args:
        network: in evaluation mode, on `device`.
        device: where the inputs are, too.
        precision: "auto", "float32" or "bfloat16".
    """

    def forward(blurry: Tensor, voxel: Tensor, mask: Tensor | None) -> Tensor:
        with torch.inference_mode(), autocast(device, precision):
            restored: Tensor = network(blurry, voxel, mask)[-1]
        return restored.float()

    return forward


def choose_engine(wish: str | None, checkpoint: Path) -> str:
    """Choose what runs a checkpoint, or an exported file.

    Args:
        wish: one of ENGINES; None: torch for a checkpoint, for an exported file the fastest engine
            that is installed.
        checkpoint: known by its suffix.

    Raises:
        ConfigError: no such engine, or not for such a file.
    """
    if wish is not None and wish not in ENGINES:
        raise ConfigError(f"--engine {wish}: expected {' or '.join(ENGINES)}")
    runs = RUN_BY.get(checkpoint.suffix.lower())
    if runs is None:
        return wish or "torch"
    if wish is None:
        return next((name for name in runs if importlib.util.find_spec(name)), runs[0])
    if wish not in runs:
        raise ConfigError(
            f"{checkpoint}: an exported {checkpoint.suffix} file is run by --engine "
            f"{' or '.join(runs)}, not by {wish}"
        )
    return wish


def has_own_engine(checkpoint: Path) -> bool:
    """Say whether a file was exported for an engine other than torch, by its suffix."""
    return checkpoint.suffix.lower() in RUN_BY


def open_exported(
    engine: str, model: Path | bytes, precision: str | None, path: Path
) -> tuple[Forward, Metadata]:
    """Open what was exported: the function that restores with it, and what it says of itself.

    Args:
        engine: "openvino" or "onnxruntime".
        model: an .onnx or .xml file, or the bytes of an ONNX file.
        precision: "auto" (bfloat16 where OpenVINO finds it in the processor), "float32" or
            "bfloat16"; None: as trained. onnxruntime computes in float32 always.
        path: the file that an error names.

    Raises:
        ConfigError: the engine is not installed.
        DataError: no such file, not readable, or not exported by this kit.
    """
    if isinstance(model, Path) and not model.is_file():
        raise DataError(f"{model}: no such file; `bash run.sh export RUN` makes one")
    opened = _open_openvino if engine == "openvino" else _open_onnxruntime
    compile_for, metadata = opened(model, precision, path)
    return _checked(compile_for, metadata, path), metadata


def engine_library(name: str) -> Any:
    """Import an engine, or what writes its files.

    Raises:
        ConfigError: it is not installed; says how to.
    """
    # OpenVINO reports each import to its maker's statistics where this package can be imported
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"{name} cannot be imported ({error}); bash run.sh setup installs it into .venv, "
            f"{sys.executable} -m pip install onnx onnxruntime openvino into this Python"
        ) from error


@functools.cache
def openvino_core() -> Any:
    """Return OpenVINO's core, one for the whole process and kept until its end.

    Each core of openvino 2026.4 gives the thread that made it an alternate stack for signals, and
    gives back the one before when it goes. Where two go in the order in which they came, that one
    is unmapped by then, and the next signal that Python handles (Ctrl-C, or the end of a child
    under a data loader) ends the process by SIGSEGV.

    Raises:
        ConfigError: it is not installed; says how to.
    """
    return engine_library("openvino").Core()


def _checked(
    compile_for: Callable[[list[Tensor]], Compiled], metadata: Metadata, path: Path
) -> Forward:
    """Make a Forward that compiles for each size of its inputs, and refuses what cannot be run."""
    kept: dict[tuple[int, ...], Compiled] = {}  # of one size: each holds the memory it computed in

    def forward(blurry: Tensor, voxel: Tensor, mask: Tensor | None) -> Tensor:
        samples, _, height, width = blurry.shape
        if voxel.shape[1] != metadata.channels:
            raise DataError(
                f"{path}: takes event grids of {metadata.channels} channels, found "
                f"{voxel.shape[1]}; take data with such grids, or with raw events"
            )
        if metadata.size not in (None, (height, width)):
            made_for = "{1}x{0}".format(*metadata.size)
            raise DataError(
                f"{path}: was exported for {made_for} (width x height), found {width}x{height}; "
                "export it with --size dynamic"
            )
        assert (mask is not None) == metadata.reading.event_mask
        tensors = [blurry, voxel] if mask is None else [blurry, voxel, mask]
        tensors = [tensor.detach().cpu().float().contiguous() for tensor in tensors]
        size = (samples, height, width)
        if size not in kept:
            kept.clear()
            kept[size] = compile_for(tensors)
        return kept[size](tensors).to(blurry.device)

    return forward


def _open_openvino(
    model: Path | bytes, precision: str | None, path: Path
) -> tuple[Callable[[list[Tensor]], Compiled], Metadata]:
    core = openvino_core()
    try:
        network = core.read_model(model)
    except RuntimeError as error:
        raise DataError(_unreadable(path, error)) from error
    places = (place for place in ([KEY], ["framework", KEY]) if network.has_rt_info(place))
    place = next(places, None)
    text = None if place is None else str(network.get_rt_info(place).value)
    metadata = Metadata.of_text(text, path)
    if metadata.weights_sha256 not in (None, _weights_of(model)):
        raise DataError(
            f"{path}: {path.with_suffix('.bin').name} beside it holds other weights than it was "
            "exported with; copy both files again"
        )
    able = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    precision = precision or metadata.precision
    half = precision == "bfloat16" or (precision == "auto" and able)
    settings = {
        "INFERENCE_PRECISION_HINT": "bf16" if half else "f32",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,  # other threads of this process have work, too
    }

    def compile_for(tensors: list[Tensor]) -> Compiled:
        sized = network.clone()
        named = dict(zip(INPUTS, tensors, strict=False))
        sized.reshape({name: list(tensor.shape) for name, tensor in named.items()})
        request = core.compile_model(sized, "CPU", settings).create_infer_request()

        def run(tensors: list[Tensor]) -> Tensor:
            request.infer({n: t.numpy() for n, t in zip(INPUTS, tensors, strict=False)})
            return torch.from_numpy(request.get_output_tensor(0).data.copy())

        return run

    return compile_for, metadata


def _open_onnxruntime(
    model: Path | bytes, precision: str | None, path: Path
) -> tuple[Callable[[list[Tensor]], Compiled], Metadata]:
    onnxruntime = engine_library("onnxruntime")
    source = model if isinstance(model, bytes) else str(model)

    def session(sizes: dict[str, int]) -> Any:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.enable_mem_pattern = False  # would hold the features of two calls: twice the memory
        options.log_severity_level = 3  # errors; how it places operators is nobody's concern
        for name, size in sizes.items():
            options.add_free_dimension_override_by_name(name, size)
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])

    try:
        first = session({})
    except Exception as error:  # its errors derive from nothing but Exception
        raise DataError(_unreadable(path, error)) from error
    metadata = Metadata.of_text(first.get_modelmeta().custom_metadata_map.get(KEY), path)
    del first

    def compile_for(tensors: list[Tensor]) -> Compiled:
        samples, _, height, width = tensors[0].shape
        sized = session({"N": samples, "H": height, "W": width})

        def run(tensors: list[Tensor]) -> Tensor:
            named = {n: t.numpy() for n, t in zip(INPUTS, tensors, strict=False)}
            return torch.from_numpy(sized.run([OUTPUT], named)[0])

        return run

    return compile_for, metadata


def _weights_of(model: Path | bytes) -> str | None:
    """Hash the .bin beside an .xml."""
    if isinstance(model, Path) and model.suffix.lower() == ".xml":
        return sha256(model.with_suffix(".bin"))
    return None


def _unreadable(path: Path, error: Exception) -> str:
    """Say that an engine cannot read a file."""
    weights = path.with_suffix(".bin")
    if path.suffix.lower() == ".xml" and not weights.is_file():
        return f"{path}: its weights are missing: expected {weights.name} beside it; copy both"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[-1][:120] if lines else type(error).__name__
    return f"{path}: not a readable exported file ({said}); copy or export it again"
