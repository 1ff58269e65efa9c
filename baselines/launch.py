"""Start several processes of one command, by torchrun: `launch`. What torchrun starts is this
module, which calls the command's `main`.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from baselines.distributed import GIVE_UP, MEMORY, is_launched, leave
from challenge import REPOSITORY
from challenge.environment.cores import cores
from challenge.environment.memory import GIB, free_memory
from challenge.errors import ChallengeError, ConfigError

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

    def options(self) -> list[str]:
        """Return the arguments of torchrun."""
        options = [f"--nproc-per-node={self.nproc or 1}", f"--max-restarts={self.restarts}"]
        if self.rendezvous is None:
            return [*options, "--standalone"]
        return [
            *options,
            f"--nnodes={self.nnodes}",
            f"--local-addr={address_towards(self.rendezvous)}",
            "--rdzv-backend=c10d",
            f"--rdzv-endpoint={self.rendezvous}",
            f"--rdzv-id={os.environ.get('SLURM_JOB_ID', 'efnet')}",
        ]


def address_towards(meeting_point: str) -> str:
    """Find the address of this machine by which another one, HOST:PORT, is reached: the others
    reach it by that one too, whatever they make of its name.

    Raises:
        ConfigError: no such host, or no way there.
    """
    host, _, port = meeting_point.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ConfigError(f"--rdzv {meeting_point}: expected HOST:PORT, such as first:29500")
    try:
        kind, *_, place = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)[0]
        with socket.socket(kind, socket.SOCK_DGRAM) as probe:  # nothing is sent
            probe.connect(place)
            return str(probe.getsockname()[0])
    except OSError as error:
        raise ConfigError(
            f"--rdzv {meeting_point}: {host} is not reached from here: {error}; expected the name "
            "or the address of one of the nodes, and a free port of it"
        ) from error


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
    from torch.distributed import DistError, TCPStore, run  # type: ignore[attr-defined]
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.elastic.rendezvous import RendezvousError

    for name in ("torch.distributed", "torch.distributed.elastic.agent.server.api"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # told here, in a sentence
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // (plan.nproc or 1))))
    # by default torchrun keeps one store for all starts, where gloo finds addresses of the dead
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    kept = None if plan.rendezvous else TCPStore("localhost", 0, is_master=True)
    os.environ[MEMORY] = f"localhost:{kept.port}" if kept else str(plan.rendezvous)
    signal.signal(getattr(signal, GIVE_UP), _give_up)
    signal.signal(signal.SIGUSR1, _end)  # schedulers send it some time before they end a job
    script = str(REPOSITORY / "challenge" / "environment" / "run_module.py")
    options = run.parse_args([*plan.options(), script])  # type: ignore[no-untyped-call]
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
        raise ChallengeError(
            f"the nodes did not find each other, or another one has ended ({error}); all of "
            f"{plan.nnodes} are to be started with the same --nnodes and --rdzv"
        ) from error
    return 0


def _give_up(*_: object) -> None:
    raise GaveUp


def _end(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _killed(rank: int, number: int, restarts: int) -> str:
    name = signal.Signals(number).name
    tried = f", after {restarts} new starts" if restarts else ""
    why = " (as the system does where memory ends)" if name == "SIGKILL" else ""
    return f"process {rank} was ended by {name}{why}{tried}"


if __name__ == "__main__":
    name, count = sys.argv[1], int(sys.argv[2])
    places = [Path(text) for text in sys.argv[3 : 3 + count]]
    sys.exit(leave(importlib.import_module(name).main(sys.argv[3 + count :], *places)))
