"""The losses of an epoch: kept on the device, looked at every so often, since a look waits for the device."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import final

import torch
from torch import Tensor

from heatproof.objectives import Losses

__all__ = ["Tally"]


@final
class Tally:
    """Sums of the losses of steps, and the first step whose losses are not finite.

    `every`: steps between looks. `mean`: what makes the values of one process those of all.
    """

    def __init__(self, every: int, mean: Callable[[Tensor], Tensor]) -> None:
        self._every, self._mean = every, mean
        self._names: list[tuple[str, ...]] = []
        self._values: list[Tensor] = []
        self._sums: dict[str, float] = {}
        self._steps = 0

    def add(self, shares: Sequence[Losses]) -> int | None:
        """Take the losses of one step, of each share of its batch; return the step that broke, if known."""
        rows = [{"total": one.total, **one.parts} for one in shares]
        values = [torch.stack([value.detach().float() for value in row.values()]) for row in rows]
        self._names.append(tuple(rows[0]))
        self._values.append(values[0] if len(values) == 1 else torch.stack(values).mean(dim=0))
        return self.look() if len(self._names) >= self._every else None

    def look(self) -> int | None:
        """Wait for the losses since the last look; return the step, from 0, that is not finite, or None."""
        if not self._names:
            return None
        values = iter(self._mean(torch.cat(self._values)).tolist())
        for names in self._names:
            losses = {name: next(values) for name in names}
            if not all(map(math.isfinite, losses.values())):
                return self._steps
            self._sums = {name: self._sums.get(name, 0.0) + value for name, value in losses.items()}
            self._steps += 1
        self._names, self._values = [], []
        return None

    @property
    def means(self) -> dict[str, float]:
        """Means over all steps that were looked at."""
        return {name: value / self._steps for name, value in self._sums.items()}
