"""Stopping when asked to: Ctrl-C, or a signal of a scheduler, never in the middle of a step."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterable, Iterator
from multiprocessing import resource_tracker
from types import FrameType
from typing import TypeVar

from baselines.distributed import World

T = TypeVar("T")
SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)
)
"""Ctrl-C; what a scheduler sends some seconds before it kills; SLURM's `--signal=USR1@60`."""


class Stopped(KeyboardInterrupt):
    """A signal asked this process to stop. No Exception: nothing on the way is to swallow it."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(f"stopped by {signal.Signals(number).name}")

    @property
    def exit_code(self) -> int:
        """Return what a shell would report of a process that the signal ended."""
        return 128 + self.number


class Stop:
    """Whether this process was asked to stop, and when it may do so.

    While `listening`, the first signal raises Stopped at once, unless work is under way that is to
    be whole (`later`): then it is kept, and raised where that work may be left (`at_once`), or at
    its end. Whatever comes after the first one changes nothing: what is being saved is saved.

    Several processes stop together, between two items (see `World.in_step`), and never `at_once`.
    """

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World()
        self.number: int | None = None  # of the first signal
        self.waits = False

    @contextlib.contextmanager
    def listening(self) -> Iterator[Stop]:
        """Be the one who is told of signals; only a process's main thread can."""
        before = {number: signal.signal(number, self._receive) for number in SIGNALS}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def later(self) -> Iterator[None]:
        """Finish what is done in the block before stopping, but for what is done `at_once`.

        Raises:
            Stopped: at the end of the block.
        """
        before, self.waits = self.waits, True
        try:
            yield
        finally:
            self.waits = before
        if self.number is not None and not before:
            raise Stopped(self.number)

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Leave the block when asked to stop; do not even enter it if that was before.

        Raises:
            Stopped: see above.
        """
        if self.world.size > 1:
            yield
            return
        before, self.waits = self.waits, False
        try:
            if self.number is not None:
                raise Stopped(self.number)
            yield
        finally:
            self.waits = before

    def between(self, items: Iterable[T]) -> Iterator[T]:
        """Pass items on; waiting for one is done `at_once`, what is done with it is not."""
        if self.world.size > 1:
            yield from self.world.in_step(items, lambda: self.number or 0, Stopped)
            return
        iterator = iter(items)
        while True:
            with self.at_once():
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.number is None:
            self.number = number
            if not self.waits:
                raise Stopped(number)


@contextlib.contextmanager
def deaf_children() -> Iterator[None]:
    """Let processes that are started in the block never hear of the signals that stop a training.

    Ctrl-C and schedulers send them to the whole group: the workers have to go on until the training
    process has saved and ends them. A signal that comes meanwhile reaches this process after it.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # it starts with the first child, and until Python 3.12 unblocks what it blocked itself
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
