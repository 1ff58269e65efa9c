"""The scoring program as a zip: the kit's own files, verbatim, and the settings of the rules."""

from __future__ import annotations

import ast
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from challenge import REPOSITORY
from challenge.errors import ConfigError, DataError
from challenge.files import add_to_zip, write_whole
from challenge.metrics.profiles import find_profile
from challenge.metrics.weights import has_weights, weights_path
from challenge.rules import Rules
from challenge.rules.hosting import LPIPS, OF_A_PROFILE, Column, Hosting, hosting_problems
from challenge.server.settings import SETTINGS_FILE, Settings, Shown
from challenge.submission.readme import NUMBERS, template_fields

ENTRY = "challenge.server.program"
LPIPS_ENTRIES = ("challenge.metrics.lpips", "challenge.environment.torchvision_shim")
"""What the program imports where a column shows LPIPS."""
COMMANDS = {
    "metadata": "command: python $program/score.py $input $output\n",  # CodaLab v1
    "metadata.yaml": "command: python3 /app/program/score.py /app/input /app/output\n",
}
"""CodaLab v1 reads the first and puts the paths in; Codabench prefers the second."""
Content = Mapping[str, bytes | Path]
"""Name in a zip -> its bytes, or the file that has them."""


def scoring_program(rules: Rules, images: bool = True) -> dict[str, bytes]:
    """Return every file of the scoring program: `score.py`, `metadata`, settings, and what they
    import; the weights of LPIPS where a column shows it.

    Args:
        images: whether its page shows the figures of each image.

    Raises:
        ConfigError: a column or the profile of the rules cannot be used.
        DataError: an LPIPS column, and no weights on disk.
    """
    hosting = hosting_of(rules)
    nets = lpips_nets(hosting)
    if missing := [str(weights_path(net)) for net in nets if not has_weights(net)]:
        raise DataError("LPIPS needs weights; `bash run.sh weights` gets them", missing)
    settings = Settings(
        hosting.title, rules.readme, [_shown(rules, each) for each in hosting.columns], images
    )
    files = {name: text.encode("ascii") for name, text in COMMANDS.items()}
    files["score.py"] = (REPOSITORY / "challenge" / "server" / "score.py").read_bytes()
    files[SETTINGS_FILE] = (json.dumps(asdict(settings), indent=2) + "\n").encode("ascii")
    for module in (ENTRY, *LPIPS_ENTRIES) if nets else (ENTRY,):
        for path in imported_files(module):
            files[path.relative_to(REPOSITORY).as_posix()] = path.read_bytes()
    paths = map(weights_path, nets)
    return files | {f"weights/{path.name}": path.read_bytes() for path in paths}


def lpips_nets(hosting: Hosting) -> list[str]:
    """Return the networks whose LPIPS the columns show."""
    return [LPIPS[column.value] for column in hosting.columns if column.value in LPIPS]


def _shown(rules: Rules, column: Column) -> Shown:
    profile = None
    if column.value in OF_A_PROFILE:
        profile = find_profile(column.profile or rules.profile, rules.all_profiles)
    return Shown(column.key, column.value, profile, LPIPS.get(column.value), column.title)


def hosting_of(rules: Rules) -> Hosting:
    """Say what the rules say about hosting.

    Raises:
        ConfigError: nothing, or values that no platform could use (all of them).
    """
    if rules.hosting is None:
        raise ConfigError(
            f"rules {rules.name or '(no name)'}: expected a block `hosting:` with a title and "
            "phases, found none; configs/challenge/highrev.yml has an example"
        )
    problems = hosting_problems(rules.hosting)
    asked = template_fields(rules.readme)
    for column in rules.hosting.columns:
        if column.profile and column.profile not in rules.all_profiles:
            known = ", ".join(rules.all_profiles)
            problems.append(f"columns: {column.key}: profile: expected one of {known}")
        if column.value in NUMBERS and column.value not in asked:
            where = f"columns: {column.key}: {column.value}"
            problems.append(f"{where}: the rules' readme template does not ask for it")
    if problems:
        raise ConfigError(f"rules {rules.name or '(no name)'}: hosting cannot be used", problems)
    return rules.hosting


def imported_files(module: str, root: Path = REPOSITORY) -> list[Path]:
    """Find the files of `module` and of all the kit's modules that importing it imports, sorted.

    Imports inside functions and under `if TYPE_CHECKING` do not count.
    """
    found: dict[str, Path] = {}
    wanted = [module]
    while wanted:
        name = wanted.pop()
        path = _module_file(name, root)
        if path is None or name in found:
            continue
        found[name] = path
        wanted += _imports(path)
        wanted += [name.rpartition(".")[0]] * ("." in name)
    return sorted(set(found.values()))


def _module_file(name: str, root: Path) -> Path | None:
    """Find the file of one of the kit's modules; None for others, or for a mere name."""
    stem = root.joinpath(*name.split("."))
    files = (stem / "__init__.py", stem.with_suffix(".py"))
    return next((file for file in files if file.is_file()), None)


def _imports(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def write_zip(path: Path, content: Content) -> None:
    """Write a zip, whole or not at all; the same content in the same order, the same bytes."""
    with write_whole(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, source in content.items():
            add_to_zip(archive, name, source)
