"""A bundle's scoring program: its command, the modules it imports, its settings, its image."""

from __future__ import annotations

import re
import shlex
import zipfile
from collections.abc import Iterator, Sequence

import yaml

from challenge.errors import ConfigError
from challenge.findings import Finding
from challenge.hosting.lint_findings import breaks, doubt, meant, read_text, shown
from challenge.hosting.lint_imports import import_faults
from challenge.server.settings import SETTINGS_FILE, Settings, parse_settings
from challenge.zips import UNREADABLE

KITS_FOLDER = "challenge/server/"
LOWEST_PYTHON = (3, 10)
PLATFORM_IMAGE = "codalab/codalab-legacy"
NOT_IN_IT = frozenset({"torch", "torchvision", "lpips", "cv2", "skimage", "timm"})
"""Packages that images of the platforms' own (PLATFORM_IMAGE) do not hold."""
SHELL = frozenset({"&&", "||", ";", "|", ">", "<", ">>", "&", "cd", "source", "export"})
INPUT_OUTPUT = (("$input", "$output"), ("/app/input", "/app/output"))
READS_ARGUMENTS = re.compile(rb"sys\.argv\[1\]|add_argument\(\s*[\"'][a-z]")
IMAGE_NAME = re.compile(r"[a-z0-9][a-z0-9./_:-]*(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?")
OFFICIAL_PYTHON = re.compile(r"(?:docker\.io/)?(?:library/)?python(?::(\d+)(?:\.(\d+))?.*)?")


def is_the_kits(files: Sequence[str]) -> bool:
    """Whether a scoring program is this kit's, so that all it needs is known."""
    return any(file.startswith(KITS_FOLDER) for file in files)


def program_findings(
    inner: zipfile.ZipFile, name: str, v1: bool, image: str | None, columns: Sequence[str]
) -> Iterator[Finding]:
    """Find what keeps a scoring program from running, or its scores from being shown.

    Args:
        inner: the program's zip, called `name` in the bundle.
        v1: a bundle for CodaLab v1, which reads `metadata`; Codabench prefers `metadata.yaml`.
        image: Docker image it runs in; None: the platform's default.
        columns: keys of the leaderboard.
    """
    files = inner.namelist()
    present = [file for file in ("metadata.yaml", "metadata") if file in files]
    if not present or (v1 and "metadata" not in files):
        fix = "add a file `metadata` with `command: python $program/score.py $input $output`"
        yield breaks("metadata at its root", ", ".join(present) or "none", fix, name)
    for metadata in present if v1 else present[:1]:
        yield from _metadata(inner, name, metadata, v1 and metadata == "metadata")
    entry = _script(inner, present)
    for each in import_faults(inner, entry) if entry else ():
        if each.package is None:
            found = f"{each.file}: {each.fault}"
            yield breaks("a program that can be imported", found, "mend or add the file", name)
        elif _is_platforms(image) and each.package in NOT_IN_IT:
            wanted = f"only packages of {image or PLATFORM_IMAGE}"
            yield breaks(wanted, f"{each.file}: {each.fault}", "take an image that has it", name)
    yield from _image(image, is_the_kits(files), v1)
    if is_the_kits(files):
        yield from _settings(inner, name, image, columns)


# --- the command ---------------------------------------------------------------------------------


def _metadata(inner: zipfile.ZipFile, name: str, file: str, codalab: bool) -> Iterator[Finding]:
    try:
        values = yaml.safe_load(read_text(inner, file))
    except (yaml.YAMLError, RecursionError, *UNREADABLE) as error:
        found = f"no YAML: {' '.join(str(error).split())}"
        yield breaks(f"{file}: `command: …`", found, "mend its syntax", name)
        return
    command = values.get("command") if isinstance(values, dict) else None
    if not isinstance(command, str) or not command.strip():
        fix = "write `command: python3 /app/program/score.py /app/input /app/output`"
        yield breaks(f"{file}: `command: …`", shown(values), fix, name)
        return
    for expected, fix in _command_faults(command, inner, codalab):
        yield breaks(f"{file}: {expected}", shown(command), fix, name)


def _words(command: str, codalab: bool) -> list[str]:
    """Part a command as the platform does: neither runs a shell.

    Raises:
        ValueError: a quote that does not end.
    """
    return command.split(" ") if codalab else shlex.split(command)


