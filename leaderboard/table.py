"""Scored runs as one pandas table, and what has to be said beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from challenge.errors import ConfigError
from challenge.scoring.results import Scores
from challenge.submission.candidate import limits_of
from leaderboard.load import Run

REFERENCES = ("blurry", "edi")
SEQUENCE_PREFIX = "psnr_"
FIRST = ["run", "psnr", "ssim", "gain_db", "challenge", "split", "frames", "profile"]
LAST = ["runtime_per_image_s", "device", "parameters", "baseline", "commit", "reference", "created"]
LAST += ["inputs_sha256"]


@dataclass(frozen=True)
class Board:
    """All runs of one challenge and split that can be compared, best first, and the sentences that
    belong under them.

    Attributes:
        challenge, split: what the table shows.
        profile: the metric profile of psnr and ssim.
        table: one row per scored run; the columns are those of `build_boards`.
        sequences: names of the sequences, sorted.
        extras: the columns beside the profiles, say lpips_alex, sorted; lower is better there.
        warnings: why rows of this table may not be compared.
        notes: runs not scored yet, reference rows that are missing, what the table can decide,
            what its figures cannot say.
        data: the folder of the data, where another board shows the same split of other data.
    """

    challenge: str
    split: str
    profile: str
    table: pd.DataFrame
    sequences: list[str]
    extras: list[str]
    warnings: list[str]
    notes: list[str]
    data: str = ""


def build_boards(runs: Sequence[Run], profile: str | None = None) -> list[Board]:
    """Build one board per (challenge, split) that has a run scored under `profile`, sorted; several
    where runs were made from other frames or scored against other sharp images.

    Columns: run; psnr [dB] and ssim of `profile` (None: the configured one in scores.json);
    gain_db, the psnr above the row `blurry` of the same sharp images; challenge; split; frames;
    profile; `<other>_psnr` and `<other>_ssim` of the other profiles; what any run has beside the
    profiles (lpips_alex), empty for a run without; `psnr_<sequence>`;
    runtime_per_image_s; device; parameters; baseline; commit; reference; created; inputs_sha256.

    Raises:
        ConfigError: no run was scored under `profile`.
    """
    known = sorted({name for run in runs if run.scores for name in run.scores.means})
    if profile is not None and profile not in known:
        raise ConfigError(f"--profile {profile}: no run has it; there are {', '.join(known)}")
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.challenge, run.split), []).append(run)
    boards = []
    for _, group in sorted(groups.items()):
        parts = part_by_data(group)
        made = [
            _board(part, profile)
            for part in parts
            if any(run.scores and profile in (None, *run.scores.means) for run in part)
        ]
        boards += made if len(parts) > 1 else [replace(board, data="") for board in made]
    return boards


def part_by_data(runs: Sequence[Run]) -> list[list[Run]]:
    """Part runs that cannot be compared: made from other frames, or scored against other images.

    What is not known of a run has nothing against it; such runs join the first part that fits.
    """
    parts: list[list[Run]] = []
    for run in sorted(runs, key=_known, reverse=True):
        for part in parts:
            if all(_comparable(run, other) for other in part):
                part.append(run)
                break
        else:
            parts.append([run])
    return parts


def _known(run: Run) -> tuple[bool, bool]:
    return run.record.inputs_sha256 is not None, run.scores is not None


def _comparable(one: Run, other: Run) -> bool:
    inputs = one.record.inputs_sha256, other.record.inputs_sha256
    sharp = [run.scores.sharp_sha256 if run.scores else None for run in (one, other)]
    return all(None in pair or pair[0] == pair[1] for pair in (inputs, sharp))


def one_table(boards: Sequence[Board]) -> pd.DataFrame:
    """Join all rows of all boards; a column that a board lacks is empty there."""
    columns = list(dict.fromkeys(name for board in boards for name in board.table.columns))
    middle = [name for name in columns if name not in (*FIRST, *LAST)]
    middle.sort(key=lambda name: name.startswith(SEQUENCE_PREFIX))
    tables = [board.table.astype(object) for board in boards]
    return pd.concat(tables, ignore_index=True).reindex(columns=[*FIRST, *middle, *LAST])


def decision_note(sequences: int) -> str:
    """Say what a paired comparison of two rows can decide at best, as one sentence.

    Frames of one sequence are not independent, so sequences are what can be counted: an exact
    two-sided sign-flip test over n of them cannot give a p below 2 / 2**n.
    """
    plural = "s" if sequences != 1 else ""
    return (
        f"{sequences} sequence{plural}: between two rows, an exact two-sided sign flip over "
        f"sequences cannot give a p below {2 / 2**sequences:.3g} (2 / 2^{sequences}), "
        "however many frames."
    )


def _board(runs: list[Run], asked: str | None) -> Board:
    runs = sorted(runs, key=lambda run: (run.record.created or "", run.name))
    configured = [run.scores.profile for run in runs if run.scores]
    profile = asked or configured[-1]
    scored = [(run, run.scores) for run in runs if run.scores and profile in run.scores.means]
    warnings = _warnings(scored)
    if asked is None and len(set(configured)) > 1:
        warnings.append(
            f"runs were scored under different profiles ({', '.join(sorted(set(configured)))}); "
            f"shown is {profile}, that of the newest run"
        )
    sequences = sorted({name for _, scores in scored for name in scores.sequences})
    extras = sorted({name for _, scores in scored for name in scores.extra})
    table = _table(scored, profile, sequences, extras)
    notes = [*_unscored(runs, profile), *_missing_references(scored)]
    notes += [decision_note(len(sequences))] if sequences else []
    notes += sorted({f"Limits: {limits}." for run in runs if (limits := limits_of(run.record))})
    place = runs[0].challenge, runs[0].split
    return Board(*place, profile, table, sequences, extras, warnings, notes, _data(runs))


def _data(runs: Sequence[Run]) -> str:
    """Name the data of comparable runs: their folder, and the start of their frames' hash."""
    roots = [run.record.data_root for run in runs if run.record.data_root]
    hashes = [run.record.inputs_sha256[:8] for run in runs if run.record.inputs_sha256]
    return ", frames ".join([*roots[-1:], *hashes[-1:]]) or "not known"


