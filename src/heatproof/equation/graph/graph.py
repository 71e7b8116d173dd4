"""A graph with symmetric weights, its Laplacian, and the steps that heat flow on it may take.

𝓛 = diag(W1) − W, so (𝓛u)_i = Σ_j W_ij (u_i − u_j): self-loops have no effect. 𝓛 is symmetric and positive
semi-definite; u_t = −σ²𝓛u keeps constants (𝓛1 = 0), mass (1ᵀ𝓛 = 0), and order (W ≥ 0).
"""

from __future__ import annotations

import hashlib
import warnings
from functools import cached_property
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float, Int64
from scipy import sparse
from torch import Tensor

from heatproof._check import message
from heatproof.equation.graph._action import symmetric_action
from heatproof.equation.graph._weights import edge_matrix, symmetric_weights
from heatproof.equation.graph.neighbours import neighbour_weights
from heatproof.errors import InputError

__all__ = ["Graph"]

_DENSE = 256
"""Up to so many nodes all eigenvalues are computed."""
_PRECISION = 1e-4
"""Relative error at which the search for the largest eigenvalue of more nodes ends."""
_COMPRESSED = (torch.float32, torch.float64)
_LARGEST_SUM = 1e150
"""Sums of weights beyond this, or all below its inverse, would overflow in the steps that they bound."""


