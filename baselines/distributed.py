"""Several processes at one piece of work: who is who, and how they agree."""

from __future__ import annotations

import contextlib
import datetime
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from challenge.errors import ChallengeError

if TYPE_CHECKING:
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

S = TypeVar("S")
T = TypeVar("T")
LONGEST = datetime.timedelta(days=1)
"""That processes wait for the slowest; one that has ended is noticed at once, and by torchrun."""
PATIENCE_S = 10.0
"""That a process with nothing to tell leaves to the one that tells, if the launcher lets it."""
LOST = 75
"""Exit code of a process whose neighbour ended in the midst of work."""
MEMORY = "KIT_JOB_MEMORY"
"""HOST:PORT of the store that the launcher keeps while its processes come and go."""
LAUNCHER = os.getppid()
"""Who started this process; once it has another parent, that one is gone."""
GIVE_UP = "SIGUSR2"
"""The signal by which a process tells the launcher that starting again would not help."""


def is_launched() -> bool:
    """Say whether torchrun (or `srun`, with the same variables) started this process."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def processes_here() -> int:
    """Count the processes that share this machine at one piece of work, this one included."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", 1)) if is_launched() else 1


class EndedElsewhere(Exception):
    """Another process stopped with an error, which it tells."""


class LostNeighbour(EndedElsewhere):
    """Another process ended in the midst of work: it was killed, or tells of an error."""


@contextlib.contextmanager
def losses_noticed() -> Iterator[None]:
    """Turn what gloo and nccl raise when another process ends into a LostNeighbour."""
    from torch import distributed

    try:
        yield
    except RuntimeError as error:
        if isinstance(error, distributed.DistError) or "gloo" in str(error):
            raise LostNeighbour from error
        raise


