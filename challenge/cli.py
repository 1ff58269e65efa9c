"""What every command line shares: exit codes, and errors as sentences."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any

import typer

from challenge.errors import ChallengeError, disk_errors

INTERRUPTED = 130


@functools.cache
def warn_once(text: str) -> None:
    """Print `warning: TEXT` to stderr, the first time that this process says it."""
    print(f"warning: {text}", file=sys.stderr, flush=True)


def run(
    command: Callable[..., Any],
    argv: Sequence[str] | None = None,
    name: str = "",
    **context: Any,
) -> int:
    """Parse `argv` (default: the process's own) for a typer `command`, call it, return the exit
    code.

    0: done (or what the command returned, if that is an int); 1: a ChallengeError, or a disk that
    is full, read-only or the like, printed to stderr as `error: …`; 2: arguments that cannot be
    parsed; 130: Ctrl-C.

    Args:
        context: keyword arguments of `command` that are no options, such as the folder of all
            runs: a caller may set them, who types the command may not.
    """

    @functools.wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            with disk_errors():
                result = command(*args, **kwargs, **context)
        except ChallengeError as error:
            print(f"error: {error}", file=sys.stderr)
            raise typer.Exit(1) from error
        except KeyboardInterrupt as error:
            print("interrupted", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from error
        if isinstance(result, int):
            raise typer.Exit(result)

    signature = inspect.signature(command, eval_str=True)
    options = [each for each in signature.parameters.values() if each.name not in context]
    guarded.__signature__ = signature.replace(parameters=options)  # type: ignore[attr-defined]
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(context_settings={"help_option_names": ["-h", "--help"]})(guarded)
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        app(args=arguments, prog_name=name or None)
    except SystemExit as exit:
        return exit.code if isinstance(exit.code, int) else 0
    return 0
