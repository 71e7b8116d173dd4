"""What a layer that stands for one step of the equation's paths can say: its velocity and its diffusion."""

from __future__ import annotations

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

from heatproof._check import check_number, message
from heatproof.equation import Diffusion, FunctionVelocity, Velocity
from heatproof.errors import InputError

__all__ = ["EquationLayer", "kept_shape"]


class EquationLayer(nn.Module, ABC):
    """A layer as one step Δt of dX = v dr + √(2A) dB: x ↦ x + Δt·v(x) + noise of covariance C(x) = 2Δt·A(x).

    Shapes: (B, *event) to the same, each row on its own (arXiv 2307.12333, section 2). What the methods
    say is said of the inner modules in the modes that they are in now: call `eval()` first where they have
    batch normalisation. Noise inside a branch is not counted.
    """

    @abstractmethod
    def mean_step(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch *event"]:
        """Return E[layer(x)], the step without this layer's noise."""

    @abstractmethod
    def diffusion(self, time_step: float) -> Diffusion:
        """Return A = C/(2Δt) of the noise when it is on, Δt = `time_step` > 0, the same at all times t.

        No d × d matrix is made unless one is asked for. C of noise on a branch F = Δt·v is of order Δt², so
        that its A vanishes with Δt; ½C, which no choice of Δt changes, is what the layer adds to ∫A dt.
        """

    def step_covariance(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch d d"]:
        """Return C(x), the covariance of one noisy step, over flattened states. Cost: B·d² numbers."""
        return self.diffusion(0.5).matrix(x, 0.0)

    def velocity(self, time_step: float) -> Velocity:
        """Return v(x) = (mean_step(x) − x)/Δt, the same at all times t, Δt = `time_step` > 0."""
        duration = check_number("time_step", time_step, above=0)
        return FunctionVelocity(lambda x, _: (self.mean_step(x) - x) / duration)


def kept_shape(moved: object, x: Tensor) -> Tensor:
    """Return what a branch answered to x. Errors: `InputError` unless it is a tensor of the shape of x."""
    if not isinstance(moved, Tensor):
        got = f"one that answers a {type(moved).__name__}"
        raise InputError(message("branch", got, "a module that keeps the shape"), name="branch")
    if moved.shape != x.shape:
        got = f"one from {tuple(x.shape)} to {tuple(moved.shape)}"
        raise InputError(message("branch", got, "a module that keeps the shape"), name="branch")
    return moved
