"""Whether grids are made by loops that numba compiled, or by NumPy: with equal results."""

from __future__ import annotations

import functools
import importlib.util
from types import ModuleType

from challenge import cli

LANES, NORMALISED_ROWS = 1024, 64
"""Cells are summed by rows of LANES, and of so many rows at a time: in one order, whoever sums."""


@functools.cache
def compiled() -> ModuleType | None:
    """Import the compiled loops; None where numba is not installed, or fails, which is warned of.

    The first import ever compiles them, in some seconds; later ones take half a second.
    """
    if importlib.util.find_spec("numba") is None:
        return None
    try:
        from challenge.representations import compiled as loops
    except Exception as error:  # a numba that does not fit this NumPy can raise anything
        cli.warn_once(
            f"numba fails ({type(error).__name__}: {error}); NumPy makes the grids of events, in "
            "three to five times the time: `bash run.sh setup`, or `pip install -U numba`"
        )
        return None
    return loops
