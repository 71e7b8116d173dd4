"""A residual network as a velocity field: block l moves the points on the l-th part of the path."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import final

from torch import Tensor

from heatproof._check import check_number, message
from heatproof.equation._numbers import check_tensor
from heatproof.equation._time import EquationTime
from heatproof.equation.velocity._velocity import Velocity
from heatproof.errors import InputError

__all__ = ["NetworkVelocity"]


@final
class NetworkVelocity(Velocity):
    """v(x, t) = (block_l(x) − x)/Δt for t ∈ (T − (l+1)Δt, T − lΔt], Δt = T/L, blocks 0 … L−1.

    The time of the equation runs opposite to depth: the first block acts at t = T. One Euler step of size Δt
    from t = T − lΔt is block l itself, up to rounding (arXiv 2307.12333). Blocks keep the shape.
    Errors: `InputError` for no blocks, what cannot be called, a time that is not > 0, a block that changes
    the shape, or t outside [0, T].
    """

    def __init__(self, blocks: Sequence[Callable[[Tensor], Tensor]], time: float = 1.0) -> None:
        if not isinstance(blocks, Iterable):
            got, allowed = (
                f"a {type(blocks).__name__}",
                "modules (B, *event) to (B, *event), one after the other",
            )
            raise InputError(message("blocks", got, allowed, "One block alone: [block]."), name="blocks")
        self.blocks = tuple(blocks)
        self.time = check_number("time", time, above=0)
        if not self.blocks or not all(map(callable, self.blocks)):
            got = f"{len(self.blocks)} of them" if not self.blocks else "some that cannot be called"
            raise InputError(message("blocks", got, "modules (B, *event) to (B, *event), at least one"))

    @property
    def time_step(self) -> float:
        """Δt = T/L, the step of one block."""
        return self.time / len(self.blocks)

    def block_at(self, t: EquationTime) -> int:
        """Return l, the number of the block that acts at time t."""
        now = float(t.detach()) if isinstance(t, Tensor) else float(t)
        depth = (self.time - now) / self.time_step
        if not -1e-6 <= depth <= len(self.blocks) + 1e-6:
            got, allowed = f"{now:g}", f"a time in [0, {self.time:g}], where the blocks are"
            raise InputError(message("t", got, allowed), name="t")
        return min(len(self.blocks) - 1, max(0, math.floor(depth + 1e-6)))

    def _at(self, x: Tensor, t: EquationTime) -> Tensor:
        number = self.block_at(t)
        after = check_tensor(f"blocks[{number}]", self.blocks[number](x), "the shape of its input")
        if after.shape != x.shape:
            got, allowed = f"shape {tuple(after.shape)}", f"the shape of its input, {tuple(x.shape)}"
            raise InputError(message(f"blocks[{number}]", got, allowed), name="blocks")
        return (after - x) / self.time_step
