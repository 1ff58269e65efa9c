"""The shape of the house: the ladder of folders, sizes, who names the data's layout."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("challenge", "baselines", "leaderboard")
LADDER = (  # of `challenge`, ground first: a unit imports from its own rung or from one below
    ("environment", "errors", "files", "zips"),
    ("cli", "config", "findings", "parts"),
    ("events", "images", "light", "metrics", "runs"),
    ("representations", "rules", "sample"),
    ("datasets", "download", "simulation"),
    ("importers",),
    ("submission",),
    ("scoring", "server"),
    ("hosting",),
    ("commands",),
    ("doctor", "make_submission", "prepare_data", "score_predictions"),  # the doors
)
MOST_ROOT_FILES = 18
LONGEST_FUNCTION = 60
OWN_THE_LAYOUT = ("challenge/datasets", "challenge/importers", "challenge/simulation")
LAYOUT = re.compile(r"(?<![\w/])(blur|sharp|event)/|/(blur|sharp|event)(?!\w)")
FOLDERS = {"blur", "sharp", "event"}


def modules(source: str) -> Iterator[str]:
    """Every module or name of a module that a source text imports from, anywhere in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def unit_graph(root: Path) -> dict[str, set[str]]:
    """Folder or root file of `root/challenge` -> those that it imports from."""
    package = root / "challenge"
    paths = [path for path in package.rglob("*.py") if path != package / "__init__.py"]
    graph: dict[str, set[str]] = {
        path.relative_to(package).parts[0].removesuffix(".py"): set() for path in paths
    }
    for path in paths:
        unit = path.relative_to(package).parts[0].removesuffix(".py")
        for module in modules(path.read_text(encoding="utf-8")):
            first, _, rest = module.partition(".")
            other = rest.split(".")[0]
            if first == "challenge" and other in graph and other != unit:
                graph[unit].add(other)
    return graph


def arrows_up(graph: dict[str, set[str]], ladder: tuple[tuple[str, ...], ...]) -> list[str]:
    """`unit imports other` for every import that does not point down, and units without a rung."""
    rung = {unit: height for height, units in enumerate(ladder) for unit in units}
    return [f"{unit} has no rung in the ladder" for unit in sorted(graph) if unit not in rung] + [
        f"{unit} imports {other}"
        for unit, others in sorted(graph.items())
        for other in sorted(others)
        if rung.get(other, 0) > rung.get(unit, 0)
    ]


def circles(graph: dict[str, set[str]]) -> list[str]:
    """Units that can be reached from themselves."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = list(graph[start])
        while waiting:
            unit = waiting.pop()
            if unit not in seen:
                seen.add(unit)
                waiting += graph[unit]
        return seen

    return sorted(unit for unit in graph if unit in reached(unit))


def root_files(root: Path) -> int:
    """How many Python files lie at the root of `challenge`."""
    return len(list((root / "challenge").glob("*.py")))


def long_functions(root: Path, most: int) -> list[str]:
    """`file: function: lines` of those that are longer than `most`."""
    return [
        f"{path.relative_to(root)}: {node.name}: {length}"
        for package in PACKAGES
        for path in sorted((root / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > most
    ]


def layout_named(source: str) -> list[str]:
    """What a source text says about the folders of a split: paths in texts, `/ "sharp"`."""
    named = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            right = node.right
            if isinstance(right, ast.Constant) and right.value in FOLDERS:
                named.append(str(right.value))
        elif isinstance(node, ast.Call):
            texts = [each.value for each in node.args if isinstance(each, ast.Constant)]
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in ("Path", "joinpath"):
                named += [str(text) for text in texts if text in FOLDERS]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            named += [found.group() for found in LAYOUT.finditer(node.value)]
    return named


def strangers_to_the_layout(root: Path) -> list[str]:
    """`file: what it names` outside of the folders that own the layout."""
    return [
        f"{path.relative_to(root).as_posix()}: {', '.join(named)}"
        for package in PACKAGES
        for path in sorted((root / package).rglob("*.py"))
        if not path.relative_to(root).as_posix().startswith(OWN_THE_LAYOUT)
        and (named := layout_named(path.read_text(encoding="utf-8")))
    ]


def test_imports_between_the_folders_of_challenge_point_down() -> None:
    graph = unit_graph(ROOT)
    assert len(graph) > 15
    assert arrows_up(graph, LADDER) == []


def test_no_circle_between_the_folders_of_challenge() -> None:
    assert circles(unit_graph(ROOT)) == []


def test_the_root_of_challenge_is_small() -> None:
    assert 1 < root_files(ROOT) <= MOST_ROOT_FILES


def test_no_function_is_too_long() -> None:
    assert long_functions(ROOT, LONGEST_FUNCTION) == []


def test_the_layout_of_the_data_is_named_by_its_owners_only() -> None:
    assert strangers_to_the_layout(ROOT) == []


def private_names(source: str) -> list[str]:
    """Private names of other modules that a source text uses: `module._name`, `import _name`."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and re.match(r"_[a-z]", node.attr):
            own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            found += [] if own else [node.attr]
        elif isinstance(node, ast.ImportFrom):
            found += [alias.name for alias in node.names if re.match(r"_[a-z]", alias.name)]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "setattr":
            texts = [each.value for each in node.args if isinstance(each, ast.Constant)]
            found += [str(text) for text in texts if re.search(r"(^|\.)_[a-z]", str(text))]
    return found