def _table(
    scored: list[tuple[Run, Scores]], profile: str, sequences: Sequence[str], extras: Sequence[str]
) -> pd.DataFrame:
    others = sorted({name for _, scores in scored for name in scores.means} - {profile})
    floors = {
        scores.sharp_sha256: scores.means[profile]["psnr"]
        for run, scores in scored
        if run.record.baseline == "blurry"
    }
    rows = []
    for run, scores in scored:
        mean = scores.means[profile]
        floor = floors.get(scores.sharp_sha256)
        row: dict[str, object] = {
            "run": run.name,
            "psnr": mean["psnr"],
            "ssim": mean["ssim"],
            "gain_db": None if floor is None else mean["psnr"] - floor,
            "challenge": run.challenge,
            "split": run.split,
            "frames": scores.frames,
            "profile": profile,
        }
        for other in others:
            for metric in ("psnr", "ssim"):
                row[f"{other}_{metric}"] = scores.means.get(other, {}).get(metric)
        row |= {name: scores.extra.get(name) for name in extras}
        for sequence in sequences:
            figures = scores.sequences.get(sequence, {}).get(profile, {})
            row[SEQUENCE_PREFIX + sequence] = figures.get("psnr")
        row |= {name: getattr(run.record, name) for name in LAST}
        rows.append(row)
    table = pd.DataFrame(rows)
    numbers = [
        name
        for name in table.columns
        if name.endswith(("psnr", "ssim")) or name.startswith(SEQUENCE_PREFIX)
    ]
    numbers += [*extras, "gain_db", "runtime_per_image_s"]
    table = table.astype({name: "float64" for name in numbers} | {"parameters": "Int64"})
    return table.sort_values("psnr", ascending=False, kind="stable", ignore_index=True)


def _warnings(scored: list[tuple[Run, Scores]]) -> list[str]:
    """Why rows may not be compared: other numbers of frames, sharp images, or sequences."""
    frames: dict[object, list[str]] = {}
    sharp: dict[object, list[str]] = {}
    parts: dict[object, list[str]] = {}
    for run, scores in scored:
        frames.setdefault(scores.frames, []).append(run.name)
        sharp.setdefault(scores.sharp_sha256, []).append(run.name)
        parts.setdefault(tuple(sorted(scores.sequences)), []).append(run.name)
    warnings = []
    mend = "these rows cannot be compared: predict and score them on the same data"
    if len(frames) > 1:
        counts = "; ".join(f"{count} frames: {', '.join(names)}" for count, names in frames.items())
        warnings.append(f"different numbers of frames ({counts}); {mend}")
    if len(sharp) > 1:
        groups = "; ".join(", ".join(names) for names in sharp.values())
        warnings.append(f"scored against different sharp images ({groups}); {mend}")
    if len(parts) > 1 and len(frames) == 1:
        groups = "; ".join(", ".join(names) for names in parts.values())
        warnings.append(f"different sequences ({groups}); {mend}")
    return warnings


def _unscored(runs: Sequence[Run], profile: str) -> list[str]:
    none = [run.name for run in runs if run.scores is None]
    other = [run.name for run in runs if run.scores and profile not in run.scores.means]
    notes = []
    if none:
        notes.append(f"not scored yet: {', '.join(none)} (bash run.sh score FOLDER)")
    if other:
        notes.append(f"no scores under {profile}: {', '.join(other)} (score them again)")
    return notes


def _missing_references(scored: list[tuple[Run, Scores]]) -> list[str]:
    missing = [
        name for name in REFERENCES if not any(run.record.baseline == name for run, _ in scored)
    ]
    if not missing:
        return []
    rows = "rows" if len(missing) > 1 else "row"
    names = ", ".join(missing)
    return [f"reference {rows} missing: {names}; `bash run.sh score --references` makes them"]
