"""The competition's pages and starting kit, written from the rules alone."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from challenge.datasets.layout import DESCRIPTION
from challenge.metrics.profiles import METRICS, Metric, find_profile
from challenge.rules import Rules
from challenge.rules.hosting import Hosting, Phase
from challenge.server.page import html_table
from challenge.submission.readme import Readme, write_readme

EXAMPLE = Readme(runtime=0.31, cpu=0, extra_data=0, description="one line about the method")


@dataclass(frozen=True)
class SplitFacts:
    """The images of one phase: their file names, and (width, height) of each, sorted."""

    names: Sequence[str]
    sizes: Sequence[tuple[int, int]]


def pages(rules: Rules, hosting: Hosting, facts: Mapping[str, SplitFacts]) -> dict[str, bytes]:
    """overview, evaluation, terms and data as HTML without a head, in ASCII.

    Args:
        facts: split -> its images, for each split of a phase.
    """
    texts = {
        "overview": _overview(rules, hosting),
        "evaluation": _evaluation(rules, hosting, facts),
        "terms": _paragraphs(hosting.terms),
        "data": _data(rules, hosting, facts),
    }
    return {
        f"{name}.html": text.encode("ascii", "xmlcharrefreplace") for name, text in texts.items()
    }


def starting_kit(
    rules: Rules, hosting: Hosting, facts: Mapping[str, SplitFacts]
) -> dict[str, bytes]:
    """Write files of the starting kit: how to submit, a sample readme.txt, the names asked for."""
    lines = [
        f"# {hosting.title}: how to submit",
        "",
        "1. Restore every input image; save each as an 8-bit RGB PNG under the input's own name.",
        "2. Write readme.txt (a sample lies here): what follows each colon is read, by position.",
        "3. Zip the PNGs and readme.txt without a folder: `cd RESULTS && zip ../mine.zip *.png "
        "readme.txt`.",
        "4. Upload the zip.",
        "",
    ]
    for phase in hosting.phases:
        names = facts[phase.split].names
        lines.append(f"{phase.name}: {len(names)} PNGs, listed in names_{phase.split}.txt")
    if rules.zip_limit_mb is not None:
        lines += ["", f"A zip may have at most {rules.zip_limit_mb:g} MB (10^6 bytes)."]
    files = {"README.md": "\n".join(lines) + "\n", "readme.txt": _sample(rules)}
    for split, fact in facts.items():
        files[f"names_{split}.txt"] = "".join(f"{name}\n" for name in fact.names)
    return {name: text.encode("utf-8") for name, text in files.items()}


def _overview(rules: Rules, hosting: Hosting) -> str:
    contact = f" ({escape(hosting.contact)})" if hosting.contact else ""
    rows = [
        [phase.name, phase.start, phase.end or "open", phase.description]
        for phase in hosting.phases
    ]
    first = hosting.columns[0]
    order = "highest" if first.sorting == "desc" else "lowest"
    return (
        f"<h1>{escape(hosting.title)}</h1>{_paragraphs(hosting.description)}"
        "<p>An event camera reports, for each pixel and with a time stamp, whenever the light has "
        "changed by a certain step. The events of an exposure say how the scene moved in it; "
        "with them a sharp image can be restored from a blurry one.</p>"
        f"<h2>Phases (UTC)</h2>{_table(['Phase', 'Start', 'End', ''], rows)}"
        f"<p>The {order} {escape(first.key)} leads the leaderboard.</p>"
        f"<p>Questions: {escape(hosting.organiser)}{contact}, or the forum.</p>"
    )


def _evaluation(rules: Rules, hosting: Hosting, facts: Mapping[str, SplitFacts]) -> str:
    profile = find_profile(rules.profile, rules.all_profiles)
    columns = [[column.key, column.title, _meaning(column.value)] for column in hosting.columns]
    definitions = "".join(
        f"<h3>{key.upper()}</h3><pre>{escape(_definition(METRICS[key][name]))}</pre>"
        for key, name in profile.metrics.items()
    )
    limit = ""
    if rules.zip_limit_mb is not None:
        limit = f"<li>The zip has at most {rules.zip_limit_mb:g} MB (10<sup>6</sup> bytes).</li>"
    phases = [
        [
            phase.name,
            str(len(facts[phase.split].names)),
            _sizes(facts[phase.split]),
            *_limits(phase),
        ]
        for phase in hosting.phases
    ]
    heads = ["Phase", "Images", "Width x height", "Submissions", "per day"]
    return (
        f"<h1>Evaluation</h1>{_table(['Column', '', 'Meaning'], columns)}"
        f"<p>Profile <code>{escape(rules.profile)}</code>: {escape(profile.description)}. The "
        "figures are means over all images. PSNR is reported up to "
        f"{profile.psnr_cap:g} dB.</p>"
        f"<h2>What is asked for</h2>{_table(heads, phases)}"
        "<ul><li>8-bit RGB PNGs of the full size, named like the input images.</li>"
        "<li>The PNGs and <code>readme.txt</code> lie at the root of the zip: no folder, nothing "
        f"else.</li>{limit}</ul>"
        "<h2>readme.txt</h2><p>What follows each colon is read, line by line:</p>"
        f"<pre>{escape(_sample(rules))}</pre><h2>Definitions</h2>{definitions}"
    )


def _data(rules: Rules, hosting: Hosting, facts: Mapping[str, SplitFacts]) -> str:
    counts = {split: str(count) for split, count in rules.frames.items()}
    counts |= {split: str(len(fact.names)) for split, fact in facts.items()}
    sizes = next(_sizes(fact) for fact in facts.values())
    return (
        f"<h1>Data</h1>{_table(['Split', 'Images'], counts.items())}"
        f"<p>Images: {sizes} pixels (width x height), 8-bit RGB. Layout:</p><pre>"
        f"{DESCRIPTION}</pre>"
        "<p>x and y are swapped on disk (column = <code>y</code>, row = <code>x</code>), polarity "
        '"darker" is 0 or -1, and the last slice of a frame lies outside its exposure.</p>'
        f"<p>The data comes from {escape(hosting.organiser)}; the starting kit says how to "
        "submit.</p>"
    )


def _definition(metric: Metric) -> str:
    """Return the metric's docstring without what only programmers need."""
    parts = (inspect.getdoc(metric) or "").split("\n\n")
    return "\n\n".join(part for part in parts if not part.startswith(("Raises:", ">>>")))


def _meaning(value: str) -> str:
    return {
        "psnr": "mean PSNR in dB, more is better",
        "ssim": "mean SSIM, at most 1, more is better",
        "runtime": "seconds per image, as readme.txt says",
        "cpu": "1: run on a CPU, 0: on a GPU, as readme.txt says",
        "extra_data": "1: trained on extra data, 0: not, as readme.txt says",
    }[value]


def _limits(phase: Phase) -> tuple[str, str]:
    return str(phase.max_submissions), str(phase.max_submissions_per_day)


def _sizes(fact: SplitFacts) -> str:
    return ", ".join(f"{width}x{height}" for width, height in fact.sizes)


def _sample(rules: Rules) -> str:
    return write_readme(rules.readme, EXAMPLE)


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{escape(part.strip())}</p>" for part in text.split("\n\n") if part.strip())


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    return html_table(heads, rows, ' class="ui celled table table-bordered"')
