"""Graphs whose spectrum is known in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from heatproof.equation import Graph

__all__ = ["GRAPHS", "SpectralGraph"]


@dataclass(frozen=True)
class SpectralGraph:
    """A graph, with eigenvalues (N,) and an orthonormal basis of eigenvectors (N, N) of its Laplacian."""

    name: str
    graph: Graph
    eigenvalues: Tensor
    basis: Tensor

    def heat(self, u: Tensor, time: float) -> Tensor:
        """Return e^{−time·𝓛}u."""
        return self.basis @ (torch.exp(-time * self.eigenvalues)[:, None] * (self.basis.T @ u))


def _path(nodes: int) -> SpectralGraph:
    """λ_m = 2 − 2cos(πm/N), vectors cos(πm(j + ½)/N)."""
    line = torch.arange(nodes - 1)
    j = torch.arange(nodes, dtype=torch.float64)
    vectors = torch.cos(math.pi * (j[:, None] + 0.5) * j / nodes)
    graph = Graph.from_edges(torch.stack([line, line + 1]), undirected=True)
    return SpectralGraph("path", graph, 2 - 2 * torch.cos(math.pi * j / nodes), vectors / vectors.norm(dim=0))


def _cycle(nodes: int) -> SpectralGraph:
    """λ_m = 2 − 2cos(2πm/N), vectors cos(2πmj/N) for m ≤ N/2, sin(2πmj/N) for m < N/2, N even."""
    ring = torch.arange(nodes)
    j = torch.arange(nodes, dtype=torch.float64)
    whole, inner = torch.arange(nodes // 2 + 1), torch.arange(1, nodes // 2)
    angle = 2 * math.pi * j[:, None] / nodes
    vectors = torch.cat([torch.cos(angle * whole), torch.sin(angle * inner)], dim=1)
    values = 2 - 2 * torch.cos(2 * math.pi * torch.cat([whole, inner]).double() / nodes)
    graph = Graph.from_edges(torch.stack([ring, (ring + 1) % nodes]), undirected=True)
    return SpectralGraph("cycle", graph, values, vectors / vectors.norm(dim=0))


def _complete(nodes: int) -> SpectralGraph:
    """λ = 0 for the constant, N for everything orthogonal to it."""
    start = torch.eye(nodes, dtype=torch.float64)
    start[:, 0] = 1
    basis = torch.linalg.qr(start).Q
    values = torch.full((nodes,), float(nodes), dtype=torch.float64)
    values[0] = 0
    return SpectralGraph("complete", Graph(torch.ones(nodes, nodes) - torch.eye(nodes)), values, basis)


GRAPHS = (_path(15), _cycle(12), _complete(9))