def _command_faults(
    command: str, inner: zipfile.ZipFile, codalab: bool
) -> Iterator[tuple[str, str]]:
    """Yield (what was expected, how to mend it)."""
    try:
        words = _words(command, codalab)
    except ValueError as error:
        yield "a command that can be parted", f"mend it: {error}"
        return
    if codalab and "" in words:
        yield "single spaces", "CodaLab v1 splits at each space: write one"
        words = [word for word in words if word]
    if words[0] in ("sh", "bash") and "-c" in words and not codalab:
        return  # a shell of its own
    if "=" in words[0] or any(word in SHELL or word.endswith(";") for word in words):
        yield "one program and its arguments", "leave `cd`, `&&` and the like out: no shell runs it"
        return
    if words[0].rpartition("/")[2].startswith("python2"):
        yield "Python 3", "write python3"
    if not words[0].rpartition("/")[2].startswith("python") or {"-m", "-c"} & set(words):
        return
    place = next((at for at, word in enumerate(words[1:], 1) if not word.startswith("-")), 0)
    script = _in_program(words[place]) if place else ""
    if script not in inner.namelist():
        yield "a command that runs a file of the program", "name one of its files"
        return
    yield from _argument_faults(tuple(words[place + 1 :]), script, inner)


def _argument_faults(
    arguments: tuple[str, ...], script: str, inner: zipfile.ZipFile
) -> Iterator[tuple[str, str]]:
    if is_the_kits(inner.namelist()):
        if arguments not in INPUT_OUTPUT:
            yield "a command that ends in the two folders", "write `… $input $output` at its end"
    elif not arguments and READS_ARGUMENTS.search(read_text(inner, script)):
        yield "arguments, which the script reads", "write `… /app/input /app/output` at its end"


def _in_program(word: str) -> str:
    for folder in ("$program/", "/app/program/", "./"):
        word = word.removeprefix(folder)
    return word


def _script(inner: zipfile.ZipFile, present: Sequence[str]) -> str | None:
    """Find the Python file that the command runs."""
    for file in present:
        try:
            words = str(yaml.safe_load(read_text(inner, file))["command"]).split()
        except (yaml.YAMLError, TypeError, KeyError, RecursionError, *UNREADABLE):
            continue
        for word in map(_in_program, words):
            if word.endswith(".py") and word in inner.namelist():
                return word
    return None


# --- image and settings --------------------------------------------------------------------------


def _is_platforms(image: str | None) -> bool:
    return not image or image.startswith(PLATFORM_IMAGE)


def _image(image: str | None, kit: bool, v1: bool) -> Iterator[Finding]:
    key = "competition_docker_image" if v1 else "docker_image"
    wanted = f"{key}: an image with Python 3.10 or newer, numpy and Pillow"
    fix = f"write `{key}: {PLATFORM_IMAGE}:py312`"
    if not image:
        found = "none: the platform's default has Python 3.7 or older"
        yield (breaks if kit else doubt)(wanted, found, fix)
        return
    if not IMAGE_NAME.fullmatch(image):
        yield breaks(f"{key}: the name of a Docker image", shown(image), fix)
        return
    if not kit:
        return
    if _is_platforms(image):
        version = re.search(r":[a-z]+(\d)(\d{1,2})$", image)  # py312, gpu310; others are older
        if version is None or tuple(map(int, version.groups())) < LOWEST_PYTHON:
            yield breaks(wanted, shown(image), fix)
    elif OFFICIAL_PYTHON.fullmatch(image):
        yield breaks(wanted, f"{shown(image)}, which has neither numpy nor Pillow", fix)


def _settings(
    inner: zipfile.ZipFile, name: str, image: str | None, columns: Sequence[str]
) -> Iterator[Finding]:
    fix = "make the bundle again with `bash run.sh bundle`"
    if SETTINGS_FILE not in inner.namelist():
        yield breaks(f"{SETTINGS_FILE} at its root", "none", fix, name)
        return
    try:
        settings = parse_settings(read_text(inner, SETTINGS_FILE))
    except (ConfigError, *UNREADABLE) as error:
        yield breaks(f"{SETTINGS_FILE} that can be read", str(error), fix, name)
        return
    keys = [column.key for column in settings.columns]
    for column in columns:
        if column not in keys:
            found = f"{', '.join(map(shown, keys))}"
            reason = meant(column, keys) + " Upper and lower case count"
            yield breaks(f"a score called {shown(column)}", found, reason, name)
    yield from _lpips(settings, inner, name, image)


def _lpips(
    settings: Settings, inner: zipfile.ZipFile, name: str, image: str | None
) -> Iterator[Finding]:
    for net in settings.lpips_nets:
        if _is_platforms(image):
            fix = "take an image that has them, or leave the column out"
            yield breaks("an image with torch and lpips for LPIPS", shown(image), fix)
        if f"weights/lpips_{net}.pth" not in inner.namelist():
            fix = "`bash run.sh weights`, then make the bundle again"
            yield breaks(f"weights/lpips_{net}.pth for LPIPS", "none", fix, name)
