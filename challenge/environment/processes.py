"""Work spread over processes. Standard library only: the server's program uses it too."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


def map_in_processes(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    workers: int,
    prepare: Callable[[], None] | None = None,
) -> Iterator[Result]:
    """Yield `function(job)` for each job, in order; with one worker, this process does them.

    Processes, not threads: between NumPy's short calls threads wait for each other (measured: two
    threads gain nothing, two processes 1.9x). Fresh ones: a forked copy of a process with threads,
    such as torch's, can hang. They leave Ctrl-C to this process, and end when it is killed. What
    has not begun when the caller stops asking is never done.

    Args:
        function, jobs: must be picklable.
        workers: number of processes.
        prepare: called once in each process, before its first job.

    Raises:
        BrokenProcessPool: a process was killed.
    """
    if workers == 1:
        yield from map(function, jobs)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, follow_parent, (prepare,)) as pool:
        try:
            yield from pool.map(function, jobs)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def follow_parent(prepare: Callable[[], None] | None = None) -> None:
    """Make this process one that leaves Ctrl-C to its parent, and ends when that is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def leave_with_the_parent() -> None:
        parent.join()
        os._exit(1)  # it would wait for work for ever

    threading.Thread(target=leave_with_the_parent, daemon=True).start()
    if prepare is not None:
        prepare()
