"""Several processes at one piece of work: who is who, and how they agree."""

from __future__ import annotations

import contextlib
import datetime
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from challenge.errors import ChallengeError

if TYPE_CHECKING:
    from torch.distributed import TCPStore

T = TypeVar("T")
LONGEST = datetime.timedelta(days=1)
"""That processes wait for the slowest; one that has ended is noticed at once, and by torchrun."""
LOST = 75
"""Exit code of a process whose neighbour ended in the midst of work."""
GIVE_UP = "SIGUSR2"
"""The signal by which a process tells the launcher that starting again would not help."""


class FailedElsewhere(ChallengeError):
    """Another process found a mistake, and tells it."""

    def __init__(self) -> None:
        super().__init__("another process stopped with an error, which it tells")


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
            ChallengeError: here, or in another process (FailedElsewhere).
        """
        if self.size == 1:
            return [work()]
        from torch import distributed

        result, error = None, None
        try:
            result = work()
        except Exception as raised:
            error = raised
        self._end_if(error)
        results: list[T] = [None] * self.size  # type: ignore[list-item]
        distributed.all_gather_object(results, result)
        return results

    def first(self, work: Callable[[], T]) -> T:
        """Let the first process do some work; return what it found, in all.

        Raises:
            ChallengeError: it failed.
        """
        return self.together(lambda: work() if self.is_first else None)[0]  # type: ignore[return-value]

    def in_order(self, items: Sequence[str], work: Callable[[str], T]) -> list[T]:
        """Let each process work on its share of the items; return all that was found, in the order
        of the items.

        Raises:
            ChallengeError: here, or in another process.
        """
        parts = self.together(lambda: [work(item) for item in self.share(items)])
        return [parts[place % self.size][place // self.size] for place in range(len(items))]

    def once(self, name: str, work: Callable[[], str]) -> str:
        """Do some work in the first process, once in the whole job: when the processes are started
        again, it is remembered what came of it.
        """

        def remembered() -> str:
            if self.memory is None:
                return work()
            if not self.memory.check([name]):
                self.memory.set(name, work())
            return self.memory.get(name).decode()

        return self.first(remembered)

    def in_step(self, batches: Iterable[T], stop: Callable[[], bool]) -> Iterator[T]:
        """Pass on batches, as many in each process: where one has none, or is to stop, all end.

        Raises:
            KeyboardInterrupt: one is to stop, or the launcher is gone.
            ChallengeError: here, or in another process.
        """
        iterator, launcher = iter(batches), os.getppid()
        while True:
            batch, error = None, None
            try:
                batch = next(iterator, None)
            except Exception as raised:
                if self.size == 1:
                    raise
                error = raised
            if self.highest(stop() or os.getppid() != launcher):
                self.agreed_to_end = True
                raise KeyboardInterrupt
            self._end_if(error)
            if batch is None:
                return
            yield batch

    def highest(self, number: int) -> int:
        """Return the highest of all processes' numbers."""
        if self.size == 1:
            return int(number)
        import torch
        from torch import distributed

        held = torch.tensor(int(number))
        distributed.all_reduce(held, distributed.ReduceOp.MAX)
        return int(held)

    def mean(self, number: float) -> float:
        """Return the mean of all processes' numbers, summed by rank."""
        return sum(self.together(lambda: number)) / self.size

    def _end_if(self, error: Exception | None) -> None:
        """Raise the error of this process, or say that another has one."""
        if self.highest(error is not None):
            self.agreed_to_end = True
            raise error or FailedElsewhere()


@contextlib.contextmanager
def joined(on_gpu: bool) -> Iterator[World]:
    """Join the processes that torchrun (or `srun`, with the same variables) started; a World of one
    where nothing did. All but the first one keep silent; of an error, the first to fail tells.

    Args:
        on_gpu: whether gradients are exchanged between GPUs (nccl); else on processors (gloo).

    Raises:
        SystemExit: another process, or the launcher, tells of the error.
    """
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        yield World()
        return
    from torch import cuda, distributed

    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    local_rank = int(os.environ.get("LOCAL_RANK", 0))
    if on_gpu and local_rank < cuda.device_count():
        cuda.set_device(local_rank)
    backend = "cpu:gloo,cuda:nccl" if on_gpu else "gloo"
    distributed.init_process_group(backend, timeout=LONGEST)
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    memory = distributed.TCPStore(address, port, is_master=False)
    world = World(rank, size, local_rank, memory)
    try:
        with contextlib.nullcontext() if world.is_first else _silence():
            yield world
    except (ChallengeError, OSError) as error:
        _part(world.agreed_to_end)
        if isinstance(error, FailedElsewhere) or not _tells_first(memory):
            raise SystemExit(1) from error
        raise
    except KeyboardInterrupt:
        _part(world.agreed_to_end)
        raise
    except RuntimeError as error:
        if not _is_lost_connection(error):
            raise
        raise SystemExit(LOST) from error  # who ended has told why, or the launcher will
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
    if code == 1 and "TORCHELASTIC_RUN_ID" in os.environ:
        with contextlib.suppress(ProcessLookupError):
            os.kill(os.getppid(), getattr(signal, GIVE_UP))
    os._exit(code)


def _part(agreed: bool) -> None:
    """Wait for the others where they come, too: the launcher ends them once one has left."""
    from torch import distributed

    if agreed:
        with contextlib.suppress(RuntimeError):
            distributed.barrier()


def _tells_first(memory: TCPStore) -> bool:
    """Say whether no other process has told of an error yet."""
    try:
        return memory.add("told", 1) == 1
    except RuntimeError:  # the launcher is gone, and the job's memory with it
        return True


def _is_lost_connection(error: RuntimeError) -> bool:
    from torch import distributed

    return isinstance(error, distributed.DistError) or "gloo" in str(error)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    with (
        open(os.devnull, "w", encoding="utf-8") as nothing,
        contextlib.redirect_stdout(nothing),
        contextlib.redirect_stderr(nothing),
    ):
        yield
