"""Bytes of tensors alive, counted below autograd while a function runs."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class LiveBytes(TorchDispatchMode):
    """Adds the storage of each tensor that an operation makes, and subtracts it when it is freed.

    Storages that an operation finds as its input were there before and do not count. What a kernel allocates
    and frees within one operation is not seen.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.peak = 0
        self._known: dict[int, int] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operation and count what it made."""
        del types
        for storage in _storages((args, kwargs)):
            self._add(storage, 0)
        result = func(*args, **(kwargs or {}))
        for storage in _storages(result):
            self._add(storage, storage.nbytes())
        return result

    def _add(self, storage: torch.UntypedStorage, size: int) -> None:
        key = storage._cdata  # noqa: SLF001 - the one name of a storage that an empty one has too
        if key not in self._known:
            self._known[key] = size
            self.live += size
            self.peak = max(self.peak, self.live)
            weakref.finalize(storage, self._remove, key)

    def _remove(self, key: int) -> None:
        self.live -= self._known.pop(key)


def peak_bytes(call: Callable[[], object]) -> int:
    """Return the most bytes of tensors that the call made and held at a time."""
    with LiveBytes() as counter:
        call()
    return int(counter.peak)


def _storages(values: Any) -> Iterator[torch.UntypedStorage]:
    if isinstance(values, torch.Tensor):
        yield values.untyped_storage()
    elif isinstance(values, dict):
        yield from _storages(list(values.values()))
    elif isinstance(values, list | tuple):
        for one in values:
            yield from _storages(one)
