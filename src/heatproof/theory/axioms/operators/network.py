"""The evolution operator that a residual network is: f ↦ E f(flow of the blocks), from depth by time."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from heatproof._check import check_number, check_whole, message
from heatproof.errors import InputError
from heatproof.noise.keyed import Stage, Stream
from heatproof.theory.axioms._finding import Axiom
from heatproof.theory.axioms._functions import Function

__all__ = ["NetworkEvolution"]

_SLACK = 1e-6
_ROWS = 16_384
"""Most rows that go through a block at once."""


@final
class NetworkEvolution:
    """T_{t,r} f(x) = E f(X), X after the blocks that act between t and r; block l of L on (T−(l+1)Δt, T−lΔt].

    The time of the equation runs opposite to depth: the first block acts at t = T, and T_{T,0} is the whole
    network in front of f (arXiv 2307.12333). `r` lies on a block boundary. `t` may lie inside a block: then
    the share θ of its step is taken, x + θ(m − x) + √θ(y − m), with y the block's output and m its mean, so
    that mean and variance of the step grow with time as those of a path do. The Markov property holds over
    whole blocks.

    Without `draws`, the blocks are maps and T f = f∘Φ: linear, monotone, constants stay, whatever Φ. With
    `draws` = n they are random (noise layers that are switched on): T f is the mean of f over n paths. Path j
    has the same noise at every point, for every f and in every call, keyed by (seed, block), so that the
    operator of one seed is one fixed average: linear, monotone, constants stay; Markov up to the error of
    the draws only. Means m of partial steps are those over the draws.

    Blocks act on states (B, *event) and keep their shape; modules are copied (to `dtype`, if given) and stay
    in the modes they are in. Rows must not depend on each other: not checked here, but measured by the axiom
    `batch`. Noise is that of PyTorch's global generator, whose state is left as it was.
    Cost, with draws: blocks·n rows for each point, at most 16,384 at once. Gradients are those of the paths.
    Errors: `InputError` for no blocks, what cannot be called, a block that changes the shape, a time outside
    [0, T], r inside a block.
    """

    def __init__(
        self,
        blocks: Sequence[Callable[[Tensor], Tensor]],
        time: float = 1.0,
        *,
        draws: int | None = None,
        seed: int = 0,
        dtype: torch.dtype | None = None,
    ) -> None:
        if not blocks or not all(map(callable, blocks)):
            got = "some that cannot be called" if blocks else "none"
            raise InputError(message("blocks", got, "modules (B, *event) to (B, *event), at least one"))
        self.blocks = tuple(_copied(block, dtype) for block in blocks)
        self.time = check_number("time", time, above=0)
        self.draws = None if draws is None else check_whole("draws", draws, at_least=2)
        self.seed = check_whole("seed", seed, at_least=0)

    @property
    def time_step(self) -> float:
        """Δt = T/L."""
        return self.time / len(self.blocks)

    @property
    def sampled(self) -> bool:
        """Whether values are means over draws."""
        return self.draws is not None

    @property
    def constructions(self) -> frozenset[Axiom]:
        """What holds for any mean of f over points that do not depend on f; Markov where nothing is drawn."""
        kept: frozenset[Axiom] = frozenset({"comparison", "linearity", "constants"})
        return kept if self.sampled else kept | {"markov"}

    def reseeded(self, seed: int) -> NetworkEvolution:
        """Return the operator with other draws."""
        again = copy.copy(self)
        again.seed = check_whole("seed", seed, at_least=0)
        return again

    def __call__(
        self, f: Function, x: Float[Tensor, "batch *event"], t: float, r: float | None = None
    ) -> Float[Tensor, "batch values"]:
        """Return (T_{t,r} f)(x), (B, K); r = 0 if left out."""
        acting = list(self._acting(t, 0.0 if r is None else r))
        if self.draws is None:
            for number, share in acting:
                x = self._moved(number, x, share)
            return f(x)
        values = f(self._ends(x, acting).flatten(0, 1))
        means: Tensor = values.unflatten(0, (len(x), self.draws)).mean(dim=1)
        return means

    def _acting(self, t: float, r: float) -> Iterator[tuple[int, float]]:
        """Yield the blocks that act from t down to r, each with the share of it that does."""
        first, last = ((self.time - check_number("t, r", one)) / self.time_step for one in (t, r))
        if not -_SLACK <= first <= last <= len(self.blocks) + _SLACK:
            raise InputError(message("t, r", f"{t:g} and {r:g}", f"0 ≤ r ≤ t ≤ {self.time:g}"), name="t")
        if abs(last - round(last)) > _SLACK:
            allowed = f"a boundary of blocks, a multiple of {self.time_step:g}"
            raise InputError(message("r", f"{r:g}", allowed), name="r")
        for number in range(math.floor(first + _SLACK), round(last)):
            share = min(1.0, number + 1 - first)
            yield number, 1.0 if share > 1 - _SLACK else share

    def _moved(self, number: int, x: Tensor, share: float) -> Tensor:
        """Return the states after a share of a block; rows are draws if there are any."""
        after = self.blocks[number](x)
        if after.shape != x.shape:
            got = f"one from {tuple(x.shape)} to {tuple(after.shape)}"
            raise InputError(message(f"blocks[{number}]", got, "a block that keeps the shape"), name="blocks")
        if share == 1.0:
            return after
        mean = after if self.draws is None else after.mean(dim=0, keepdim=True)
        return x + share * (mean - x) + math.sqrt(share) * (after - mean)

    def _ends(self, x: Tensor, acting: Sequence[tuple[int, float]]) -> Tensor:
        """Return where the paths from each point end, (B, draws, *event)."""

        def paths(point: Tensor) -> Tensor:
            return self._paths(point[None], acting)

        most = max(1, _ROWS // (self.draws or 1))
        with torch.random.fork_rng(devices=[x.device] if x.is_cuda else []):
            try:
                ends: Tensor = torch.func.vmap(paths, randomness="same", chunk_size=most)(x)
            except RuntimeError:  # a block that vmap cannot take: the same draws, point by point
                ends = torch.stack([paths(point) for point in x])
        return ends

    def _paths(self, x: Tensor, acting: Sequence[tuple[int, float]]) -> Tensor:
        """Return where the paths from one point (1, *event) end: (draws, *event)."""
        state = x.expand(self.draws or 1, *x.shape[1:])
        for number, share in acting:
            torch.manual_seed(Stream(self.seed, number, Stage.PATHS).word(0))
            state = self._moved(number, state, share)
        return state


def _copied(block: Callable[[Tensor], Tensor], dtype: torch.dtype | None) -> Callable[[Tensor], Tensor]:
    if not isinstance(block, nn.Module):
        return block
    copied = copy.deepcopy(block).requires_grad_(requires_grad=False)
    return copied if dtype is None else copied.to(dtype)
