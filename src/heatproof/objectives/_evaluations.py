"""Where the convection–diffusion objective evaluates the network, all in one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

__all__ = ["Points", "Values"]


@dataclass(frozen=True)
class Values:
    """Logits (B, K) at time number k, at the data and at the residual's points, and of the views.

    `views` is (1/τ, 2·S·J, B, K): the pairs of S sets of J, first all x + offset, then all x − offset.
    """

    at_data: dict[int, Tensor]
    centre: dict[int, Tensor]
    views: Tensor


@dataclass(frozen=True)
class Points:
    """All points (R·B, *event) with the time of each; `step` is h."""

    x: Tensor
    times: Tensor
    step: float
    at_data: Sequence[int]
    at_centre: Sequence[int]
    steps: int

    @classmethod
    def of(
        cls,
        x: Tensor,
        centre: Tensor,
        times: tuple[Sequence[int], Sequence[int]],
        offsets: Sequence[Tensor],
        step: float,
    ) -> Self:
        """Stack x and the residual's points at their times, and the views at the time before each step."""
        first, second = times
        blocks = [x.expand(len(first), *x.shape), centre.expand(len(second), *x.shape)]
        blocks += [torch.cat([centre + each, centre - each]) for each in offsets]
        steps, pairs = len(offsets), 2 * len(offsets[0])
        k = [*first, *second, *(k for k in range(steps) for _ in range(pairs))]
        at = torch.tensor(k, dtype=x.dtype, device=x.device) / steps
        stacked = torch.cat(blocks).flatten(0, 1)
        return cls(stacked, at.repeat_interleave(len(x)), step, first, second, steps)

    def split(self, logits: Tensor) -> Values:
        """Return the logits (R, B, K) by what they are."""
        first, second = len(self.at_data), len(self.at_data) + len(self.at_centre)
        at_data = dict(zip(self.at_data, logits[:first], strict=True))
        centre = dict(zip(self.at_centre, logits[first:second], strict=True)) or at_data
        return Values(at_data, centre, logits[second:].unflatten(0, (self.steps, -1)))
