"""The scoring program as a zip: the kit's own files, verbatim, and the settings of the rules."""

from __future__ import annotations

import ast
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from challenge import REPOSITORY
from challenge.errors import ConfigError
from challenge.files import add_to_zip, write_whole
from challenge.metrics.profiles import find_profile
from challenge.rules import Rules
from challenge.rules.hosting import Hosting, hosting_problems
from challenge.server.program import SETTINGS_FILE

ENTRY = "challenge.server.program"
COMMANDS = {
    "metadata": "command: python $program/score.py $input $output\n",  # CodaLab v1
    "metadata.yaml": "command: python3 /app/program/score.py /app/input /app/output\n",
}
"""CodaLab v1 reads the first and puts the paths in; Codabench prefers the second."""
Content = Mapping[str, bytes | Path]
"""Name in a zip -> its bytes, or the file that has them."""


def scoring_program(rules: Rules) -> dict[str, bytes]:
    """Return every file of the scoring program: `score.py`, `metadata`, settings, and what they
    import.

    Raises:
        ConfigError: a column or the profile of the rules cannot be used.
    """
    settings = {
        "title": hosting_of(rules).title,
        "profile": asdict(find_profile(rules.profile, rules.all_profiles)),
        "readme": rules.readme,
        "columns": [(column.key, column.value) for column in hosting_of(rules).columns],
    }
    files = {name: text.encode("ascii") for name, text in COMMANDS.items()}
    files["score.py"] = (REPOSITORY / "challenge" / "server" / "score.py").read_bytes()
    files[SETTINGS_FILE] = (json.dumps(settings, indent=2) + "\n").encode("ascii")
    for path in imported_files(ENTRY):
        files[path.relative_to(REPOSITORY).as_posix()] = path.read_bytes()
    return files


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
    if problems := hosting_problems(rules.hosting):
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
