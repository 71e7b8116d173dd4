"""Noise layers as settings: which noise the residual blocks of a network carry, for configurations.

network: {name: resnet, noise_layers: {name: stochastic_depth, survival: 0.8}}
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Annotated, Literal, TypeAlias, final

from pydantic import Field
from torch import nn

from heatproof._specification import Specification
from heatproof.networks.noise_layers import (
    BranchDropout,
    EquationLayer,
    GaussianInjection,
    MultiplicativeNoise,
    NoiseLayer,
    ShakeShake,
    StateDropout,
    StochasticDepth,
)
from heatproof.networks.residual import Residual

__all__ = [
    "BlockNoise",
    "BranchDropoutNoise",
    "GaussianNoise",
    "MultiplicativeGaussianNoise",
    "NoiseLayers",
    "ShakeShakeNoise",
    "StateDropoutNoise",
    "StochasticDepthNoise",
    "residual_layer",
]

_Make: TypeAlias = Callable[[], nn.Module]
_Size = Annotated[float, Field(ge=0, le=1e6)]
_Keep = Annotated[float, Field(gt=0, le=1)]


class BlockNoise(Specification, ABC):
    """The noise of one residual block: on in training, off in evaluation (`NoiseLayer`)."""

    name: str

    @abstractmethod
    def layer(self, make: _Make, step: float = 1.0) -> NoiseLayer:
        """Return the block x + step·F(x) with this noise; each call of `make` makes a new branch F."""


@final
class GaussianNoise(BlockNoise):
    """a·ε on the state after each block, a = `noise_std` (`GaussianInjection`)."""

    name: Literal["gaussian_injection"] = "gaussian_injection"
    noise_std: _Size

    def layer(self, make: _Make, step: float = 1.0) -> GaussianInjection:
        """Return the block."""
        return GaussianInjection(make(), self.noise_std, step=step)


@final
class MultiplicativeGaussianNoise(BlockNoise):
    """a·x⊙ε, in proportion to the state, a = `noise_std` (`MultiplicativeNoise`)."""

    name: Literal["multiplicative_noise"] = "multiplicative_noise"
    noise_std: _Size

    def layer(self, make: _Make, step: float = 1.0) -> MultiplicativeNoise:
        """Return the block."""
        return MultiplicativeNoise(make(), self.noise_std, step=step)


@final
class BranchDropoutNoise(BlockNoise):
    """Dropout at the end of the branch, `keep` the probability of keeping (`BranchDropout`)."""

    name: Literal["branch_dropout"] = "branch_dropout"
    keep: _Keep

    def layer(self, make: _Make, step: float = 1.0) -> BranchDropout:
        """Return the block."""
        return BranchDropout(make(), self.keep, step=step)


@final
class StateDropoutNoise(BlockNoise):
    """Dropout on the state that goes round the branch, `keep` the probability of keeping (`StateDropout`)."""

    name: Literal["state_dropout"] = "state_dropout"
    keep: _Keep

    def layer(self, make: _Make, step: float = 1.0) -> StateDropout:
        """Return the block."""
        return StateDropout(make(), self.keep, step=step)


@final
class StochasticDepthNoise(BlockNoise):
    """The branch left out at random, `survival` the probability that it stays (`StochasticDepth`).

    Huang et al. 2016 lower it linearly with depth; here it is the same in all blocks.
    """

    name: Literal["stochastic_depth"] = "stochastic_depth"
    survival: _Keep

    def layer(self, make: _Make, step: float = 1.0) -> StochasticDepth:
        """Return the block."""
        return StochasticDepth(make(), self.survival, step=step)


@final
class ShakeShakeNoise(BlockNoise):
    """Two branches a block, mixed at random (`ShakeShake`): twice the parameters and the cost."""

    name: Literal["shake_shake"] = "shake_shake"

    def layer(self, make: _Make, step: float = 1.0) -> ShakeShake:
        """Return the block."""
        return ShakeShake(make(), make(), step=step)


NoiseLayers: TypeAlias = Annotated[
    GaussianNoise
    | MultiplicativeGaussianNoise
    | BranchDropoutNoise
    | StateDropoutNoise
    | StochasticDepthNoise
    | ShakeShakeNoise,
    Field(discriminator="name"),
]
"""Settings of any noise of a residual block, told apart by `name`: the type of a network's field."""


def residual_layer(noise: BlockNoise | None, make: _Make, step: float = 1.0) -> EquationLayer:
    """Return the block x + step·F(x), with this noise if there is any."""
    return Residual(make(), step) if noise is None else noise.layer(make, step)
