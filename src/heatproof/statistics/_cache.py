"""Boundaries kept between processes, in the user's cache folder; nothing read from it is trusted."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path

from heatproof.statistics._boundary import Boundary

__all__ = ["folder", "load", "save"]

_FORMAT = 5
_LONGEST = 4_000_000
_UNUSABLE = (OSError, ValueError, TypeError, OverflowError, RecursionError, MemoryError)


def folder() -> Path | None:
    """Return heatproof's folder in XDG_CACHE_HOME or ~/.cache, or None where there is no home."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    with contextlib.suppress(RuntimeError):
        base = Path(named) if Path(named).is_absolute() else Path.home() / ".cache"
        return base / "heatproof" / "boundaries"
    return None


def load(threshold: float, alpha: float, horizon: int) -> Boundary | None:
    """Return the stored boundary if it is whole and of this question, its level computed anew; else None.

    A file that is missing, damaged or forged is no error: the caller calibrates again.
    """
    with contextlib.suppress(*_UNUSABLE):
        path = _path(threshold, alpha, horizon)
        if path is not None and path.stat().st_size <= _LONGEST:
            stored = Boundary.from_mapping(json.loads(path.read_text(encoding="utf-8")))
            if (stored.threshold, stored.alpha, stored.horizon) == (threshold, alpha, horizon):
                return stored
    return None


def save(boundary: Boundary) -> None:
    """Store a boundary, in one step or not at all; a folder that cannot be written is no error."""
    with contextlib.suppress(*_UNUSABLE):
        path = _path(boundary.threshold, boundary.alpha, boundary.horizon)
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(boundary.to_mapping(), file)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _path(threshold: float, alpha: float, horizon: int) -> Path | None:
    where = folder()
    name = f"{_FORMAT}_{threshold.hex()}_{alpha.hex()}_{horizon}.json"
    return None if where is None else where / name
