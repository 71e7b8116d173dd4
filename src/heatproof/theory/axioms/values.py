"""What can be asked of a trained g(x, t), which is no operator: range, consistency in time, the equation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof._check import check_number, check_whole
from heatproof.equation import noise_std_of
from heatproof.equation.laplacian import Axes, estimate
from heatproof.theory.axioms._arena import Arena
from heatproof.theory.axioms._finding import Finding, judge
from heatproof.theory.axioms._functions import Parameters
from heatproof.theory.axioms._search import Found, search

__all__ = ["TimedValues", "ValuesArena", "consistency_in_time", "measure_values", "residual", "value_range"]

TimedValues: TypeAlias = Callable[[Tensor, float], Tensor]
"""g, from points (B, *event) and a time to values (B, K): class probabilities of a network, say."""

_Z = 4.9
"""Two-sided normal quantile of 10⁻⁶."""


@dataclass(frozen=True)
class ValuesArena:
    """Where a g(x, t) with u_t = σ²Δu on [0, 1] is asked.

    `diffusivity` is σ². The equation's residual is taken by central differences of half-width `time_step` in
    time and `space_step` in space (h = noise_std of that time, √(2σ²·time_step), if left out). The search for
    the worst case of consistency averages over `draws` antithetic pairs of noise, its judgement over
    `fresh_draws` new ones.
    """

    arena: Arena
    diffusivity: float
    time_step: float = 0.1
    space_step: float | None = None
    draws: int = 32
    fresh_draws: int = 4096

    def __post_init__(self) -> None:
        check_number("diffusivity", self.diffusivity, above=0)
        check_number("time_step", self.time_step, above=0, at_most=0.5)
        check_whole("draws", self.draws)
        check_whole("fresh_draws", self.fresh_draws, at_least=100)

    @property
    def spacing(self) -> float:
        """h, the step of differences in space."""
        return self.space_step or noise_std_of(self.diffusivity, self.time_step)


def measure_values(g: TimedValues, asked: ValuesArena, limits: tuple[float, float]) -> tuple[Finding, ...]:
    """Return the findings of `value_range`, `consistency_in_time` and `residual`."""
    return value_range(g, asked, limits), consistency_in_time(g, asked), residual(g, asked)


def value_range(g: TimedValues, asked: ValuesArena, limits: tuple[float, float]) -> Finding:
    """Search for x and t ∈ [0, 1] with g(x, t) outside `limits`, the range of the initial values.

    The comparison principle keeps u within it. Class probabilities are in [0, 1] by construction; logits are
    in no range. Size: how far outside.
    """
    low, high = limits
    calls = _Calls(g)

    def violation(parameters: Parameters) -> Tensor:
        x = asked.arena.place(parameters)
        found = torch.stack([calls(x, t) for t in (0.0, 0.5, 1.0)])
        return torch.maximum(low - found, found - high).amax(dim=0)

    found = search(violation, _draw(asked.arena), asked.arena.effort, asked.arena.generator)
    eps = torch.finfo(asked.arena.points.dtype).eps
    return judge(
        "range",
        f"how far g(x, t) leaves [{low:g}, {high:g}]",
        max(0.0, found.score),
        16 * eps * max(abs(low), abs(high)),
        evaluations=calls.values,
        worst=_worst(asked.arena, found),
    )


def consistency_in_time(
    g: TimedValues, asked: ValuesArena, spans: tuple[tuple[float, float], ...] = ((0.0, 1.0), (0.0, 0.5))
) -> Finding:
    """Search for x and times z < t with g(x, t) ≠ E g(x + √(2σ²(t − z))·ξ, z), its own heat flow.

    `spans` are the (z, t). The worst case of the search is judged by fresh noise: the interval is normal, of
    two-sided level 10⁻⁶, for |g(x, t) − E|; violated if it excludes 0. Size: the difference at that case;
    `numbers` has the mean over points and classes at the widest span.
    """
    calls = _Calls(g)
    noise = _normals(asked, asked.draws, asked.arena.seed + 1)

    def violation(parameters: Parameters) -> Tensor:
        x = asked.arena.place(parameters)
        parts = [(_gap(calls, asked, x, span, noise)).mean(dim=0).abs() for span in spans]
        return torch.cat([part.amax(dim=1, keepdim=True) for part in parts], dim=1)

    found = search(violation, _draw(asked.arena), asked.arena.effort, asked.arena.generator)
    fresh = _normals(asked, asked.fresh_draws, asked.arena.seed + 2)
    row = found.place[0]
    x = asked.arena.place(found.parameters).detach()[row : row + 1]
    span = spans[found.place[1]]
    with torch.no_grad():
        gaps = torch.cat([_gap(calls, asked, x, span, part) for part in fresh.split(512)])[:, 0]
        mean = float(_gap(calls, asked, asked.arena.points, spans[0], noise).mean(dim=0).abs().mean())
    centre, error = gaps.mean(dim=0), gaps.std(dim=0) / math.sqrt(len(gaps))
    number = int(centre.abs().argmax())
    size, half = float(centre.abs()[number]), _Z * float(error[number])
    return judge(
        "consistency in time",
        "|g(x, t) − heat flow of g(·, z)|",
        size,
        float(torch.finfo(x.dtype).eps) * 64,
        evaluations=calls.values,
        enclosure=(max(0.0, size - half), size + half),
        worst={**_worst(asked.arena, found), "from": span[0], "to": span[1], "class": number},
        numbers={"mean": mean},
        note=f"mean over points and classes {mean:.3g}; interval of level 10⁻⁶ from {len(fresh)} pairs",
    )


def residual(g: TimedValues, asked: ValuesArena, time: float = 0.5) -> Finding:
    """Search for x with |g_t − σ²Δg|(x, time) large, by central differences in time and along all axes.

    The residual is computed with the steps and with half of them; the worst is that of the finer one, and
    the difference of the two, which for smooth g is 3 times the error of the finer one, encloses it. For a
    network of ReLU the Laplacian has no limit as h → 0 (it lives on the kinks): the residual is one at the
    scale h. `numbers` has its root mean square over points and classes, and that of g_t.
    Cost: 2(2d + 3) evaluations a point and step of the search.
    """
    calls = _Calls(g)

    def both(x: Tensor) -> tuple[Tensor, Tensor]:
        return tuple(_residual(calls, asked, x, time, shrink) for shrink in (1.0, 0.5))  # type: ignore[return-value]

    def violation(parameters: Parameters) -> Tensor:
        return both(asked.arena.place(parameters))[1].abs()

    found = search(violation, _draw(asked.arena), asked.arena.effort, asked.arena.generator)
    x = asked.arena.place(found.parameters).detach()
    with torch.no_grad():
        coarse, fine = (float(one[found.place]) for one in both(x))
        typical = float(both(asked.arena.points)[1].square().mean().sqrt())
        change = _slope(calls, asked.arena.points, time, asked.time_step / 2)
    half = abs(fine - coarse)
    rounding = 64 * torch.finfo(x.dtype).eps * x[0].numel() / (asked.spacing / 2) ** 2 * asked.diffusivity
    return judge(
        "equation",
        "|g_t − σ²Δg|(x)",
        abs(fine),
        rounding,
        evaluations=calls.values,
        enclosure=(max(0.0, abs(fine) - half), abs(fine) + half),
        worst=_worst(asked.arena, found),
        numbers={"rms": typical, "rms_of_slope": float(change.square().mean().sqrt())},
        note=f"root mean square over points and classes {typical:.3g}",
    )


class _Calls:
    """g, with its values counted."""

    def __init__(self, g: TimedValues) -> None:
        self.g, self.values = g, 0

    def __call__(self, x: Tensor, t: float) -> Tensor:
        found = self.g(x, t)
        self.values += found.numel()
        return found


def _residual(g: TimedValues, asked: ValuesArena, x: Tensor, time: float, shrink: float) -> Tensor:
    bend = estimate(Axes(), lambda y: g(y, time), x, asked.spacing * shrink, asked.arena.generator)
    return _slope(g, x, time, asked.time_step * shrink) - asked.diffusivity * bend


def _slope(g: TimedValues, x: Tensor, time: float, half: float) -> Tensor:
    return (g(x, time + half) - g(x, time - half)) / (2 * half)


def _normals(asked: ValuesArena, draws: int, seed: int) -> Float[Tensor, "draws *event"]:
    source = torch.Generator().manual_seed(seed)
    points = asked.arena.points
    return torch.randn(draws, *points.shape[1:], generator=source, dtype=torch.float64).to(points)


def _gap(
    g: TimedValues, asked: ValuesArena, x: Tensor, span: tuple[float, float], noise: Tensor
) -> Float[Tensor, "draws batch values"]:
    """Return g(x, t) − the mean of an antithetic pair of noisy values at z, for each draw."""
    z, t = span
    moves = noise_std_of(asked.diffusivity, t - z) * noise[:, None]
    ends = torch.cat([x + moves, x - moves]).flatten(0, 1)
    values = g(ends, z).unflatten(0, (2, len(noise), len(x)))
    gaps: Tensor = g(x, t) - values.mean(dim=0)
    return gaps


def _draw(arena: Arena) -> Callable[[torch.Generator], Parameters]:
    return lambda generator: {"x": arena.draw_points(generator)}


def _worst(arena: Arena, found: Found) -> dict[str, object]:
    point = arena.place(found.parameters)[found.place[0]].flatten()
    return {"point": [round(float(value), 6) for value in point[:8]]}