def test_tests_reach_for_public_names_only() -> None:
    reached = {
        path.relative_to(ROOT).as_posix(): names
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if (names := private_names(path.read_text(encoding="utf-8")))
    }
    assert reached == {}


# --- controls: each of these checks can fail ----------------------------------------------------


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """`challenge/low`, `challenge/high` and `challenge/roof.py`, which import downwards."""
    for package in PACKAGES:
        (tmp_path / package).mkdir()
    for folder, text in (("low", "import numpy"), ("high", "from challenge.low import a")):
        (tmp_path / "challenge" / folder).mkdir()
        (tmp_path / "challenge" / folder / "a.py").write_text(text)
    (tmp_path / "challenge" / "roof.py").write_text("def f():\n    from challenge import high\n")
    return tmp_path


def test_control_an_arrow_up_and_a_circle_are_found(house: Path) -> None:
    ladder = (("low",), ("high",), ("roof",))
    graph = unit_graph(house)
    assert graph == {"low": set(), "high": {"low"}, "roof": {"high"}}
    assert arrows_up(graph, ladder) == [] and circles(graph) == []
    (house / "challenge" / "low" / "b.py").write_text("def f():\n    import challenge.high.a\n")
    graph = unit_graph(house)
    assert arrows_up(graph, ladder) == ["low imports high"]
    assert circles(graph) == ["high", "low"]
    assert arrows_up(graph, ladder[:2])[0] == "roof has no rung in the ladder"


def test_control_every_file_at_the_root_counts(house: Path) -> None:
    assert root_files(house) == 1
    (house / "challenge" / "shed.py").touch()
    assert root_files(house) == 2


def test_control_a_long_function_is_found(house: Path) -> None:
    (house / "baselines" / "x.py").write_text("def f():\n" + "    pass\n" * 5)
    assert long_functions(house, 6) == []
    assert long_functions(house, 5) == ["baselines/x.py: f: 6"]


@pytest.mark.parametrize(
    "line",
    [
        'sharp = root / split / "sharp"',
        'names = Path("blur")',
        'files = root.joinpath(split, "event")',
        'text = f"{root}/val/sharp/x.png"',
        'pattern = "*/blur/*.png"',
    ],
)
def test_control_who_names_the_layout_is_found(house: Path, line: str) -> None:
    assert strangers_to_the_layout(house) == []
    for place in ("challenge/low", "challenge/datasets"):
        (house / place).mkdir(exist_ok=True)
        (house / place / "x.py").write_text(
            f'from pathlib import Path\n{line}\n"the sharp image"\n'
        )
    (found,) = strangers_to_the_layout(house)
    assert found.startswith("challenge/low/x.py: ")


@pytest.mark.parametrize(
    "line",
    [
        "x = program._rows(1)",
        "from a import _b",
        'patch.setattr("a.b._c", 1)',
        'p.setattr(a, "_b", 1)',
    ],
)
def test_control_a_private_name_is_found(line: str) -> None:
    assert len(private_names(line)) == 1
    assert private_names("self._x = y.__name__; a.setattr(b, 'c', 1)") == []
