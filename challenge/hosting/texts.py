"""The competition's pages and starting kit, written from the rules alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from challenge.datasets.layout import DESCRIPTION
from challenge.errors import ConfigError
from challenge.files import kit_path
from challenge.hosting.definitions import DEFINITIONS
from challenge.metrics.profiles import Profile, find_profile
from challenge.rules import Rules
from challenge.rules.hosting import LPIPS, OF_A_PROFILE, TITLES, Column, Hosting, Link, Phase
from challenge.server.page import html_table
from challenge.submission.readme import Readme, write_readme

EXAMPLE = Readme(runtime=0.31, cpu=0, extra_data=0, description="one line about the method")


@dataclass(frozen=True)
class SplitFacts:
    """The images of one phase: their file names, and (width, height) of each, sorted."""

    names: Sequence[str]
    sizes: Sequence[tuple[int, int]]


def pages(rules: Rules, hosting: Hosting, facts: Mapping[str, SplitFacts]) -> dict[str, bytes]:
    """overview, evaluation, terms, data and the organisers' own as HTML without a head, in ASCII.

    Args:
        facts: split -> its images, for each split of a phase.

    Returns:
        File name -> content; see `page_files`.

    Raises:
        ConfigError: the file of a page cannot be read, or is empty.
    """
    texts = {
        "overview": _overview(rules, hosting),
        "evaluation": _evaluation(rules, hosting, facts),
        "terms": _paragraphs(hosting.terms),
        "data": _data(rules, hosting, facts),
    }
    texts |= {page.title: _own_page(page.file) for page in hosting.pages}
    files = page_files(hosting)
    return {
        files[title]: text.encode("ascii", "xmlcharrefreplace") for title, text in texts.items()
    }


def page_files(hosting: Hosting) -> dict[str, str]:
    """Title of each page -> its file in the bundle."""
    own = {page.title: f"page_{number}.html" for number, page in enumerate(hosting.pages, 1)}
    return {title: f"{title}.html" for title in TITLES} | own


def _own_page(file: str) -> str:
    try:
        text = kit_path(file).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: expected a page's HTML, in UTF-8: {error}") from error
    if not text.strip():
        raise ConfigError(f"{file}: expected a page's HTML, found an empty file")
    return text


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
    mail = escape(hosting.contact)
    contact = f' (<a href="mailto:{mail}">{mail}</a>)' if mail else ""
    rows = [
        [phase.name, phase.start, phase.end or "open", phase.description]
        for phase in hosting.phases
    ]
    first = hosting.columns[0]
    order = "highest" if first.sorting == "desc" else "lowest"
    sponsors = f"<h2>Sponsors</h2>{_links(hosting.sponsors)}" if hosting.sponsors else ""
    return (
        f"<h1>{escape(hosting.title)}</h1>{_paragraphs(hosting.description)}"
        "<p>An event camera reports, for each pixel and with a time stamp, whenever the light has "
        "changed by a certain step. The events of an exposure say how the scene moved in it; "
        "with them a sharp image can be restored from a blurry one.</p>"
        f"<h2>Phases (UTC)</h2>{_table(['Phase', 'Start', 'End', ''], rows)}"
        f"<p>The {order} {escape(first.title or first.key)} leads the leaderboard.</p>"
        f"<p>Questions: {escape(hosting.organiser)}{contact}, or the forum.</p>{sponsors}"
    )


def _evaluation(rules: Rules, hosting: Hosting, facts: Mapping[str, SplitFacts]) -> str:
    columns = [
        [column.key, column.title, _meaning(rules, column), _order(column)]
        for column in hosting.columns
    ]
    metrics = dict.fromkeys(_metric(rules, column) for column in hosting.columns)
    definitions = "".join(
        f"<h3>{title}</h3>{text}" for title, text in (DEFINITIONS[name] for name in metrics if name)
    )
    phases = [
        [
            phase.name,
            str(len(facts[phase.split].names)),
            _sizes(facts[phase.split]),
            *_limits(phase),
            "yes" if phase.shows_images else "no",
        ]
        for phase in hosting.phases
    ]
    heads = ["Phase", "Images", "Width x height", "Submissions", "per day", "Scores of each image"]
    return (
        f"<h1>Evaluation</h1><h2>What is asked for</h2>{_table(heads, phases)}"
        "<ul><li>One 8-bit RGB PNG for each input image, of its full size and with its name.</li>"
        "<li>The PNGs and <code>readme.txt</code> lie at the root of the zip: no folder, nothing "
        f"else.</li>{_zip_limit(rules)}</ul>"
        "<p>A submission that lacks something is not scored; its page says what to mend. Where "
        "the scores of each image are shown, every participant can see them.</p>"
        "<h2>readme.txt</h2><p>The server reads what follows each colon, line by line; keep the "
        f"order, and write numbers only where a number is asked for:</p><pre>"
        f"{escape(_sample(rules))}</pre>"
        f"<h2>The leaderboard</h2>{_table(['Column', '', 'Meaning', ''], columns)}{definitions}"
    )


def _data(rules: Rules, hosting: Hosting, facts: Mapping[str, SplitFacts]) -> str:
    counts = {split: str(count) for split, count in rules.frames.items()}
    counts |= {split: str(len(fact.names)) for split, fact in facts.items()}
    sizes = next(_sizes(fact) for fact in facts.values())
    links = f"<h2>Download</h2>{_links(hosting.data_links)}" if hosting.data_links else ""
    return (
        f"<h1>Data</h1>{links}<h2>What there is</h2>{_table(['Split', 'Images'], counts.items())}"
        f"<p>Images are 8-bit RGB PNGs of {sizes} pixels (width x height). Folders, "
        "<code>SEQ</code> being a sequence, <code>%05d</code> a number of five digits:</p><pre>"
        f"{DESCRIPTION}</pre>"
        "<h2>Reading the events</h2><p>The events of a frame lie in several files, numbered in "
        "the order of time. Mind three things:</p><ul>"
        "<li>The column of an event is <code>y</code>, its row is <code>x</code>.</li>"
        "<li>A pixel that became darker has polarity 0 or -1, one that became brighter 1.</li>"
        "<li>The last file of each frame lies outside its exposure: leave it out.</li></ul>"
        f"<p>The data come from {escape(hosting.organiser)}; the starting kit says how to "
        "submit.</p>"
    )


def _links(links: Iterable[Link]) -> str:
    rows = (f'<li><a href="{escape(each.url)}">{escape(each.name)}</a></li>' for each in links)
    return f"<ul>{''.join(rows)}</ul>"


def _zip_limit(rules: Rules) -> str:
    if rules.zip_limit_mb is None:
        return ""
    return f"<li>The zip has at most {rules.zip_limit_mb:g} MB (10<sup>6</sup> bytes).</li>"


def _profile(rules: Rules, column: Column) -> Profile:
    return find_profile(column.profile or rules.profile, rules.all_profiles)


def _metric(rules: Rules, column: Column) -> str:
    """Name the metric of a column; "" for those of readme.txt."""
    if column.value in OF_A_PROFILE:
        return _profile(rules, column).metrics[column.value]
    return column.value if column.value in LPIPS else ""


def _meaning(rules: Rules, column: Column) -> str:
    if metric := _metric(rules, column):
        cap = f", at most {_profile(rules, column).psnr_cap:g} dB" if column.value == "psnr" else ""
        return f"{DEFINITIONS[metric][0]}, mean over all images{cap}"
    return {
        "runtime": "seconds per image, as readme.txt says",
        "cpu": "1: run on a CPU, 0: on a GPU, as readme.txt says",
        "extra_data": "1: trained on extra data, 0: not, as readme.txt says",
        "llm": "1: uses a large language model, 0: not, as readme.txt says",
    }[column.value]


def _order(column: Column) -> str:
    if column.value in (*OF_A_PROFILE, *LPIPS):
        return "more is better" if column.sorting == "desc" else "less is better"
    return ""


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
