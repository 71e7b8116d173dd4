"""Small graphs with features and labels, for networks, training and certificates of nodes."""

from __future__ import annotations

import torch

from heatproof.data.graphs import GraphData

__all__ = ["two_blocks"]


def two_blocks(
    nodes: int = 40, features: int = 6, *, seed: int = 0, shift: float = 1.0, binary: bool = False
) -> GraphData:
    """Return two classes of nodes: edges are likelier within one, features are shifted apart, half unseen."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(nodes) % 2
    same = labels[:, None] == labels
    likely = torch.where(same, 0.3, 0.05)
    drawn = torch.rand(nodes, nodes, generator=generator) < likely
    drawn[torch.arange(nodes - 1), torch.arange(1, nodes)] = True  # connected
    edges = torch.triu(drawn, diagonal=1).nonzero().T
    values = torch.randn(nodes, features, generator=generator)
    values[:, 0] += shift * (2 * labels - 1)
    order = torch.randperm(nodes, generator=generator)
    quarter = nodes // 4
    masks = {
        "train": order[:quarter],
        "validation": order[quarter : 2 * quarter],
        "test": order[2 * quarter :],
    }
    return GraphData.from_arrays(
        (values > 0).float() if binary else values,
        labels,
        edges,
        masks=masks,
        name="two blocks",
        grid_step=1.0 if binary else None,
    )