@dataclass
class World:
    """The processes that train or restore together; one alone by default.

    All call the same methods in the same order: each waits for the others.
    """

    rank: int = 0
    size: int = 1
    local_rank: int | None = None  # on this machine; None: was not started by torchrun
    memory: TCPStore | None = None  # of the job: outlives its processes where those start again
    agreed_to_end: bool = False

    @property
    def is_first(self) -> bool:
        """Say whether this is the process that writes and shows."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """Take this process's part: every item belongs to exactly one."""
        return items[self.rank :: self.size]

    def together(self, work: Callable[[], T]) -> list[T]:
        """Let each process do its work; return what all found, by rank.

        Raises:
            EndedElsewhere: another process failed; whatever `work` raises, where it failed here.
        """
        if self.size == 1:
            return [work()]
        from torch import distributed

        found = [*self.in_step(work() for _ in range(1))]
        results: list[list[T]] = [[]] * self.size
        with losses_noticed():
            distributed.all_gather_object(results, found)
        return [result[0] for result in results]

    def first(self, work: Callable[[], T]) -> T:
        """Let the first process do some work; return what it found, in all (see `together`)."""
        return self.together(lambda: work() if self.is_first else None)[0]  # type: ignore[return-value]

    def once(self, name: str, work: Callable[[], str]) -> str:
        """Do some work in the first process, once in the whole job: when the processes are started
        again, it is remembered what came of it.
        """

        def remembered() -> str:
            if self.memory is None:
                return work()
            key = f"kit/{name}"
            if not self.memory.check([key]):
                self.memory.set(key, work())
            return self.memory.get(key).decode()

        return self.first(remembered)

    def note(self, name: str) -> None:
        """Keep in mind, also when the processes are started again, that something was reached."""
        self.once(name, lambda: "reached")

    def noted(self, name: str) -> bool:
        """Say whether something was reached, by these processes or by those before them."""
        return self.first(lambda: self.memory is not None and self.memory.check([f"kit/{name}"]))

    def in_order(
        self,
        items: Sequence[S],
        work: Callable[[S], T],
        between: Callable[[Iterator[T | None]], Iterable[T | None]] | None = None,
    ) -> list[T]:
        """Let each process work on its share of the items; return all that was found, in the order
        of the items (see `together`).

        Args:
            items: the same ones in all processes.
            work: is done once for each item, in one of the processes.
            between: passes on what was found, and may stop between two items; None: `in_step`.
        """
        rounds = math.ceil(len(items) / self.size)
        mine = [*self.share(items), None][:rounds]
        found = (None if item is None else work(item) for item in mine)
        kept = [*(between or self.in_step)(found)]
        parts = self.together(lambda: kept)
        return [parts[k % self.size][k // self.size] for k in range(len(items))]  # type: ignore[misc]

    def in_step(
        self,
        items: Iterable[T],
        asked: Callable[[], int] = lambda: 0,
        stopped: Callable[[int], BaseException] = lambda number: KeyboardInterrupt(number),
    ) -> Iterator[T]:
        """Pass on items, as many in each process; where one cannot go on, none does.

        Args:
            items: as many in each process.
            asked: the number of the signal that asked this process to stop, or 0.
            stopped: makes the exception that is raised then, in all of them; SIGTERM stands for a
                launcher that was killed.

        Raises:
            EndedElsewhere: another process failed; whatever `items` raise, where they failed here.
        """
        iterator = iter(items)
        while True:
            item, error = None, None
            try:
                item = next(iterator)
            except Exception as raised:
                if self.size == 1 and not isinstance(raised, StopIteration):
                    raise
                error = raised
            orphaned = signal.SIGTERM if self.size > 1 and os.getppid() != LAUNCHER else 0
            if number := self.highest(asked() or orphaned):
                self.agreed_to_end = True
                raise stopped(number)
            ended = isinstance(error, StopIteration)
            if self.highest(error is not None and not ended):
                self.agreed_to_end = True
                raise EndedElsewhere if ended or error is None else error
            if ended:
                return
            yield item  # type: ignore[misc]

    def highest(self, number: int) -> int:
        """Return the highest of all processes' numbers."""
        if self.size == 1:
            return int(number)
        import torch
        from torch import distributed

        held = torch.tensor(int(number))
        with losses_noticed():
            distributed.all_reduce(held, distributed.ReduceOp.MAX)
        return int(held)

    def gather(self, numbers: Sequence[float]) -> list[list[float]]:
        """Return all processes' numbers, by rank; each has as many."""
        if self.size == 1:
            return [[*numbers]]
        import torch
        from torch import distributed

        held = torch.zeros(self.size, len(numbers), dtype=torch.float64)
        held[self.rank] = torch.tensor(numbers, dtype=torch.float64)
        with losses_noticed():
            distributed.all_reduce(held)
        rows: list[list[float]] = held.tolist()
        return rows


@contextlib.contextmanager
def joined(on_gpu: bool) -> Iterator[World]:
    """Join the processes that torchrun (or `srun`, with the same variables) started; a World of one
    where nothing did. All but the first one keep silent; of an error, the first to fail tells.

    Args:
        on_gpu: whether gradients are exchanged between GPUs (nccl); else on processors (gloo).

    Raises:
        SystemExit: another process, or the launcher, tells of the error.
    """
    if not is_launched():
        yield World()
        return
    from torch import cuda, distributed

    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    local_rank = int(os.environ.get("LOCAL_RANK", 0))
    memory = None
    if MEMORY in os.environ:
        host, _, port = os.environ[MEMORY].rpartition(":")
        memory = distributed.TCPStore(  # type: ignore[attr-defined]
            host, int(port), is_master=False
        )
    world = World(rank, size, local_rank, memory)
    try:
        if on_gpu and local_rank < cuda.device_count():
            cuda.set_device(local_rank)
        with losses_noticed():
            backend = "cpu:gloo,cuda:nccl" if on_gpu else "gloo"
            distributed.init_process_group(backend, timeout=LONGEST)
        with contextlib.nullcontext() if world.is_first else _silence():
            yield world
    except EndedElsewhere as error:
        _part(world.agreed_to_end)
        if isinstance(error, LostNeighbour):
            raise SystemExit(LOST) from error
        _let_tell()
        raise SystemExit(1) from error
    except (ChallengeError, OSError) as error:
        _part(world.agreed_to_end)
        if not _tells_first(memory):
            _let_tell()
            raise SystemExit(1) from error
        raise
    except KeyboardInterrupt:
        _part(world.agreed_to_end)
        raise
    else:
        _part(True)
        distributed.destroy_process_group()


def leave(code: int) -> int:
    """End a process of several for good, with the exit code; return the code in one of its own.

    Python's own way out can abort while gloo's threads still run (torch 2.13), after all work is
    done. The launcher is told of a mistake that starting again would repeat.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ and "RANK" not in os.environ:
        return code
    sys.stdout.flush()
    sys.stderr.flush()
    if code == 1 and "TORCHELASTIC_RUN_ID" in os.environ and os.getppid() == LAUNCHER:
        with contextlib.suppress(ProcessLookupError):
            os.kill(LAUNCHER, getattr(signal, GIVE_UP))
    os._exit(code)


def _part(agreed: bool) -> None:
    """Wait for the others where they come, too: the launcher ends them once one has left."""
    from torch import distributed

    if agreed:
        with contextlib.suppress(RuntimeError):
            distributed.barrier()


def _let_tell() -> None:
    """Let another process tell of the error: the launcher ends all once one of them has left."""
    time.sleep(PATIENCE_S)


def _tells_first(memory: TCPStore | None) -> bool:
    """Say whether no other process has told of an error yet."""
    try:
        return memory is None or memory.add("kit/told", 1) == 1
    except RuntimeError:  # the launcher is gone, and the job's memory with it
        return True


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    with (
        open(os.devnull, "w", encoding="utf-8") as nothing,
        contextlib.redirect_stdout(nothing),
        contextlib.redirect_stderr(nothing),
    ):
        yield
