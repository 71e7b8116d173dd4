"""The kinds of noise that are measured, each as a residual block, with what theory says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from torch import nn

from heatproof.networks import (
    BranchDropout,
    GaussianInjection,
    MultiplicativeNoise,
    ShakeShake,
    StateDropout,
    StochasticDepth,
)
from heatproof.studies.diffusivity.plain import PlainBlock

if TYPE_CHECKING:
    from heatproof.studies.diffusivity.study import Diffusivity

__all__ = ["KINDS", "Kind", "MakeVelocity"]

MakeVelocity: TypeAlias = Callable[[], nn.Module]
"""Makes the velocity of a block, from (B, width) to (B, width)."""


@dataclass(frozen=True)
class Kind:
    """One kind of noise: its key, its name, its block (from settings, velocity, step), how it is set.

    `order` is the k of ½ΣC ~ Δtᵏ over a fixed time, for a fixed velocity and fixed settings: 1 where the
    covariance of a step is of order Δt², −1 where it is of order 1; None where no formula is at hand.
    """

    key: str
    words: str
    block: Callable[[Diffusivity, MakeVelocity, float], nn.Module]
    setting: Callable[[Diffusivity], str]
    order: int | None

    @property
    def title(self) -> str:
        """The name at the head of a sentence; code keeps its case."""
        return self.words if "." in self.words else self.words[0].upper() + self.words[1:]

    @property
    def has_formula(self) -> bool:
        """Whether the block states its own diffusion."""
        return self.order is not None


KINDS = (
    Kind(
        "gaussian",
        "Gaussian injection",
        lambda study, velocity, step: GaussianInjection(velocity(), study.noise_std, step=step),
        lambda study: f"a = {study.noise_std:g}",
        -1,
    ),
    Kind(
        "multiplicative",
        "multiplicative noise",
        lambda study, velocity, step: MultiplicativeNoise(velocity(), study.noise_share, step=step),
        lambda study: f"a = {study.noise_share:g}·|x|",
        -1,
    ),
    Kind(
        "state-dropout",
        "state dropout",
        lambda study, velocity, step: StateDropout(velocity(), study.state_keep, step=step),
        lambda study: f"q = {study.state_keep:g}",
        -1,
    ),
    Kind(
        "branch-dropout",
        "branch dropout",
        lambda study, velocity, step: BranchDropout(velocity(), study.keep, step=step),
        lambda study: f"q = {study.keep:g}",
        1,
    ),
    Kind(
        "stochastic-depth",
        "stochastic depth",
        lambda study, velocity, step: StochasticDepth(velocity(), study.keep, step=step),
        lambda study: f"q = {study.keep:g}",
        1,
    ),
    Kind(
        "shake-shake",
        "shake-shake",
        lambda _, velocity, step: ShakeShake(velocity(), velocity(), step=step),
        lambda _: "α ~ U(0, 1)",
        1,
    ),
    Kind(
        "plain-dropout",
        "nn.Dropout, by others",
        lambda study, _, step: PlainBlock(study.width, study.keep, step),
        lambda study: f"p = {1 - study.keep:.3g}",
        None,
    ),
)
"""Every kind, strongest in these settings first."""
