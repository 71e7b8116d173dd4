"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from heatproof.errors import StorageError

__all__ = ["write_atomically"]


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file under a temporary name, flush it to the disk, and move it into place.

    Errors: `StorageError`; a file that was there before is then as it was.
    """
    temporary = path.with_name(f".{path.name}.partial")
    blob = content.encode() if isinstance(content, str) else content
    try:
        with temporary.open("wb") as stream:
            stream.write(blob)
            stream.flush()
            os.fsync(stream.fileno())  # else a power cut could leave the new name on empty blocks
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        advice = "What was stored before is intact."
        reason = error.strerror or type(error).__name__
        raise StorageError(f"{path.name}: could not be written ({reason}). {advice}") from error
