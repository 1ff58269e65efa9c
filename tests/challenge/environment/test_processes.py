"""Work in other processes: in order, the same as here; a killed one is noticed."""

from __future__ import annotations

import os
import signal
from concurrent.futures.process import BrokenProcessPool

import pytest

from challenge.environment.processes import map_in_processes


def square(number: int) -> tuple[int, int]:
    return number * number, os.getpid()


def end(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order(workers: int) -> None:
    found = list(map_in_processes(square, range(5), workers))
    assert [result for result, _ in found] == [0, 1, 4, 9, 16]
    assert (os.getpid() in {process for _, process in found}) == (workers == 1)


def test_a_killed_process_is_noticed() -> None:
    with pytest.raises(BrokenProcessPool):
        list(map_in_processes(end, [1, 2], 2))
