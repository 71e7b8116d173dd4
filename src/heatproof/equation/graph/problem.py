"""Heat flow over the nodes of a graph."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jaxtyping import Float, Int64
from torch import Tensor

from heatproof._check import check_inputs, check_number, message
from heatproof.equation.graph.graph import Graph
from heatproof.errors import InputError

__all__ = ["GraphProblem"]


@dataclass(frozen=True, eq=False)
class GraphProblem:
    """u_t = −σ²𝓛u on the nodes of a graph, u(·, start) = `initial` (N, K), up to `time`.

    Its solution is u(t) = e^{−(t − start)σ²𝓛}·initial: K values a node, class probabilities for instance.
    K explicit steps u ← u − κ𝓛u are the time Kκ at diffusivity 1 (arXiv 2403.15726). Solutions are
    differentiable in `initial`. Errors: `InputError` for values of another shape or not finite, a negative
    diffusivity, or `time` not after `start`.
    """

    graph: Graph
    initial: Tensor
    diffusivity: float = 1.0
    time: float = 1.0
    start: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.graph, Graph):
            raise InputError(message("graph", f"a {type(self.graph).__name__}", "a Graph"), name="graph")
        values = check_inputs("initial", self.initial)
        if values.ndim != 2 or len(values) != self.graph.nodes:
            got, allowed = f"shape {tuple(values.shape)}", f"({self.graph.nodes}, K), one row a node"
            raise InputError(message("initial", got, allowed), name="initial")
        check_number("diffusivity", self.diffusivity, at_least=0)
        check_number("time", self.time, above=check_number("start", self.start))

    def check_time(self, t: float) -> float:
        """Return t as a float. Errors: `InputError` unless start ≤ t ≤ time."""
        return check_number("t", t, at_least=self.start, at_most=self.time)

    def from_values(self, initial: Float[Tensor, "nodes values"], start: float | None = None) -> GraphProblem:
        """Return the problem on the same graph from other values, at another time if given."""
        return replace(self, initial=initial, start=self.start if start is None else start)

    def initial_values(self, x: Int64[Tensor, " batch"]) -> Float[Tensor, "batch values"]:
        """Return the initial values at some nodes."""
        return self.initial[x]
