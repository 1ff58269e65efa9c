"""What an organiser decides beside the rules: phases, columns, limits. Part of the rules' YAML."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from challenge.metrics.lpips import column as lpips_column
from challenge.metrics.weights import BACKBONES

DATE = "%Y-%m-%d %H:%M:%S"
OF_A_PROFILE = ("psnr", "ssim")
LPIPS = {lpips_column(net): net for net in BACKBONES}
"""Value of a column -> the network whose LPIPS it shows."""
VALUES = (*OF_A_PROFILE, *LPIPS, "runtime", "cpu", "extra_data", "llm")
"""What a column can show: a metric of a profile, LPIPS, or a number of `readme.txt`."""
KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
EMAIL = re.compile(
    r"[-!#$%&'*+/=?^_`{}|~\w]+(?:\.[-!#$%&'*+/=?^_`{}|~\w]+)*@(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+"
    r"[a-z0-9][a-z0-9-]*[a-z0-9]",
    re.IGNORECASE | re.ASCII,
)
WEB = re.compile(r"https?://[^\s\"'<>]+")
TITLES = ("overview", "evaluation", "terms", "data")
"""Pages that every competition has."""


@dataclass(frozen=True)
class Phase:
    """One phase of the challenge. Times are UTC, written "YYYY-MM-DD HH:MM:SS".

    Attributes:
        split: whose sharp images are the reference data.
        end: None: it never ends; only the last phase may. CodaLab v1 knows no ends, except the
            competition's own.
        max_submissions, max_submissions_per_day: of each participant.
        detailed_results: whether a submission's page shows the scores of each image and sequence,
            which all participants can open; None: not in a phase of the test split.
    """

    split: str
    name: str
    start: str
    end: str | None = None
    description: str = ""
    max_submissions: int = 100
    max_submissions_per_day: int = 5
    detailed_results: bool | None = None

    @property
    def shows_images(self) -> bool:
        """Whether the scores of each image are published."""
        return self.split != "test" if self.detailed_results is None else self.detailed_results


@dataclass(frozen=True)
class Column:
    """One column of the leaderboard.

    Attributes:
        key: the name in scores.txt and scores.json; upper and lower case count.
        value: one of VALUES. LPIPS needs an `image` of the hosting that has torch and lpips.
        profile: whose psnr or ssim it is; "": the profile that the rules rank by.
        sorting: "desc" where more is better, else "asc".
        precision: decimals shown (Codabench shows 2 unless told).
    """

    key: str
    value: str
    title: str = ""
    sorting: str = "desc"
    precision: int = 4
    profile: str = ""


def ntire_columns() -> list[Column]:
    """Return the keys of the NTIRE challenges' servers."""
    return [
        Column("PSNR", "psnr", "PSNR [dB]"),
        Column("SSIM", "ssim", "SSIM"),
        Column("ExtraRuntime", "runtime", "Runtime per image [s]", "asc", 3),
        Column("ExtraPlatform", "cpu", "CPU[1] / GPU[0]", "asc", 0),
        Column("ExtraData", "extra_data", "Extra data[1] / none[0]", "asc", 0),
    ]


@dataclass(frozen=True)
class Link:
    """A place in the web: where data can be had, or who pays for the prizes."""

    name: str
    url: str


@dataclass(frozen=True)
class Page:
    """A page beside the kit's own; `file` is HTML, without a head."""

    title: str
    file: str


@dataclass(frozen=True)
class Hosting:
    """A competition on CodaLab or Codabench.

    Attributes:
        contact: one e-mail address, or nothing; names belong to `organiser`.
        columns: the first one ranks.
        image: Docker image the scoring program runs in: Python 3.10 or newer, numpy and Pillow;
            torch and lpips too, where a column shows LPIPS.
        execution_time_limit_s: the platforms' default queues stop a run after 600 s.
        terms: paragraphs parted by an empty line.
        data_links: where participants get the data.
        sponsors: on the first page.
        pages: further pages.
    """

    title: str
    description: str = ""
    organiser: str = "the organisers"
    contact: str = ""
    image: str = "codalab/codalab-legacy:py312"
    execution_time_limit_s: int = 600
    submission_rule: str = "Force_Best"
    columns: list[Column] = field(default_factory=ntire_columns)
    phases: list[Phase] = field(default_factory=list)
    terms: str = (
        "By taking part you agree that your scores, your team's name and your fact sheet may be "
        "published.\n\nThe data may be used for this challenge and for research only. The sharp "
        "images of the test set must not be looked for, guessed or shared.\n\nOne account for "
        "each team."
    )
    data_links: list[Link] = field(default_factory=list)
    sponsors: list[Link] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)