@final
class Graph:
    """Nodes 0 … N−1 and weights W_ij = W_ji ≥ 0: a dense or sparse matrix (N, N) of torch, numpy or scipy.

    The comparison principle needs only W ≥ 0; kept mass and the eigenvalue bounds need symmetry, which is
    therefore asked for (up to float32 rounding, which is averaged away). Self-loops are allowed and change
    nothing. A node without edges keeps its value for ever. Weights are kept in float64 and are constants: no
    gradient flows to them. Memory: O(N + edges).

    Errors: `InputError` for weights that are negative, not finite or not symmetric (by how much), that add up
    to more than 1e150 at a node or to less than 1e-150 at all of them, a matrix that is not square, and a
    graph without nodes or without an edge between two nodes.
    """

    def __init__(self, weights: object) -> None:
        self._matrix = symmetric_weights(weights)
        off = sparse.coo_matrix(self._matrix - sparse.diags(self._matrix.diagonal()))
        off.eliminate_zeros()
        self._ends = torch.as_tensor(np.stack([off.row, off.col]).astype(np.int64))
        self._values = torch.as_tensor(off.data)
        self.degrees = torch.zeros(self.nodes, dtype=torch.float64).index_add(0, self._ends[0], self._values)
        _check_sums(self.degrees)
        self._operators: dict[tuple[torch.dtype, torch.device], Tensor] = {}

    @classmethod
    def from_edges(
        cls,
        edge_index: Tensor,
        edge_weight: Tensor | None = None,
        nodes: int | None = None,
        *,
        undirected: bool = False,
    ) -> Graph:
        """Return the graph of listed edges, as PyTorch Geometric lists them: (2, E) node numbers, int64.

        Weights (E,) are 1 if left out, `nodes` one more than the largest number. Both directions are listed;
        with `undirected` an edge counts whichever way it is listed, W_ij = W_ji = the larger of the two.
        Errors: as the class, and `InputError` for node numbers out of range and edges listed twice.
        """
        return cls(edge_matrix(edge_index, edge_weight, nodes, undirected=undirected))

    @classmethod
    def nearest_neighbours(
        cls, features: Tensor, neighbours: int, scale_neighbour: int | None = None
    ) -> Graph:
        """Return the graph of k = `neighbours` nearest neighbours with Gaussian weights, symmetrised.

        w_ij = exp(−(d_ij/d_i(k′))²) where j is one of the k nearest of i, else 0; W = (w + wᵀ)/2. d_ij is
        the ℓ2 distance of `features` (N, *event), d_i(k′) that to the k′-th neighbour; k′ = `scale_neighbour`
        is k if left out (weights of this kind: Wang, Luo, Li, Zhu, Shi & Osher 2018, "Deep neural nets with
        interpolating function as output activation"). No node is isolated: w ≥ 1/e for its nearest.
        Cost: the search of scikit-learn, at most N²·d. Errors: `InputError` for k not below N, k′ above k,
        and nodes with k′ others equal to them, where the scale would be 0.
        """
        return cls(neighbour_weights(features, neighbours, scale_neighbour))

    @property
    def nodes(self) -> int:
        """N."""
        return int(self._matrix.shape[0])

    @property
    def edges(self) -> int:
        """The number of pairs of different nodes with a weight above 0."""
        return len(self._values) // 2

    def weights(self) -> Any:
        """Return W, self-loops included, as a scipy CSR matrix of float64 (a copy)."""
        return self._matrix.copy()

    def laplacian(self, u: Float[Tensor, "nodes values"]) -> Float[Tensor, "nodes values"]:
        """Return 𝓛u, differentiable in u, on the device and in the type of u. Cost: edges·K.

        Errors: `InputError` where u is not floating-point with one row a node.
        """
        self._check_values(u)
        return self.degrees.to(u)[:, None] * u - self._neighbour_sum(u)

    def step(self, u: Float[Tensor, "nodes values"], kappa: float) -> Float[Tensor, "nodes values"]:
        """Return u − κ𝓛u as (1 − κ·degrees)·u + κ·Σ_{j≠i} W_ij u_j, for any κ. Cost, errors: as `laplacian`.

        Where κ ≤ `monotone_step` no factor is negative, rounded or not: u ≥ 0 stays ≥ 0 in floating point,
        and the largest value grows by a few roundings at most.
        """
        self._check_values(u)
        kept = 1.0 - kappa * self.degrees
        if kappa <= self.monotone_step * (1 + 1e-12):
            kept = kept.clamp_min(0.0)
        return kept.to(u)[:, None] * u + kappa * self._neighbour_sum(u)

    def weighted_sum(self, u: Float[Tensor, "nodes values"]) -> Float[Tensor, "nodes values"]:
        """Return Wu, self-loops included. Cost and errors: as `laplacian`."""
        self._check_values(u)
        loops = torch.as_tensor(self._matrix.diagonal()).to(u)[:, None]
        return loops * u + self._neighbour_sum(u)

    @cached_property
    def digest(self) -> str:
        """A hash of all weights, in hexadecimal digits: equal for equal graphs."""
        found = hashlib.blake2b(digest_size=16)
        for part in (self._matrix.indptr, self._matrix.indices):
            found.update(part.astype(np.int64).tobytes())
        found.update(self._matrix.data.tobytes())
        return found.hexdigest()

    def __deepcopy__(self, memo: dict[int, Any]) -> Graph:
        """Return the graph itself: it never changes."""
        del memo
        return self

    def _check_values(self, u: Tensor) -> None:
        if not u.is_floating_point() or u.ndim != 2 or len(u) != self.nodes:
            got, allowed = f"{u.dtype} of shape {tuple(u.shape)}", f"floating-point ({self.nodes}, K)"
            raise InputError(message("u", got, allowed), name="u")

    def _neighbour_sum(self, u: Tensor) -> Tensor:
        """Return Σ_{j≠i} W_ij u_j."""
        matrix = self._operator(u)
        return symmetric_action(lambda values: torch.sparse.mm(matrix, values), u)

    def _operator(self, u: Tensor) -> Tensor:
        """Return W without its diagonal, on the device and in the type of u; with compressed rows if it can.

        On a CPU PyTorch multiplies compressed rows forty times as fast as listed entries.
        """
        key = (u.dtype, u.device)
        if key not in self._operators:
            shape = (self.nodes, self.nodes)
            ends, values = self._ends.to(u.device), self._values.to(u)
            matrix = torch.sparse_coo_tensor(ends, values, shape, is_coalesced=True, check_invariants=True)
            if u.dtype in _COMPRESSED:
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
                    matrix = matrix.to_sparse_csr()
            self._operators[key] = matrix
        return self._operators[key]

    @cached_property
    def monotone_step(self) -> float:
        """1/max_i Σ_{j≠i} W_ij: u − κ𝓛u is a convex combination of values of u iff κ is at most this."""
        return 1.0 / float(self.degrees.max())

    @cached_property
    def eigenvalue_bound(self) -> float:
        """A number that λ_max(𝓛) never exceeds: the largest Σ_{j≠a} W_aj + Σ_{j≠b} W_bj over edges ab.

        Anderson & Morley 1985, for weights: the eigenvalues of 𝓛 = BCBᵀ above 0 (incidences B, weights C)
        are those of BᵀBC, whose absolute row sums these are (Gershgorin). At most 2/`monotone_step`.
        """
        return float(self.degrees[self._ends].sum(dim=0).max()) * (1 + 1e-12)

    @cached_property
    def largest_eigenvalue(self) -> float:
        """λ_max(𝓛): of all eigenvalues up to 256 nodes; above that by Lanczos, from below, to about 10⁻⁴."""
        matrix = sparse.diags(np.asarray(self._matrix.sum(axis=1)).ravel()) - self._matrix
        if self.nodes <= _DENSE:
            return float(np.linalg.eigvalsh(matrix.toarray())[-1])
        from scipy.sparse.linalg import eigsh

        first = np.random.default_rng(0).normal(size=self.nodes)
        return float(
            eigsh(
                sparse.csr_matrix(matrix), 1, which="LA", v0=first, tol=_PRECISION, return_eigenvectors=False
            )[0]
        )

    @property
    def stable_step(self) -> float:
        """2/λ_max(𝓛): u − κ𝓛u never grows (in ℓ2) iff κ is at most this. It may still leave the range of u.

        An estimate from above where λ_max is one from below; 2/`eigenvalue_bound` is sure.
        """
        return 2.0 / self.largest_eigenvalue

    def isolated(self) -> Int64[Tensor, " some"]:
        """Return the nodes without an edge to another."""
        return (self.degrees == 0).nonzero()[:, 0]

    def normalised(self, *, self_loops: bool = True) -> Graph:
        """Return the graph with weights D^{−1/2}(A + I)D^{−1/2}, D = diag((A + I)1), A the weights here.

        Kipf & Welling 2017. Without `self_loops` it is D^{−1/2}AD^{−1/2}, D = diag(A1), where an isolated
        node would divide by 0. Errors: `InputError` for that, and for a graph that has self-loops already.
        """
        if self._matrix.diagonal().any():
            got = f"{np.count_nonzero(self._matrix.diagonal())} self-loops"
            raise InputError(
                message("weights", got, "none: normalised adds them", "Is it normalised already?")
            )
        alone = self.isolated()
        if not self_loops and len(alone):
            got = f"{len(alone)} isolated nodes, the first is node {int(alone[0])}"
            raise InputError(message("weights", got, "none without self_loops", "Take largest_component."))
        full = self._matrix + (sparse.identity(self.nodes) if self_loops else 0 * self._matrix)
        root = sparse.diags(1 / np.sqrt(np.asarray(full.sum(axis=1)).ravel()))
        return Graph(root @ full @ root)

    def largest_component(self) -> Int64[Tensor, " some"]:
        """Return the nodes of the largest connected part, in order; the first of equals."""
        _, part = sparse.csgraph.connected_components(self._matrix, directed=False)
        return torch.as_tensor((part == np.bincount(part).argmax()).nonzero()[0])

    def subgraph(self, nodes: Int64[Tensor, " some"]) -> Graph:
        """Return the graph of some nodes, numbered anew in the order given, and the edges between them."""
        kept = self.check_nodes(nodes).numpy(force=True)
        return Graph(self._matrix[kept][:, kept])

    def check_nodes(self, x: Tensor) -> Int64[Tensor, " some"]:
        """Return node numbers (B,) or (B, 1) as (B,). Errors: `InputError` for others."""
        if not isinstance(x, Tensor):
            allowed = f"an int64 tensor of node numbers 0…{self.nodes - 1}"
            raise InputError(message("x", f"a {type(x).__name__}", allowed, "Use torch.tensor."), name="x")
        fits = x.dtype == torch.int64 and x.numel() > 0 and (x.ndim == 1 or (x.ndim == 2 and x.shape[1] == 1))
        if not fits or bool(((x < 0) | (x >= self.nodes)).any()):
            span = f" from {int(x.min())} to {int(x.max())}" if fits else f" of shape {tuple(x.shape)}"
            allowed = f"int64 node numbers 0…{self.nodes - 1}, (B,) or (B, 1), at least one"
            raise InputError(message("x", f"{x.dtype}{span}", allowed), name="x")
        return x.flatten()

    def __repr__(self) -> str:
        return f"Graph({self.nodes} nodes, {self.edges} edges)"


def _check_sums(degrees: Tensor) -> None:
    """Refuse weights with which the steps that they bound are no numbers."""
    largest = float(degrees.max())
    if not 1 / _LARGEST_SUM <= largest <= _LARGEST_SUM:
        got = f"a largest sum of {largest:.3g} at a node"
        allowed = f"one from {1 / _LARGEST_SUM:g} to {_LARGEST_SUM:g}"
        advice = "Scale them: only weight × diffusivity × time counts."
        raise InputError(message("weights", got, allowed, advice), name="weights")
