"""The memory allocator of the command line's own process; the library never touches it.

glibc hands large blocks back to the kernel as soon as they are freed, and the kernel clears every page of the
next one: for passes of a few hundred images that is half of the time. Here freed memory stays in the process.
The process keeps as much as it ever held at once, until it ends. Set HEATPROOF_ALLOCATOR=default in the
environment to leave the allocator alone. Elsewhere than on glibc nothing is done.
"""

from __future__ import annotations

import ctypes
import os

from heatproof.errors import InputError

__all__ = ["keep_memory"]

_VARIABLE = "HEATPROOF_ALLOCATOR"
_WORDS = ("keep", "default")
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
"""The names of malloc.h: M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX."""
_SETTINGS = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 64 * 2**20))


def keep_memory() -> bool:
    """Keep freed memory in this process from here on; return whether that was done.

    No block has a mapping of its own, the heap is never trimmed and grows by 64 MiB at least. Before PyTorch
    is loaded, so that all of its memory is so. Errors: `InputError` for another word in the environment.
    """
    word = os.environ.get(_VARIABLE) or _WORDS[0]
    if word not in _WORDS:
        raise InputError(f"{_VARIABLE}: got {word!r}; allowed: {' or '.join(_WORDS)}.", name=_VARIABLE)
    if word == "default" or not _is_glibc():
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(mallopt(name, value) == 1 for name, value in _SETTINGS)


def _is_glibc() -> bool:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (AttributeError, ValueError, OSError):  # no such question elsewhere
        return False
