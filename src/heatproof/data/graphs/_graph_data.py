"""A graph with features and labels at its nodes, checked once, when it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self, final

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from heatproof._check import check_number
from heatproof.data.graphs import _geometric
from heatproof.data.graphs._check_graph import (
    check_chosen,
    check_edges,
    check_features,
    check_labels,
    check_masks,
    check_parts,
)
from heatproof.data.graphs._convert import as_edges, as_features, as_node_labels, as_nodes
from heatproof.data.graphs._nodes import largest_component, random_nodes

__all__ = ["GraphData"]

_PARTS = ("train", "validation", "test")


@final
@dataclass(frozen=True, eq=False, repr=False)
class GraphData:
    """N nodes with F features each, K classes, and edges: one input for a network on graphs.

    `features` (N, F) float32 in the data's own range; `labels` (N,) int64, 0…K−1, −1 where a node has none;
    `edge_index` (2, E) int64 as PyTorch Geometric lists edges, each in one direction or in both. The masks
    `train`, `validation` and `test` (N,) have no node in common; all false, the graph is not split yet.
    `grid_step` is the distance of neighbouring values of features that are stored as whole numbers (1 for a
    word that is there or not), or None. `source` says in words where the data come from.

    Making one checks all of it. Errors: `DataError` for features that are not finite float32, a graph without
    labels, labels outside −1…K−1 or of which none of a class exists, masks that overlap or hold a node
    without a label, node numbers of edges out of range.
    """

    name: str
    features: Float32[Tensor, "nodes features"]
    labels: Int64[Tensor, " nodes"]
    edge_index: Int64[Tensor, "2 edges"]
    train: Bool[Tensor, " nodes"]
    validation: Bool[Tensor, " nodes"]
    test: Bool[Tensor, " nodes"]
    class_names: tuple[str, ...]
    source: str
    grid_step: float | None = None

    def __post_init__(self) -> None:
        check_features(self.features)
        check_labels(self.labels, self.nodes, self.class_names)
        check_edges(self.edge_index, self.nodes)
        check_masks({part: getattr(self, part) for part in _PARTS}, self.labels)
        if self.grid_step is not None:
            check_number("grid_step", self.grid_step, above=0)

    def __repr__(self) -> str:
        sizes = (
            f"{self.nodes} nodes, {self.edge_index.shape[1]} listed edges, {self.features.shape[1]} features"
        )
        split = "/".join(str(int(mask.sum())) for mask in (self.train, self.validation, self.test))
        return f"GraphData({self.name!r}: {sizes}, {self.classes} classes, split {split})"

    @classmethod
    def from_arrays(
        cls,
        features: object,
        labels: object,
        edge_index: object,
        *,
        masks: Mapping[str, object] | None = None,
        class_names: tuple[str, ...] | None = None,
        name: str = "graph",
        source: str = "arrays",
        grid_step: float | None = None,
    ) -> Self:
        """Return the graph of arrays or tensors; `features` may be a SciPy sparse matrix.

        `masks` has `train`, `validation`, `test`: a truth value a node, or node numbers. Classes are named by
        their numbers if they are not named. Errors: as the class.
        """
        values = as_features(features)
        marks = as_node_labels(labels, len(values))
        given = check_parts(masks, _PARTS)
        count = max(int(marks.max(initial=-1)) + 1, 0)
        return cls(
            name=name,
            features=torch.from_numpy(values),
            labels=torch.from_numpy(marks),
            edge_index=as_edges(edge_index),
            **{key: as_nodes(key, given.get(key), len(values)) for key in _PARTS},
            class_names=tuple(map(str, range(count))) if class_names is None else tuple(class_names),
            source=source,
            grid_step=grid_step,
        )

    @classmethod
    def from_geometric(
        cls,
        data: object,
        *,
        class_names: tuple[str, ...] | None = None,
        name: str = "graph",
        grid_step: float | None = None,
    ) -> Self:
        """Return the graph of a PyTorch Geometric `Data`, or of whatever has its attributes.

        `x`, `y`, `edge_index`, and `train_mask`, `val_mask`, `test_mask` where they are there (all three, of
        one split). Edge weights and edge features are not taken. Errors: as the class.
        """
        found = _geometric.attributes(data)
        return cls.from_arrays(
            found["x"],
            found["y"],
            found["edge_index"],
            masks={ours: found[theirs] for ours, theirs in _geometric.MASKS.items()},
            class_names=class_names,
            name=name,
            source=f"a {type(data).__name__} with PyTorch Geometric's attributes",
            grid_step=grid_step,
        )

    def as_dict(self) -> dict[str, Tensor]:
        """Return the tensors by PyTorch Geometric's names: x, y, edge_index, train_mask and so on."""
        masks = {theirs: getattr(self, ours) for ours, theirs in _geometric.MASKS.items()}
        return {"x": self.features, "y": self.labels, "edge_index": self.edge_index, **masks}

    def to_geometric(self) -> Any:
        """Return a `torch_geometric.data.Data`. Errors: `DependencyError` where it is not installed."""
        return _geometric.made(self.as_dict())

    @property
    def nodes(self) -> int:
        """N."""
        return len(self.features)

    @property
    def classes(self) -> int:
        """K."""
        return len(self.class_names)

    @property
    def is_split(self) -> bool:
        """Whether there are nodes to train on."""
        return bool(self.train.any())

    def random_split(self, seed: int, *, train: int = 20, validation: int = 30) -> GraphData:
        """Return the graph with so many nodes a class drawn for training and validation, the rest for test.

        20 and 30 a class is the set-up of COIN (arXiv 2403.15726; after Shchur et al. 2018). Nodes without a
        label are in no part. Errors: `DataError` where a class has too few nodes to leave one for the test.
        """
        parts = random_nodes(self.labels, self.classes, seed, train, validation)
        return replace(self, train=parts[0], validation=parts[1], test=parts[2])

    def largest_component(self) -> GraphData:
        """Return the graph of the largest connected part, nodes in their order; masks go with them."""
        return self.subgraph(largest_component(self.edge_index, self.nodes))

    def subgraph(self, kept: Int64[Tensor, " some"]) -> GraphData:
        """Return the graph of some nodes, numbered anew in the order given, and the edges between them.

        Errors: `DataError` for node numbers that are none, or given twice.
        """
        check_chosen(kept, self.nodes)
        numbers = torch.full((self.nodes,), -1)
        numbers[kept] = torch.arange(len(kept))
        ends = numbers[self.edge_index]
        rows = ("features", "labels", *_PARTS)
        return replace(
            self,
            edge_index=ends[:, (ends >= 0).all(dim=0)],
            **{name: getattr(self, name)[kept] for name in rows},
        )

    def row_normalised(self) -> GraphData:
        """Return the graph with each node's features divided by the sum of their absolute values; 0 stays 0.

        The features then have no grid. A network that is certified on the raw features normalises inside.
        """
        sums = self.features.abs().sum(dim=1, keepdim=True)
        return replace(self, features=self.features / torch.where(sums > 0, sums, 1), grid_step=None)
