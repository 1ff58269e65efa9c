"""`readme.txt` of a submission: written from the run's record, read by the server's own rule.

The server keeps the lines that hold a `:`, takes what follows the first `:` of each, and reads them
by position (the usual template: float, int, int, text). What does not parse silently becomes -1.
"""

from __future__ import annotations

import math
import re
import string
from collections.abc import Callable
from dataclasses import dataclass

from challenge.errors import ConfigError
from challenge.findings import Finding

FILE_NAME = "readme.txt"
NUMBERS: dict[str, tuple[str, Callable[[str], float]]] = {
    "runtime": ("seconds, a plain number such as 10.43", float),
    "cpu": ("1 (CPU) or 0 (GPU)", int),
    "extra_data": ("1 (extra data) or 0 (none)", int),
    "llm": ("1 (a language model helped) or 0 (none)", int),
}
DESCRIPTION = "description"
NO_DESCRIPTION = "none"
GPU_WORDS = re.compile(r"(?<![a-z])(gpus?|cuda|geforce|rtx|gtx|quadro|tesla)(?![a-z])", re.I)
CPU_WORDS = re.compile(
    r"(?<![a-z])(cpus?|xeon|epyc|ryzen|threadripper|pentium|celeron)(?![a-z])"
    r"|(?<![a-z])core(\(tm\))?[ -](i\d|m\d|\d|ultra)",
    re.I,
)


@dataclass(frozen=True)
class Readme:
    """What `readme.txt` tells the organisers."""

    runtime: float  # seconds per image, restoring alone
    cpu: int  # 1: measured on a CPU, 0: on a GPU
    extra_data: int  # 1: trained on more than the challenge's own data
    description: str = ""
    llm: int = 0  # 1: uses a large language model; newer templates ask


def is_cpu(device: str) -> bool:
    """Say whether a device of this name is a CPU; what is called neither counts as a GPU.

    >>> is_cpu("Intel CPU"), is_cpu("AMD Ryzen 7 with Radeon Graphics"), is_cpu("NVIDIA A100")
    (True, True, False)
    """
    return not GPU_WORDS.search(device) and bool(CPU_WORDS.search(device))


def write_readme(template: str, readme: Readme) -> str:
    """Fill the template; the description becomes one line, since a second would shift the rest.

    Raises:
        ConfigError: the template has a placeholder other than `runtime`, `cpu`, `extra_data`, `llm`
            and `description`, or no `runtime`.
    """
    fields = template_fields(template)
    unknown = [name for name in fields if name not in (*NUMBERS, DESCRIPTION, "")]
    if unknown or "runtime" not in fields:
        problem = f"unknown {{{unknown[0]}}}" if unknown else "no {runtime} after a `:`"
        raise ConfigError(
            f"readme template of the rules: {problem}; each line reads `label : {{placeholder}}`, "
            "with runtime, cpu, extra_data, llm, description"
        )
    try:
        return template.format(
            runtime=readme.runtime,
            cpu=readme.cpu,
            extra_data=readme.extra_data,
            llm=readme.llm,
            description=one_line(readme.description) or NO_DESCRIPTION,
        )
    except (ValueError, LookupError) as error:
        raise ConfigError(f"readme template of the rules cannot be filled: {error}") from error


def one_line(text: str) -> str:
    """Make one line: white space and line ends become one space each, control characters go."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())


def template_fields(template: str) -> list[str]:
    """Return the placeholder in each line that the server reads, in order; "" for fixed text."""
    return [
        next((name for _, name, _, _ in string.Formatter().parse(value) if name), "")
        for value in server_values(template)
    ]


def server_values(text: str) -> list[str]:
    """Return the values as the server takes them: all after the first `:` of each line that has
    one.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [line.split(":", 1)[1].strip() for line in lines if ":" in line]


def check_readme(text: str, template: str) -> list[Finding]:
    """Find every value of `readme.txt` that the server would not read as the template means it."""
    values = server_values(text)
    labels = [line.split(":", 1)[0].strip() for line in template.splitlines() if ":" in line]
    findings = []
    for position, (label, field) in enumerate(zip(labels, template_fields(template), strict=True)):
        value = values[position] if position < len(values) else None
        if value is not None and _parses(field, value):
            continue
        what = NUMBERS[field][0] if field in NUMBERS else "text"
        found = "no such line" if value is None else repr(value)
        place = f"line {position + 1} with a `:` ({label})"
        fix = f"write `{label} : VALUE` there: lines count by position, the label is not read"
        findings.append(Finding("readme", FILE_NAME, f"{what} in {place}", found, fix))
    return findings


def readme_differences(text: str, template: str, readme: Readme) -> list[str]:
    """List placeholders whose value in `text`, read as the server does, is not that in `readme`.

    The runtime may be rounded by the template: half a percent or 0.005 s are allowed.
    """
    values = server_values(text)
    different = []
    for position, field in enumerate(template_fields(template)):
        value = values[position] if position < len(values) else ""
        if field == DESCRIPTION:
            same = value == (one_line(readme.description) or NO_DESCRIPTION)
        elif not _parses(field, value):
            same = False
        elif field == "runtime":
            same = math.isclose(float(value), readme.runtime, rel_tol=5e-3, abs_tol=5.001e-3)
        else:
            same = field not in NUMBERS or int(value) == getattr(readme, field)
        if not same:
            different.append(field or f"line {position + 1}")
    return different


def _parses(field: str, value: str) -> bool:
    if field not in NUMBERS:
        return True
    try:
        number = NUMBERS[field][1](value)
    except ValueError:
        return False
    return math.isfinite(number) and number >= 0 if field == "runtime" else number in (0, 1)
