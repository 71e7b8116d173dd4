"""The search for the worst case: random starts, then gradient ascent on the violation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from heatproof._check import check_number, check_whole
from heatproof.theory.axioms._functions import Parameters

__all__ = ["Effort", "Found", "follow", "search"]

Violation = Callable[[Parameters], Tensor]
"""From parameters to scores, (B,) or (B, K): what is to be made large."""


@dataclass(frozen=True)
class Effort:
    """How much is spent on a search: `starts` random draws, `ascents` steps of size `rate` from the best."""

    starts: int = 6
    ascents: int = 30
    rate: float = 0.1

    def __post_init__(self) -> None:
        check_whole("starts", self.starts)
        check_whole("ascents", self.ascents, at_least=0)
        check_number("rate", self.rate, above=0)


@dataclass
class Found:
    """The largest score, the parameters that have it, and its place among the scores."""

    score: float = -torch.inf
    parameters: Parameters = field(default_factory=dict)
    place: tuple[int, ...] = (0,)
    finite: bool = True

    def take(self, scores: Tensor, parameters: Parameters) -> None:
        """Remember what is larger than all before; a score that is not finite ends the search."""
        values = scores.detach()
        if not bool(torch.isfinite(values).all()):
            self.finite = False
            values = values.nan_to_num(nan=torch.inf, posinf=torch.inf, neginf=torch.inf)
        best = int(values.argmax())
        if float(values.flatten()[best]) > self.score:
            self.score = float(values.flatten()[best])
            self.place = tuple(int(i) for i in torch.unravel_index(torch.tensor(best), values.shape))
            self.parameters = {name: value.detach().clone() for name, value in parameters.items()}


def search(
    violation: Violation,
    draw: Callable[[torch.Generator], Parameters],
    effort: Effort,
    generator: torch.Generator,
    *,
    given: Sequence[Parameters] = (),
) -> Found:
    """Return the worst case found by ascent from the best of random starts, or of the starts given.

    Where the operator is differentiable, Adam climbs all scores at once: the best point of each function and
    the best function of each point. Elsewhere, random steps are kept if they are better.
    """
    found = Found()
    for parameters in given or [draw(generator) for _ in range(effort.starts)]:
        with torch.no_grad():
            found.take(violation(parameters), parameters)
    if not found.finite or not effort.ascents:
        return found
    if not _climb(violation, found, effort):
        _wander(violation, found, effort, generator)
    return found


def _same(found: Found, number: int) -> Sequence[Parameters]:
    """Return the worst case of the scale before."""
    del number
    return [found.parameters]


def follow(
    violations: Sequence[Violation],
    draw: Callable[[torch.Generator], Parameters],
    effort: Effort,
    generator: torch.Generator,
    closer: Callable[[Found, int], Sequence[Parameters]] = _same,
) -> list[Found]:
    """Return the worst case at each scale of a limit: each search goes on from the one before.

    `closer(found, number)` gives the starts at scale `number` from what was found at the one before. What
    was found at the last scale is tried at all: that a search improves on its way is then no growth.
    """
    short = Effort(effort.starts, max(1, effort.ascents // 4), effort.rate)
    found = [search(violations[0], draw, effort, generator)]
    for number, violation in enumerate(violations[1:], start=1):
        found.append(search(violation, draw, short, generator, given=closer(found[-1], number)))
    last = found[-1].parameters
    with torch.no_grad():
        for violation, one in zip(violations, found, strict=True):
            one.take(violation(last), last)
    return found


def _climb(violation: Violation, found: Found, effort: Effort) -> bool:
    """Ascend; return False where there is no gradient."""
    leaves = {name: value.clone().requires_grad_() for name, value in found.parameters.items()}
    optimiser = torch.optim.Adam(list(leaves.values()), lr=effort.rate, eps=1e-30, maximize=True)
    for number in range(effort.ascents):
        scores = violation(leaves)
        found.take(scores, leaves)
        if not found.finite:
            return True
        if not scores.requires_grad:
            return False
        slopes = torch.autograd.grad(_total(scores), list(leaves.values()), allow_unused=True)
        if number == 0 and not any(slope is not None and bool(slope.any()) for slope in slopes):
            return False
        for leaf, slope in zip(leaves.values(), slopes, strict=True):
            leaf.grad = torch.zeros_like(leaf) if slope is None else slope.nan_to_num(0.0, 0.0, 0.0)
        optimiser.step()
    with torch.no_grad():
        found.take(violation(leaves), leaves)
    return True


def _wander(violation: Violation, found: Found, effort: Effort, generator: torch.Generator) -> None:
    """Try random steps from the best so far."""
    for _ in range(effort.ascents):
        moved = {
            name: value
            + 3 * effort.rate * torch.randn(value.shape, generator=generator, dtype=torch.float64).to(value)
            for name, value in found.parameters.items()
        }
        with torch.no_grad():
            found.take(violation(moved), moved)
        if not found.finite:
            return


def _total(scores: Tensor) -> Tensor:
    if scores.ndim == 1:
        return scores.sum()
    return scores.amax(dim=0).sum() + scores.amax(dim=1).sum()
