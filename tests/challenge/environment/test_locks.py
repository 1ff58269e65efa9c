"""Who holds a lock, seen from outside: a live process does, one that was killed does not."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from challenge import REPOSITORY
from challenge.environment import locks
from challenge.environment.locks import holder_of, is_locked, lock_of, locked
from challenge.errors import ChallengeError

HOLD = """
import sys, time, pathlib
from challenge.environment.locks import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_is_seen_while_its_process_lives(tmp_path: Path) -> None:
    path = tmp_path / "t"
    assert not is_locked(path) and holder_of(path) is None
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )
    assert process.stdout is not None and process.stdout.readline() == b"held\n"
    assert is_locked(path) and holder_of(path) == (socket.gethostname(), process.pid)
    with pytest.raises(ChallengeError, match=f"process {process.pid}"), locked(path, 0):
        pass
    process.kill()
    process.wait()
    process.stdout.close()
    assert lock_of(path).exists() and not is_locked(path)
    with locked(path, 0):
        assert holder_of(path) == (socket.gethostname(), os.getpid())
    assert not lock_of(path).exists() and holder_of(path) is None


def test_where_the_system_has_no_locks_a_young_file_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "HAS_LOCKS", False)
    path = tmp_path / "t"
    with locked(path, 0):
        assert is_locked(path) and holder_of(path) == (socket.gethostname(), os.getpid())
        old = time.time() - locks.STALE_S - 1
        os.utime(lock_of(path), (old, old))
        assert not is_locked(path)
