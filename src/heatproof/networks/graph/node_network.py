"""The module that every network on a graph is: features of all nodes in, logits at all nodes out."""

from __future__ import annotations

from typing import final

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from heatproof._check import message
from heatproof.errors import InputError
from heatproof.networks.graph._features import RowNormalise
from heatproof.networks.graph.diffusion import GraphDiffusion
from heatproof.networks.time import Time, append_time

__all__ = ["NodeNetwork"]


@final
class NodeNetwork(nn.Module):
    """x ↦ logits at every node, (N, F) to (N, K), on a graph that is fixed when it is built.

    z = base(normalise(x)), u⁰ = softmax(z). Without `diffusion` the logits are z, with it they are log u,
    u = e^{−t𝓛}u⁰: their softmax is u. The rows of x belong to *one* input, the whole matrix: an answer at one
    node depends on the features of others, so certificates of rows do not apply (`certify_nodes` does).

    x is floating-point, or sparse (COO) where no gradient to it is asked for: the same logits up to rounding,
    at a cost that grows with the numbers above 0 only. Time enters as one more feature, the same at every
    node, and only dense. Errors: `InputError` for inputs of another shape or kind.
    """

    def __init__(
        self,
        base: nn.Module,
        shape: tuple[int, int],
        *,
        row_normalise: bool = False,
        diffusion: GraphDiffusion | None = None,
        time_conditioned: bool = False,
    ) -> None:
        super().__init__()
        self.event_shape = shape
        self.time_conditioned = time_conditioned
        self.normalise = RowNormalise() if row_normalise else None
        self.base = base
        self.diffusion = diffusion

    @property
    def takes_sparse(self) -> bool:
        """Whether features may be sparse."""
        return not self.time_conditioned

    def forward(self, x: Shaped[Tensor, "*shape"], t: Time = None) -> Float[Tensor, "nodes classes"]:
        """Return logits (N, K); t is a number or a tensor () in [0, 1], for time-conditioned networks."""
        logits = self.base_logits(x, t)
        if self.diffusion is None:
            return logits
        u: Tensor = self.diffusion(torch.softmax(logits, dim=1))
        return u.clamp_min(torch.finfo(u.dtype).tiny).log()

    def base_logits(self, x: Shaped[Tensor, "*shape"], t: Time = None) -> Float[Tensor, "nodes classes"]:
        """Return z, the logits before diffusion."""
        self._check(x, t)
        values = x if self.normalise is None else self.normalise(x)
        logits: Tensor = self.base(append_time(values, t) if self.time_conditioned else values)
        return logits

    def probabilities(self, x: Shaped[Tensor, "*shape"], t: Time = None) -> Float[Tensor, "nodes classes"]:
        """Return u as it comes out of the diffusion, with nothing clamped."""
        u = torch.softmax(self.base_logits(x, t), dim=1)
        if self.diffusion is None:
            return u
        flowed: Tensor = self.diffusion(u)
        return flowed

    def _check(self, x: Tensor, t: Time) -> None:
        tensor = isinstance(x, Tensor)
        if not tensor or tuple(x.shape) != self.event_shape or not x.is_floating_point():
            got = f"{x.dtype} of shape {tuple(x.shape)}" if tensor else f"a {type(x).__name__}"
            allowed = f"a floating-point tensor {self.event_shape}"
            advice = "The features of all nodes are one input, without a batch."
            raise InputError(message("x", got, allowed, advice), name="x")
        if x.is_sparse and (x.requires_grad or not self.takes_sparse):
            allowed = "dense features for a network with time, or for a gradient to them"
            raise InputError(message("x", "sparse features", allowed, "Take x.to_dense()."), name="x")
        if not self.time_conditioned and t is not None:
            raise InputError(message("t", t, "None for a network without time"), name="t")
