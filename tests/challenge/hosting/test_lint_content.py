"""Mutations of what a bundle's zips hold: the linter's verdict, and the self-test's beside it."""

from __future__ import annotations

import datetime
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from challenge.hosting.lint import lint_bundle
from challenge.hosting.lint_findings import BREAKS, DOUBT, REFUSED
from challenge.hosting.self_test import self_test

NOW = datetime.datetime(2026, 12, 1, tzinfo=datetime.timezone.utc)
Make = Callable[[str, Callable[[Any], object]], Path]
PASSES, FAILS, UNSEEN = "passes", "fails", "cannot judge"
"""What the self-test says: it runs in a Python of its own, so it never sees the image, say."""
Case = tuple[Callable[[Any], object], str | None, str, str]
"""A change, the worst that the linter must find, part of what it says, what the self-test says."""
CODE = "challenge/server/program.py"


def program(change: Callable[[dict[str, bytes]], object]) -> Callable[[Any], object]:
    return lambda bundle: bundle.program(change)


def with_file(name: str, data: bytes) -> Callable[[Any], object]:
    return program(lambda files: files.update({name: data}))


def without_file(name: str) -> Callable[[Any], object]:
    return program(lambda files: files.pop(name))


def command(text: str, file: str = "metadata.yaml") -> Callable[[Any], object]:
    return with_file(file, f"command: {text}\n".encode())


def within(name: str, old: bytes, new: bytes) -> Callable[[Any], object]:
    def change(files: dict[str, bytes]) -> None:
        assert old in files[name]
        files[name] = files[name].replace(old, new)

    return program(change)


def reference(data: bytes | None, name: str = "park_00000.png") -> Callable[[Any], object]:
    """One sharp image of the first phase becomes another file, or goes."""

    def change(files: dict[str, bytes]) -> None:
        del files["park_00000.png"]
        if data is not None:
            files[name] = data

    return lambda bundle: bundle.inner("reference_val.zip", change)


def cut(bundle: Any) -> None:
    def change(files: dict[str, bytes]) -> None:
        files["park_00000.png"] = files["park_00000.png"][:-40]

    bundle.inner("reference_val.zip", change)


def encoded(image: np.ndarray, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, kind)
    return stream.getvalue()


def sixteen_bits() -> bytes:
    import cv2

    done: bytes = cv2.imencode(".png", np.zeros((24, 32, 3), np.uint16))[1].tobytes()
    return done


def nested(name: str) -> Callable[[Any], object]:
    def change(files: dict[str, bytes]) -> None:
        inside = {f"folder/{each}": data for each, data in files.items()}
        files.clear()
        files.update(inside)

    return lambda bundle: bundle.inner(name, change)


def bytes_of(name: str, change: Callable[[bytearray], object]) -> Callable[[Any], object]:
    def edit(bundle: Any) -> None:
        data = bytearray(bundle.files[name])
        change(data)
        bundle.files[name] = bytes(data)

    return edit


def flip(data: bytearray) -> None:
    """Change a byte of the first image, or of the script."""
    found = data.find(b"IDAT")
    data[found + 10 if found >= 0 else data.index(b"import os")] ^= 255


