"""Whether a zipped program can be imported: its syntax, and the modules that it names."""

from __future__ import annotations

import ast
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

from challenge.hosting.lint_findings import read_text


@dataclass(frozen=True)
class ImportFault:
    """Something that importing a program runs into.

    Attributes:
        package: one that the image would have to hold; None: the fault is the program's own.
    """

    file: str
    fault: str
    package: str | None = None


def import_faults(archive: zipfile.ZipFile, entry: str) -> Iterator[ImportFault]:
    """Follow the imports from the file `entry`.

    In `entry` every import counts, elsewhere those at the top level: others may never happen.
    """
    files = set(archive.namelist())
    wanted, done = [entry], set()
    while wanted:
        file = wanted.pop()
        if file in done:
            continue
        done.add(file)
        tree = _parse(archive, file)
        if isinstance(tree, str):
            yield ImportFault(file, tree)
            continue
        for module, name in _imports(tree, everywhere=file == entry):
            path, inner = _module(module, files), _module(f"{module}.{name}", files)
            if path is None and inner is None:
                yield from _outside(file, module, files)
                continue
            wanted += _parents(f"{module}.{name}", files)
            if inner:
                wanted.append(inner)
            elif (
                path
                and name != "*"
                and path.endswith("/__init__.py")
                and not _binds(archive, path, name)
            ):
                yield ImportFault(file, f"imports {module}.{name}, which is not in the zip")


def _parse(archive: zipfile.ZipFile, file: str) -> ast.Module | str:
    """Return the module, or what is wrong with it."""
    try:
        return ast.parse(read_text(archive, file))
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError) as error:
        return str(error)


def _imports(tree: ast.Module, everywhere: bool) -> Iterator[tuple[str, str]]:
    """Yield (module, name taken from it); the name is `*` where the module itself is meant."""
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            yield from ((alias.name, "*") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.module, alias.name) for alias in node.names)


def _outside(file: str, module: str, files: set[str]) -> Iterator[ImportFault]:
    """Report a module that is not in the zip, unless Python itself has it."""
    top = module.partition(".")[0]
    if f"{top}.py" in files or any(each.startswith(f"{top}/") for each in files):
        yield ImportFault(file, f"imports {module}, which is not in the zip")
    elif top not in sys.stdlib_module_names:
        yield ImportFault(file, f"imports {top}", top)


def _module(module: str, files: set[str]) -> str | None:
    stem = module.replace(".", "/")
    return next((file for file in (f"{stem}/__init__.py", f"{stem}.py") if file in files), None)


def _parents(module: str, files: set[str]) -> list[str]:
    parts = module.split(".")
    found = (_module(".".join(parts[:count]), files) for count in range(1, len(parts)))
    return [file for file in found if file]


def _binds(archive: zipfile.ZipFile, file: str, name: str) -> bool:
    """Whether a package's `__init__.py` gives a value to a name."""
    tree = _parse(archive, file)
    if isinstance(tree, str):
        return True  # its own fault is reported
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name for alias in node.names}
    return name in names