def is_email(text: str) -> bool:
    """Whether Codabench takes a text for one e-mail address."""
    return len(text) <= 254 and EMAIL.fullmatch(text) is not None


def hosting_problems(hosting: Hosting) -> list[str]:
    """Return every value that no platform could use, one line each."""
    problems = [] if hosting.title.strip() else ["title: expected a text, found none"]
    if not hosting.phases:
        problems.append("phases: expected at least one, found none")
    if hosting.execution_time_limit_s <= 0:
        problems.append("execution_time_limit_s: expected more than 0")
    if hosting.contact and not is_email(hosting.contact):
        problems.append(
            f"contact: expected one e-mail address, found {hosting.contact!r}; names and further "
            "addresses belong to organiser"
        )
    problems += _column_problems(hosting)
    problems += _phase_problems(hosting.phases)
    problems += _page_problems(hosting)
    return problems


def parse_date(text: str) -> datetime.datetime | None:
    """Return the moment that "YYYY-MM-DD HH:MM:SS" means in UTC; None for another form."""
    try:
        return datetime.datetime.strptime(text, DATE).replace(tzinfo=datetime.timezone.utc)
    except (TypeError, ValueError):
        return None


def _column_problems(hosting: Hosting) -> Iterator[str]:
    if not hosting.columns:
        yield "columns: expected at least one, found none"
    keys = [column.key for column in hosting.columns]
    for column in hosting.columns:
        where = f"columns: {column.key or '(no key)'}"
        if not KEY.fullmatch(column.key) or keys.count(column.key) > 1:
            yield f"{where}: expected a key of its own of letters, digits and _"
        if column.value not in VALUES:
            yield f"{where}: value: expected one of {', '.join(VALUES)}, found {column.value!r}"
        if column.sorting not in ("asc", "desc"):
            yield f"{where}: sorting: expected asc or desc, found {column.sorting!r}"
        if column.profile and column.value not in OF_A_PROFILE:
            yield f"{where}: profile: only psnr and ssim have one, not {column.value}"
        if column.value in LPIPS and hosting.image.startswith("codalab/codalab-legacy"):
            yield (
                f"{where}: {column.value}: expected an image with torch and lpips, found "
                f"{hosting.image}, which has neither; name another `image`"
            )


def _page_problems(hosting: Hosting) -> Iterator[str]:
    for key, links in (("data_links", hosting.data_links), ("sponsors", hosting.sponsors)):
        for link in links:
            if not link.name.strip() or not WEB.fullmatch(link.url):
                yield f"{key}: expected a name and an address from http, found {link.url!r}"
    titles = [page.title.strip().lower() for page in hosting.pages]
    for title in dict.fromkeys(titles):
        if not title or title in TITLES or titles.count(title) > 1:
            yield f"pages: expected a title of its own, beside {', '.join(TITLES)}, found {title!r}"


def _phase_problems(phases: Sequence[Phase]) -> Iterator[str]:
    previous = None
    for number, phase in enumerate(phases):
        where = f"phases: {phase.name or number}"
        start, end = parse_date(phase.start), parse_date(phase.end or "")
        if not phase.name.strip() or not phase.split.strip():
            yield f"{where}: expected a name and a split"
        for key, text, moment in (("start", phase.start, start), ("end", phase.end, end)):
            if text is not None and moment is None:
                yield f'{where}: {key}: expected "YYYY-MM-DD HH:MM:SS" (UTC), found {text!r}'
        if phase.end is None and number + 1 < len(phases):
            yield f"{where}: end: expected a date, since another phase follows; found none"
        if start and end and end <= start:
            yield f"{where}: end: expected later than the start {phase.start}, found {phase.end}"
        if start and previous and start <= previous:
            yield f"{where}: start: expected after the end of the phase before it"
        if min(phase.max_submissions, phase.max_submissions_per_day) < 1:
            yield f"{where}: expected at least 1 submission, in all and per day"
        previous = end or start
