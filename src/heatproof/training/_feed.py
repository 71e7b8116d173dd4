"""The rows of the training split where training runs: moved there once if they fit, else batch by batch."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from heatproof.data import Split

__all__ = ["Feed"]

_SHARE = 0.25
"""Of an accelerator's free memory: what a split may take; the rest is for activations."""


@final
class Feed:
    """Rows of a split by their places."""

    def __init__(self, split: Split, device: torch.device) -> None:
        self._device = device
        self.resident = _fits(split, device)
        place = device if self.resident else split.x.device
        self._x, self._y = split.x.to(place), split.y.to(place)

    def placed(self, order: Tensor) -> Tensor:
        """Return places where `rows` wants them; once an epoch."""
        return order.to(self._x.device)

    def rows(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Return inputs and labels on the training device, without waiting for it."""
        x, y = self._x.index_select(0, places), self._y.index_select(0, places)
        return (x, y) if self.resident else (self._moved(x), self._moved(y))

    def _moved(self, values: Tensor) -> Tensor:
        if self._device.type == "cuda":  # only from pinned memory a copy runs beside the computation
            values = values.pin_memory()
        return values.to(self._device, non_blocking=True)


def _fits(split: Split, device: torch.device) -> bool:
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return split.x.nbytes + split.y.nbytes <= _SHARE * free
    return device.type == "cpu"