def halve(data: bytearray) -> None:
    del data[len(data) // 2 :]


def empty(name: str) -> Callable[[Any], object]:
    return lambda bundle: bundle.inner(name, lambda files: files.clear())


def image(text: str | None) -> Callable[[Any], object]:
    def change(values: Any) -> None:
        values.pop("docker_image")
        if text is not None:
            values["docker_image"] = text

    return lambda bundle: bundle.edit(change)


def key(text: str) -> Callable[[Any], object]:
    return lambda bundle: bundle.edit(lambda y: y["leaderboards"][0]["columns"][0].update(key=text))


RUN = "python3 /app/program/score.py"
BOTH = "/app/input /app/output"
BLACK = np.zeros((24, 32, 3), np.uint8)
CODABENCH: dict[str, Case] = {
    "nothing changed": (lambda bundle: None, None, "", PASSES),
    # the image
    "no image": (image(None), BREAKS, "Python 3.7 or older", UNSEEN),
    "py37": (image("codalab/codalab-legacy:py37"), BREAKS, "Python 3.10", UNSEEN),
    "py39": (image("codalab/codalab-legacy:py39"), BREAKS, "Python 3.10", UNSEEN),
    "untagged": (image("codalab/codalab-legacy"), BREAKS, "Python 3.10", UNSEEN),
    "py310 with a GPU": (image("codalab/codalab-legacy:gpu310"), None, "", UNSEEN),
    "bare python": (image("python:3.11-slim"), BREAKS, "neither numpy nor Pillow", UNSEEN),
    "another image": (image("ghcr.io/lab/scorer:2.1"), None, "", UNSEEN),
    "no name of an image": (image("My Image"), BREAKS, "name of a Docker image", UNSEEN),
    # the command
    "no metadata": (
        program(lambda files: [files.pop(name) for name in ("metadata", "metadata.yaml")]),
        BREAKS,
        "metadata at its root",
        FAILS,
    ),
    "second choice": (without_file("metadata.yaml"), None, "", PASSES),
    "broken metadata": (with_file("metadata.yaml", b"command: [\n"), BREAKS, "no YAML", FAILS),
    "metadata a list": (with_file("metadata.yaml", b"- a\n"), BREAKS, "command", FAILS),
    "no command": (with_file("metadata.yaml", b"run: a\n"), BREAKS, "command", FAILS),
    "command a list": (command("[python3, a]"), BREAKS, "command", FAILS),
    "cd first": (command(f"cd /app/program && {RUN} {BOTH}"), BREAKS, "no shell", FAILS),
    "a pipe": (command(f"{RUN} {BOTH} | tee log"), BREAKS, "no shell", FAILS),
    "variable first": (command(f"A=1 {RUN} {BOTH}"), BREAKS, "no shell", FAILS),
    "no arguments": (command(RUN), BREAKS, "the two folders", FAILS),
    "one argument": (command(f"{RUN} /app/input"), BREAKS, "the two folders", FAILS),
    "exchanged": (command(f"{RUN} /app/output /app/input"), BREAKS, "the two folders", FAILS),
    "python2": (command(f"python2 /app/program/score.py {BOTH}"), BREAKS, "Python 3", FAILS),
    "another script": (
        command(f"python3 /app/program/run.py {BOTH}"),
        BREAKS,
        "runs a file",
        FAILS,
    ),
    "open quote": (command(f'"{RUN} \'{BOTH}"'), BREAKS, "can be parted", FAILS),
    "variables": (command("python3 $program/score.py $input $output"), None, "", PASSES),
    "relative": (command(f"python3 score.py {BOTH}"), None, "", PASSES),
    "two spaces": (command(f"python3  /app/program/score.py {BOTH}"), None, "", PASSES),
    # the code
    "syntax error": (within(CODE, b"import json", b"import json ("), BREAKS, "line", FAILS),
    "syntax in the entry": (with_file("score.py", b"print 'x'"), BREAKS, "score.py: line 1", FAILS),
    "no module": (without_file("challenge/metrics/psnr.py"), BREAKS, "metrics.psnr", FAILS),
    "no page": (without_file("challenge/server/page.py"), BREAKS, "server.page", FAILS),
    "no package": (without_file("challenge/metrics/__init__.py"), None, "", PASSES),
    "torch": (within(CODE, b"import json", b"import torch, json"), BREAKS, "imports torch", FAILS),
    "other package": (within(CODE, b"import json", b"import json, yaml"), None, "", FAILS),
    "unused and broken": (with_file("notes.py", b"print 'x'"), None, "", PASSES),
    # its settings
    "no settings": (without_file("settings.json"), BREAKS, "settings.json", FAILS),
    "broken settings": (with_file("settings.json", b"{"), BREAKS, "settings.json", FAILS),
    "empty settings": (with_file("settings.json", b"{}"), BREAKS, "settings.json", FAILS),
    "settings a list": (with_file("settings.json", b"[]"), BREAKS, "settings.json", FAILS),
    "case": (key("psnr"), BREAKS, "did you mean PSNR?", UNSEEN),
    "no such column": (key("FLIP"), BREAKS, "a score called", UNSEEN),
    "no such metric": (within("settings.json", b'"ssim_3d"', b'"ssim_9d"'), None, "", FAILS),
    "another cap": (within("settings.json", b"100.0", b"50.0"), None, "", PASSES),
    # the references
    "no PNG": (
        lambda b: b.inner("reference_val.zip", lambda f: (f.clear(), f.update({"a.txt": b"x"}))),
        BREAKS,
        "sharp images",
        FAILS,
    ),
    "one PNG less": (reference(None), None, "", PASSES),
    "16 bit": (reference(sixteen_bits()), BREAKS, "16-bit RGB", FAILS),
    "grey": (reference(encoded(BLACK[:, :, 0])), BREAKS, "8-bit grey", FAILS),
    "alpha": (reference(encoded(np.zeros((24, 32, 4), np.uint8))), BREAKS, "with alpha", FAILS),
    "jpeg": (reference(encoded(BLACK, "JPEG")), BREAKS, "a JPEG", FAILS),
    "cut": (cut, BREAKS, "cut off", FAILS),
    "empty file": (reference(b""), BREAKS, "an empty file", FAILS),
    "hidden": (reference(b"x", "._park_00000.png"), None, "", PASSES),
    "a list beside them": (
        lambda b: b.inner("reference_val.zip", lambda f: f.update({"names.txt": b"x"})),
        None,
        "",
        PASSES,
    ),
    # the zips
    "reference in a folder": (nested("reference_val.zip"), BREAKS, "all in folders", FAILS),
    "program in a folder": (nested("scoring_program.zip"), BREAKS, "all in folders", FAILS),
    "kit in a folder": (nested("starting_kit.zip"), None, "", PASSES),
    "empty reference": (empty("reference_val.zip"), BREAKS, "files in it", FAILS),
    "empty program": (empty("scoring_program.zip"), BREAKS, "files in it", FAILS),
    "empty kit": (empty("starting_kit.zip"), DOUBT, "files in it", PASSES),
    "damaged reference": (bytes_of("reference_val.zip", flip), BREAKS, "a whole zip", FAILS),
    "damaged program": (bytes_of("scoring_program.zip", flip), BREAKS, "a whole zip", FAILS),
    "cut reference": (bytes_of("reference_val.zip", halve), BREAKS, "a whole zip", FAILS),
    "cut program": (bytes_of("scoring_program.zip", halve), BREAKS, "a whole zip", FAILS),
    "cut kit": (bytes_of("starting_kit.zip", halve), DOUBT, "a whole zip", PASSES),
    "no zip": (bytes_of("scoring_program.zip", bytearray.clear), BREAKS, "a whole zip", FAILS),
}
CODALAB: dict[str, Case] = {
    "nothing changed": (lambda bundle: None, None, "", PASSES),
    "two spaces": (
        command("python  $program/score.py $input $output", "metadata"),
        BREAKS,
        "single spaces",
        FAILS,
    ),
    "no metadata": (without_file("metadata"), BREAKS, "metadata at its root", FAILS),
    "no metadata.yaml": (without_file("metadata.yaml"), None, "", PASSES),
    "cd first": (
        command("cd $program && python score.py $input $output", "metadata"),
        BREAKS,
        "no shell",
        FAILS,
    ),
    "no arguments": (command("python $program/score.py", "metadata"), BREAKS, "folders", FAILS),
    "no image": (
        lambda b: b.edit(lambda y: y.pop("competition_docker_image")),
        BREAKS,
        "Python 3.7 or older",
        UNSEEN,
    ),
    "case": (
        lambda b: b.edit(
            lambda y: y["leaderboard"]["columns"].update(
                psnr=y["leaderboard"]["columns"].pop("PSNR")
            )
        ),
        BREAKS,
        "did you mean PSNR?",
        UNSEEN,
    ),
    "syntax error": (within(CODE, b"import json", b"import json ("), BREAKS, "line", FAILS),
    "16 bit": (reference(sixteen_bits()), BREAKS, "16-bit RGB", FAILS),
}
CASES = [("codabench", name) for name in CODABENCH] + [("codalab", name) for name in CODALAB]
RANK = (DOUBT, BREAKS, REFUSED)


@pytest.mark.parametrize(("platform", "name"), CASES)
def test_linter_and_self_test_agree_on_a_mutation(
    changed: Make,
    isolated_python: Path,
    competition: Path,
    tmp_path: Path,
    platform: str,
    name: str,
) -> None:
    change, verdict, said, tried = (CODABENCH if platform == "codabench" else CODALAB)[name]
    path = changed(platform, change)
    findings = lint_bundle(path, now=NOW)
    worst = max((finding.kind for finding in findings), key=RANK.index, default=None)
    assert worst == verdict, findings
    if verdict:
        assert any(said in str(each) for each in findings if each.kind == verdict), findings
    if tried == UNSEEN:
        return
    blurry = {"reference_val.zip": competition / "val" / "blur"}
    trial = next(self_test(path, isolated_python, tmp_path / "run", blurry))
    assert bool(trial.problems) == (tried == FAILS), trial.problems
    assert tried == FAILS or trial.blurry is not None


def test_another_organisers_program_is_not_held_to_ours(
    light: Mapping[str, Mapping[str, bytes]], configured: Make
) -> None:
    """Tables as references, an image of their own, a command without arguments."""
    values = yaml.safe_load(light["codabench"]["competition.yaml"])
    values["docker_image"] = "python:3.8"
    for text in (
        b"command: python3 score.py",
        b"command: python3 -m score",
        b"command: bash -c 'cd /app/program && python3 score.py'",
        b"command: Rscript /app/program/score.R",
    ):

        def change(bundle: Any, text: bytes = text) -> None:
            bundle.files["competition.yaml"] = yaml.safe_dump(values).encode()
            bundle.program(lambda files: files.update({"metadata": text}))

        assert lint_bundle(configured("codabench", change), now=NOW) == []


def test_a_script_that_reads_arguments_needs_them(configured: Make) -> None:
    source = {"score.py": b"import sys\nopen(sys.argv[1])", "metadata": b"command: python score.py"}
    path = configured("codabench", lambda b: b.program(lambda files: files.update(source)))
    (finding,) = lint_bundle(path, now=NOW)
    assert finding.kind == BREAKS and "which the script reads" in finding.expected
