"""Damage recordings at random, read them, and report what came of it: `python … SEED CASES FOLDER`.

In a process of its own, with a limit on its memory: a library may abort the process, and a header
may ask for gigabytes. Prints JSON: kind -> {"read", "refused", "faults", "slowest_s"}.
"""

from __future__ import annotations

import io
import json
import random
import resource
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import event_files
import numpy as np

from challenge.errors import ChallengeError
from challenge.importers import open_recording
from challenge.importers.recording import all_events

COUNT = 300
MEMORY = 4 << 30
SPECIAL = (0, 0x7F, 0x80, 0xFF)


def sources(samples: Path | None) -> dict[str, bytes]:
    """Whole files: name -> content; those of AEDAT4 and ROS from the real recordings."""
    rng = np.random.default_rng(0)
    t = np.cumsum(rng.integers(0, 60, COUNT))
    x, y, p = (rng.integers(0, most, COUNT) for most in (346, 260, 2))
    rows = [(int(a), int(b), int(c), int(d)) for a, b, c, d in zip(x, y, t, p, strict=True)]
    npz = io.BytesIO()
    np.savez(npz, x=x, y=y, t=t, p=p)
    files = {
        "a.dat": event_files.dat(rows),
        "evt2.raw": event_files.evt2(event_files.evt2_words(rows)),
        "evt3.raw": event_files.evt3(event_files.evt3_words(rows)),
        "a.npz": npz.getvalue(),
        "a.csv": "".join(f"{c} {a} {b} {d}\n" for a, b, c, d in rows).encode("ascii"),
        **hdf5(x, y, t, p),
    }
    for name in ("s.aedat4", "s.bag") if samples else ():
        files[name] = (samples / "raw_formats" / name).read_bytes()
    return files


def hdf5(*columns: np.ndarray) -> dict[str, bytes]:
    try:
        import h5py
    except ImportError:
        return {}
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        for name, values in zip(("xs", "ys", "ts", "ps"), columns, strict=True):
            file[f"events/{name}"] = values
        image = file.create_dataset("images/image000000000", data=np.zeros((26, 34, 3), np.uint8))
        image.attrs["timestamp"] = 100
        file.attrs["sensor_resolution"] = [260, 346]
    return {"a.h5": stream.getvalue()}


def damage(content: bytes, rng: random.Random) -> bytes:
    """Cut off somewhere, or one to three bytes changed, more often near the front."""
    times = rng.randrange(4)
    if not times:
        return content[: rng.randrange(len(content))]
    changed = bytearray(content)
    for _ in range(times):
        place = rng.randrange(min(len(content), rng.choice((300, 3000, len(content)))))
        changed[place] = rng.choice((*SPECIAL, changed[place] ^ 1 << rng.randrange(8)))
    return bytes(changed)


def look(path: Path) -> str:
    """Read a file whole; "" where that went well, "refused", or what is wrong with its refusal."""
    try:
        events = all_events(open_recording(path))
    except ChallengeError as error:
        return "refused" if str(path) in str(error) else f"does not name the file: {error}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return "" if np.isin(events.p, (0, 1)).all() else "a polarity that is none"


def main(seed: int, cases: int, folder: Path, samples: Path | None) -> dict[str, Any]:
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    rng = random.Random(seed)
    report: dict[str, Any] = {}
    for name, content in sources(samples).items():
        path = folder / name
        found: dict[str, Any] = {"read": 0, "refused": 0, "faults": [], "slowest_s": 0.0}
        for _ in range(cases):
            path.write_bytes(damage(content, rng))
            began = time.process_time()
            said = look(path)
            found["slowest_s"] = max(found["slowest_s"], time.process_time() - began)
            if said in ("", "refused"):
                found[said or "read"] += 1
            else:
                found["faults"].append(said)
        report[name] = found
    return report


if __name__ == "__main__":
    given = [*sys.argv[1:], ""]
    place = Path(given[3]) if given[3] else None
    print(json.dumps(main(int(given[0]), int(given[1]), Path(given[2]), place)))
