"""Workers: pieces of work on threads side by side, handed out lazily, results in order."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Self, TypeVar

import torch

from heatproof.certification.sampling.forward import Forward
from heatproof.errors import HeatproofError

__all__ = ["Workers"]

Piece = TypeVar("Piece")
Result = TypeVar("Result")

_START = 60.0


class Workers:
    """One thread for each forward pass, each on one processor; with one pass only, no thread at all.

    PyTorch lets other threads run while it computes, so draws, passes and counts of several pieces go on at
    the same time. `with Workers(passes) as workers:` ends the threads, after an error or Ctrl-C too.
    """

    def __init__(self, passes: Sequence[Forward]) -> None:
        self._free: queue.SimpleQueue[Forward] = queue.SimpleQueue()
        for one in passes:
            self._free.put(one)
        self._count = len(passes)
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        if self._count > 1:
            self._pool = _started(self._count)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def map(
        self, work: Callable[[Forward, Piece], Result], pieces: Iterable[Piece | None]
    ) -> Iterator[Result]:
        """Yield `work(forward, piece)` for each piece, in order; the first error ends it.

        `pieces` is asked for more in the caller's thread, just before a result is waited for, and for no more
        than twice as many as there are workers. It may decide by the results it has seen, and give None where
        it wants to see another one first.
        """
        line: _Line[Piece, Result] = _Line(pieces, 2 * self._count if self._pool else 1)
        try:
            while line.filled(lambda piece: self._submit(work, piece)):
                yield line.first()
        finally:
            line.cancel()

    def _submit(self, work: Callable[[Forward, Piece], Result], piece: Piece) -> Future[Result]:
        if self._pool is not None:
            return self._pool.submit(self._run, work, piece)
        done: Future[Result] = Future()
        done.set_result(self._run(work, piece))
        return done

    def _run(self, work: Callable[[Forward, Piece], Result], piece: Piece) -> Result:
        forward = self._free.get()
        try:
            return work(forward, piece)
        finally:
            self._free.put(forward)


class _Line(Generic[Piece, Result]):
    """What is being worked on, oldest first, and where more comes from."""

    def __init__(self, pieces: Iterable[Piece | None], length: int) -> None:
        self._pieces = iter(pieces)
        self._length = length
        self._open: deque[Future[Result]] = deque()
        self._ended = False

    def filled(self, submit: Callable[[Piece], Future[Result]]) -> bool:
        """Hand out more work; return whether a result is to be waited for."""
        while not self._ended and len(self._open) < self._length:
            try:
                piece = next(self._pieces)
            except StopIteration:
                self._ended = True
                break
            if piece is None:
                break
            self._open.append(submit(piece))
        if not self._ended and not self._open:
            raise HeatproofError("the pieces wait for a result, and no work is under way")
        return bool(self._open)

    def first(self) -> Result:
        """Wait for the oldest result."""
        return self._open.popleft().result()

    def cancel(self) -> None:
        for future in self._open:
            future.cancel()


def _started(count: int) -> ThreadPoolExecutor:
    """Start all threads, each with one thread of PyTorch's, and leave the caller's number as it was."""
    ready = threading.Barrier(count + 1, timeout=_START)

    def begin() -> None:
        torch.get_num_threads()  # PyTorch sets a new thread's number when it is first asked: before ours
        torch.set_num_threads(1)
        ready.wait()

    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(count, thread_name_prefix="heatproof", initializer=begin)
    for _ in range(count):
        pool.submit(int)
    ready.wait()
    torch.set_num_threads(before)  # set_num_threads speaks for threads to come, too
    return pool
