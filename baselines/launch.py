"""Start several processes of one command, by torchrun: `launch`. What torchrun starts is this
module, which calls the command's `main`.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from baselines.distributed import GIVE_UP, MEMORY, is_launched, leave
from baselines.meeting import Meeting, meet
from challenge import REPOSITORY
from challenge.environment.cores import cores
from challenge.environment.memory import GIB, free_memory
from challenge.errors import ChallengeError, ConfigError

if TYPE_CHECKING:
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

IDLE = int(0.3 * GIB)
"""Bytes of a process that has imported torch, before it has read anything."""


@dataclass(frozen=True)
class Launch:
    """How many processes there are to be, and where."""

    nproc: int | None = None  # on this machine; None: just this one
    nnodes: int = 1
    rendezvous: str | None = None  # HOST:PORT of one of the nodes
    restarts: int = 0  # so often all start again when one ends before its time

    @property
    def asked_for(self) -> bool:
        """Say whether this process is to start others; those that it starts get the same words."""
        return not is_launched() and (self.nproc is not None or self.nnodes > 1)

    def check(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigError: lists every problem.
        """
        problems = [
            f"--{name} {value}: expected at least {least}"
            for name, value, least in (
                ("nproc", self.nproc if self.nproc is not None else 1, 1),
                ("nnodes", self.nnodes, 1),
                ("max-restarts", self.restarts, 0),
            )
            if value < least
        ]
        if self.nnodes > 1 and not self.rendezvous:
            problems.append(f"--nnodes {self.nnodes}: needs --rdzv HOST:PORT, one of the nodes")
        if problems:
            raise ConfigError("processes that cannot be started", problems)

    def options(self, meeting: Meeting | None) -> list[str]:
        """Return the arguments of torchrun."""
        options = [f"--nproc-per-node={self.nproc or 1}", f"--max-restarts={self.restarts}"]
        if meeting is None:
            return [*options, "--standalone"]
        return [
            *options,
            f"--nnodes={self.nnodes}",
            f"--local-addr={meeting.address}",
            "--rdzv-backend=c10d",
            f"--rdzv-endpoint={meeting.endpoint}",
            # two on one machine: torch finds out which of them is first
            *([] if meeting.hosted else ["--rdzv-conf=is_host=0"]),
            f"--rdzv-id={os.environ.get('SLURM_JOB_ID', 'efnet')}",
        ]


def require_room(count: int) -> None:
    """Refuse so many processes on this machine that they would take its memory before any work.

    Raises:
        ConfigError: says how many there could be.
    """
    free = free_memory()
    if free is not None and count * IDLE > free:
        raise ConfigError(
            f"--nproc {count}: each process takes about {IDLE / GIB:.1f} GiB before any work, and "
            f"this machine has {free / GIB:.1f} GiB free: at most {free // IDLE}; expected one for "
            f"each GPU, or on {cores()} cores not more than {cores()}"
        )


class GaveUp(Exception):
    """A process told of a mistake that starting again would repeat."""


def launch(
    plan: Launch, module: str, argv: Sequence[str], folders: Sequence[Path], again: str
) -> int:
    """Run `module.main(argv, *folders)` in several processes; return the exit code.

    Args:
        plan: how many, and where.
        module: import path of a command, whose `main` returns an exit code.
        argv: its arguments; those that say how many processes there are no longer count.
        folders: further arguments of `main`.
        again: what to do after a kill, for the message.

    After Ctrl-C, or a signal to end, the processes have 30 s to save; the exit code is then what a
    shell would report: 130, 143.

    Raises:
        ChallengeError: a process was killed, or the nodes did not find each other.
    """
    plan.check()
    require_room(plan.nproc or 1)
    meeting = meet(plan.rendezvous) if plan.rendezvous else None
    from torch.distributed import DistError, run
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.elastic.rendezvous import RendezvousError

    for name in ("torch.distributed", "torch.distributed.elastic.agent.server.api"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # told here, in a sentence
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // (plan.nproc or 1))))
    # by default torchrun keeps one store for all starts, where gloo finds addresses of the dead
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    memory, os.environ[MEMORY] = _keep_memory(meeting)  # as long as this function runs
    if meeting and meeting.interface:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", meeting.interface)
    signal.signal(getattr(signal, GIVE_UP), _give_up)
    signal.signal(signal.SIGUSR1, _end)  # schedulers send it some time before they end a job
    script = str(REPOSITORY / "challenge" / "environment" / "run_module.py")
    options = run.parse_args([*plan.options(meeting), script])  # type: ignore[no-untyped-call]
    # afterwards: torchrun's parser would take some of the command's options for its own
    options.training_script_args = [__name__, module, str(len(folders)), *map(str, folders), *argv]
    try:
        run.run(options)  # type: ignore[no-untyped-call]
    except GaveUp:
        return 1
    except SignalException as error:
        return 128 + int(error.sigval)
    except ChildFailedError as error:
        codes = {rank: failure.exitcode for rank, failure in error.failures.items()}
        for rank, code in codes.items():
            if code < 0:
                raise ChallengeError(f"{_killed(rank, -code, plan.restarts)}; {again}") from error
        return next(iter(codes.values()))
    except (RendezvousError, DistError) as error:
        raise ChallengeError(_missed(plan.nnodes, error)) from error
    return 0


def _keep_memory(meeting: Meeting | None) -> tuple[TCPStore | None, str]:
    """Make the store that outlives processes, and say where it is; nodes have that of a meeting."""
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    if meeting:
        return None, meeting.endpoint
    store = TCPStore("localhost", 0, is_master=True)
    return store, f"localhost:{store.port}"


def _give_up(*_: object) -> None:
    raise GaveUp


def _end(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _missed(nodes: int, error: Exception) -> str:
    return (
        f"the nodes did not find each other, or another one has ended ({error}); all of {nodes} "
        "are to be started with the same --nnodes and --rdzv"
    )


def _killed(rank: int, number: int, restarts: int) -> str:
    name = signal.Signals(number).name
    tried = f", after {restarts} new starts" if restarts else ""
    why = " (as the system does where memory ends)" if name == "SIGKILL" else ""
    return f"process {rank} was ended by {name}{why}{tried}"


if __name__ == "__main__":
    name, count = sys.argv[1], int(sys.argv[2])
    places = [Path(text) for text in sys.argv[3 : 3 + count]]
    sys.exit(leave(importlib.import_module(name).main(sys.argv[3 + count :], *places)))
