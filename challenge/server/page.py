"""`detailed_results.html`: one page that needs nothing else, all text of others escaped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import PurePath

from challenge.findings import Finding
from challenge.sample import sequence_of

SHOWN_PER_KIND = 20
LONGEST = 300
"""Characters of a participant's own text that are shown."""
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2433; background: #fff; max-width: 60rem;
       margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } thead th { border-bottom: 2px solid #1d2433; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #d9dee8;
         vertical-align: top; overflow-wrap: anywhere; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.bar { width: 25%; } .bar div { background: #3d6fb4; height: .7rem; margin-top: .35rem; }
.bad { color: #a3241c; } .note { color: #5a6475; } code { background: #f0f2f6; padding: 0 .2rem; }
"""


def refusal(title: str, findings: Sequence[Finding]) -> str:
    """Write the page of a submission that was not scored: every finding, and what to do."""
    errors = [finding for finding in findings if finding.level == "error"]
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        kinds.setdefault(finding.kind, []).append(finding)
    rows = []
    for kind, group in kinds.items():
        rows += [
            [finding.file, finding.expected, finding.found, finding.fix]
            for finding in group[:SHOWN_PER_KIND]
        ]
        if len(group) > SHOWN_PER_KIND:
            more = f"... and {len(group) - SHOWN_PER_KIND} more like this ({kind})"
            rows.append([more, "", "", ""])
    count = f"{len(errors)} fault" + "s" * (len(errors) != 1)
    return _page(
        title,
        f'<h1 class="bad">Not scored: {count} in the submission</h1>',
        html_table(["File", "Expected", "Found", "What to do"], rows, text=_text),
        _advice(),
    )


def failure(title: str, summary: str, problems: Sequence[str] = ()) -> str:
    """Write the page of a scoring that ended early."""
    items = "".join(f"<li>{_text(problem)}</li>" for problem in problems)
    return _page(
        title, f'<h1 class="bad">Not scored: {_text(summary)}</h1>', f"<ul>{items}</ul>", _advice()
    )


def success(
    title: str,
    description: str,
    row: Mapping[str, float],
    images: int,
    heads: Mapping[str, str],
    scores: Mapping[str, Mapping[str, float]] | None,
) -> str:
    """Write the page of a scored submission.

    Args:
        description: of the figures, in one line.
        row: the leaderboard's columns.
        images: how many were scored.
        heads: key of each column with a figure for each image -> its title.
        scores: file name of each image -> key -> figure; None: they are not published.
    """
    note = f"{description}; means over {images} images." if description else ""
    parts = [
        "<h1>Scored</h1>",
        f'<p class="note">{_text(note)}</p>',
        html_table(row, [[f"{value:.6g}" for value in row.values()]], text=_text),
    ]
    if scores is None:
        parts.append('<p class="note">The figures of single images are not published.</p>')
        return _page(title, *parts)
    titles = list(heads.values())
    return _page(
        title,
        *parts,
        '<p class="note">Bars: the first figure, from the worst to the best.</p>',
        "<h2>By sequence</h2>",
        _figures(["Sequence (images)", *titles], _by_sequence(list(heads), scores)),
        "<h2>By image</h2>",
        _figures(["Image", *titles], scores),
    )


def _by_sequence(
    keys: Sequence[str], scores: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, float]]:
    groups: dict[str, list[Mapping[str, float]]] = {}
    for name, figures in scores.items():
        groups.setdefault(sequence_of(PurePath(name).stem), []).append(figures)
    return {
        f"{name} ({len(group)})": {
            key: sum(figures[key] for figures in group) / len(group) for key in keys
        }
        for name, group in groups.items()
    }


def _figures(heads: Sequence[str], table: Mapping[str, Mapping[str, float]]) -> str:
    """Write a row for each name; the bar is the first metric, from the worst to the best."""
    first = [next(iter(figures.values())) for figures in table.values()]
    low, span = min(first), (max(first) - min(first)) or 1.0
    rows: list[list[str]] = []
    for (name, figures), value in zip(table.items(), first, strict=True):
        numbers = [Cell(f'<td class="number">{figure:.4f}</td>') for figure in figures.values()]
        width = 10 + 90 * (value - low) / span
        bar = Cell(f'<td class="bar"><div style="width: {width:.0f}%"></div></td>')
        rows.append([name, *numbers, bar])
    titles = [Cell(f'<th class="number">{_text(text)}</th>') for text in heads[1:]]
    return html_table([heads[0], *titles, ""], rows, text=_text)


class Cell(str):
    """A whole cell of a table, tags and all: it is written as it is."""


def html_table(
    heads: Iterable[str],
    rows: Iterable[Iterable[str]],
    attributes: str = "",
    text: Callable[[str], str] = escape,
) -> str:
    """Write a table in HTML.

    Args:
        heads, rows: text, passed through `text`; a `Cell` stays as it is.
        attributes: of the table, such as ` class="ui table"`.
        text: makes HTML of what others wrote.
    """

    def line(tag: str, cells: Iterable[str]) -> str:
        written = (
            cell if isinstance(cell, Cell) else f"<{tag}>{text(cell)}</{tag}>" for cell in cells
        )
        return f"<tr>{''.join(written)}</tr>"

    body = "".join(line("td", row) for row in rows)
    return f"<table{attributes}><thead>{line('th', heads)}</thead><tbody>{body}</tbody></table>"


def _advice() -> str:
    return (
        "<h2>What to do</h2><p>Mend what the list says, make the zip anew with "
        "<code>python challenge/make_submission.py</code>, try it at home with "
        "<code>bash run.sh rehearse ZIP</code>, and upload it again. PNGs and readme.txt lie at "
        "the root of the zip, without a folder.</p>"
    )


def _page(title: str, *parts: str) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{_text(title)}</title><style>{STYLE}</style></head><body>"
        f'<p class="note">{_text(title)}</p>{"".join(parts)}</body></html>\n'
    )


def _text(text: str) -> str:
    """Escaped, without control characters, and not endless."""
    shown = text if len(text) <= LONGEST else text[:LONGEST] + " ..."
    return escape("".join(letter if letter.isprintable() else "?" for letter in shown))
