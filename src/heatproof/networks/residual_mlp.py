"""The residual network on vectors: Euler's scheme for the characteristics of the transport equation."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import nn

from heatproof.networks._base import ACTIVATIONS, Activation, Depth, NetworkBase, Width
from heatproof.networks.noise_settings import BlockNoise, NoiseLayers
from heatproof.networks.residual import Residual

__all__ = ["ResidualMLP", "ResidualMLPBackbone", "Velocity"]


class ResidualMLP(NetworkBase):
    """Dense residual blocks, each an Euler step of a flow; takes inputs of any shape, flattened.

    x_0 = W x + b (to `width` features), x_{l+1} = x_l + Δt·F_l(x_l) with Δt = 1/`depth` and
    F_l(x) = W2 ρ(W1 x + b1) + b2, logits = linear head of x_depth.

    This is the explicit Euler scheme of the characteristics x'(r) = v(x, T − r) of u_t = v·∇u (arXiv
    2307.12333), with F_l(x) = v(x, T − lΔt). The time of the equation runs opposite to depth: the first block
    acts at the latest time, the head (the base classifier) sits at t = 0. Δt = 1/depth keeps the sum of all
    steps of order one, so weights start as PyTorch's `Linear` does and nothing else is done for stability: on
    8×8 digits, SGD with learning rate 0.1 and momentum 0.9 trained depths from 1 to 100 without diverging.

    `noise_layers` puts noise on every step: Gaussian injection of noise_std a makes it the Euler–Maruyama
    scheme of dX = v dr + √(2A) dB with A = a²·depth/2·I over one unit of time.

    Parameters: (d + 1)·w + 2·depth·(w + 1)·w + (w + 1)·K for d inputs, width w, K classes;
    shake-shake has each velocity twice.
    """

    takes: ClassVar[Literal["vectors"]] = "vectors"
    usual_input: ClassVar[tuple[int, ...]] = (784,)

    name: Literal["residual_mlp"] = "residual_mlp"
    width: Width = 256
    depth: Depth = 6
    activation: Activation = "relu"
    noise_layers: NoiseLayers | None = None

    def _backbone(self, event: tuple[int, ...], classes: int) -> ResidualMLPBackbone:
        sizes = (event[0], self.width, self.depth, classes)
        return ResidualMLPBackbone(*sizes, self.activation, noise=self.noise_layers)


class Velocity(nn.Module):
    """F(x) = W2 ρ(W1 x + b1) + b2, from (B, width) to (B, width): the velocity of one step."""

    def __init__(self, width: int, activation: Activation) -> None:
        super().__init__()
        self.inner = nn.Linear(width, width)
        self.activation = ACTIVATIONS[activation]()
        self.outer = nn.Linear(width, width)

    def forward(self, x: Float[torch.Tensor, "batch width"]) -> Float[torch.Tensor, "batch width"]:
        """Return F(x)."""
        velocity: torch.Tensor = self.outer(self.activation(self.inner(x)))
        return velocity

    def lipschitz_parts(self) -> list[nn.Module]:
        """Return the modules that this is the composition of."""
        return [self.inner, self.activation, self.outer]


class ResidualMLPBackbone(nn.Module):
    """Lift, `depth` Euler steps of size 1/depth, head: (B, *event), flattened, to logits (B, classes)."""

    def __init__(
        self,
        features: int,
        width: int,
        depth: int,
        classes: int,
        activation: Activation,
        *,
        noise: BlockNoise | None = None,
    ) -> None:
        super().__init__()
        self.step, self.noisy = 1.0 / depth, noise is not None
        self.lift = nn.Linear(features, width)
        self.velocities = nn.ModuleList(
            Velocity(width, activation)
            if noise is None
            else noise.layer(lambda: Velocity(width, activation), self.step)
            for _ in range(depth)
        )
        self.head = nn.Linear(width, classes)

    def forward(self, x: Float[torch.Tensor, "batch *event"]) -> Float[torch.Tensor, "batch classes"]:
        """Return logits (B, K)."""
        state: torch.Tensor = self.lift(x.flatten(1))
        for velocity in self.velocities:
            state = velocity(state) if self.noisy else state + self.step * velocity(state)
        logits: torch.Tensor = self.head(state)
        return logits

    def lipschitz_parts(self) -> list[nn.Module]:
        """Return the modules that this is the composition of; each step is 1 + Λ/depth."""
        steps = [one if self.noisy else Residual(one, self.step) for one in self.velocities]
        return [nn.Flatten(), self.lift, *steps, self.head]
