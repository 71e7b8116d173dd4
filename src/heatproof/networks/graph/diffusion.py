"""Heat flow over the nodes as the last part of a network: u ↦ e^{−t𝓛}u, by steps that keep [0, 1].

𝓛 = diag(W1) − W. An explicit step u ← u − κ𝓛u is an average, and keeps the comparison principle, iff
κ ≤ 1/max_i Σ_{j≠i} W_ij. Published settings (arXiv 2403.15726: κ = .35, 20 steps on Cora, where the bound is
.174) are beyond it: probabilities leave [0, 1]. Here the total time t = steps·κ is what one sets.
"""

from __future__ import annotations

import math
from typing import Literal, Self, final

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from heatproof._check import message
from heatproof._specification import Specification
from heatproof.equation.graph import (
    Graph,
    explicit_steps,
    implicit_steps,
    monotone_steps,
    poisson_weights,
    walk_average,
)
from heatproof.errors import InputError, ModelError

__all__ = ["GraphDiffusion", "GraphFlow"]

_IMPLICIT_STEPS = 10


@final
class GraphFlow(Specification):
    """How far probabilities diffuse over the nodes, and by which scheme.

    Fields:
        time: t, at diffusivity 1. Source of the default: 7 = 20·.35 (arXiv 2403.15726).
        method: `explicit` steps; `implicit` steps (I + κ𝓛)u_new = u; or `exact`, e^{−t𝓛} as an average over a
            random walk (uniformisation), to `tolerance`. All of them keep [0, 1] and sums over classes.
        steps: explicit: the fewest within the bound if left out, and fewer than those are refused; implicit:
            any number, 10 if left out, with an error of order t²/steps; exact takes none.
        tolerance: what the exact flow may leave out, in shares of the range of u.

    Cost of edges·K each: t/κ (explicit; 41 on Cora), about t/κ + 6·√(t/κ) (exact), some 15 to 30 a step
    (implicit); a gradient costs the same again and no memory.
    """

    time: float = Field(7.0, ge=0, le=1e6)
    method: Literal["explicit", "implicit", "exact"] = "explicit"
    steps: int | None = Field(None, ge=1, le=1_000_000)
    tolerance: float = Field(1e-7, ge=1e-15, le=0.1)

    @model_validator(mode="after")
    def _check_steps(self) -> Self:
        if self.method == "exact" and self.steps is not None:
            allowed = "steps with explicit or implicit; exact takes none"
            raise InputError(message("steps", self.steps, allowed), name="steps")
        return self


@final
class GraphDiffusion(nn.Module):
    """u ↦ the heat flow from u on one graph, (N, K) to (N, K); nothing in it is trained.

    `steps` and `kappa` = t/steps say what is done (explicit and implicit). It follows u to its device.
    Errors: `InputError` for explicit steps beyond the bound, which it names; `ModelError` where the systems
    of implicit steps are too large for the precision of u.
    """

    def __init__(self, graph: Graph, flow: GraphFlow) -> None:
        super().__init__()
        self.graph, self.flow = graph, flow
        self.graph_digest = graph.digest
        self.steps = _steps(graph, flow)
        self.kappa = flow.time / self.steps if self.steps else 0.0
        self._weights = _weights(graph, flow)

    def forward(self, u: Float[Tensor, "nodes classes"]) -> Float[Tensor, "nodes classes"]:
        """Return the values at time t."""
        if self.flow.time == 0:
            return u
        if self.flow.method == "exact":
            return walk_average(self.graph, u, self._weights)
        if self.flow.method == "explicit":
            return explicit_steps(self.graph, u, self.kappa, self.steps)
        values, remains = implicit_steps(self.graph, u, self.kappa, self.steps)
        if not remains <= math.sqrt(torch.finfo(u.dtype).eps):
            got = f"implicit steps of κ = {self.kappa:.3g} whose systems are solved to {remains:.3g} only"
            advice = "Take more steps, or method exact or explicit."
            raise ModelError(message("diffusion", got, "shorter steps", advice), name="diffusion")
        return values

    def extra_repr(self) -> str:
        """Return the settings for `print(model)`."""
        how = f", {self.steps} steps of κ = {self.kappa:.4g}" if self.steps else ""
        return f"{self.graph.nodes} nodes, time={self.flow.time:g}, {self.flow.method}{how}"


def _steps(graph: Graph, flow: GraphFlow) -> int:
    """Return the number of steps; 0 for the exact flow."""
    if flow.method == "exact":
        return 0
    if flow.method == "implicit":
        return flow.steps or _IMPLICIT_STEPS
    fewest = monotone_steps(graph, flow.time)
    if flow.steps is not None and flow.steps < fewest:
        got = f"{flow.steps}, κ = {flow.time / flow.steps:.4g}"
        allowed = f"{fewest} or more, κ ≤ {graph.monotone_step:.4g}, for time {flow.time:g} on this graph"
        advice = "Longer steps take probabilities out of [0, 1]. Leave steps out, or take method implicit."
        raise InputError(message("steps", got, allowed, advice), name="steps")
    return flow.steps or fewest


def _weights(graph: Graph, flow: GraphFlow) -> list[float]:
    if flow.method != "exact" or flow.time == 0:
        return []
    return poisson_weights(flow.time / graph.monotone_step, flow.tolerance)[0]
