"""A command in a process of its own that can be interrupted, and waiting until it is far enough."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["started", "wait_until"]


@contextmanager
def started(words: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Start a command that hears Ctrl-C; kill it at the end of the block."""
    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=_hear_interrupts,  # noqa: PLW1509 - one signal handler, set before anything runs
        **options,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until(process: subprocess.Popen[str], ready: Callable[[], bool]) -> None:
    """Wait, at most a minute, until `ready`; the process must still be running then."""
    end = time.monotonic() + 60
    while not ready():
        assert process.poll() is None, "ended before it could be interrupted"
        assert time.monotonic() < end
        time.sleep(0.005)


def _hear_interrupts() -> None:
    """A suite started in the background ignores Ctrl-C, and its children would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
