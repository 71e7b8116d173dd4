"""Which nodes: random ones of each class, those of the largest connected part."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Int64
from scipy import sparse
from torch import Tensor

from heatproof._check import check_whole, message
from heatproof.errors import DataError

__all__ = ["largest_component", "random_nodes"]


def random_nodes(
    labels: Int64[Tensor, " nodes"], classes: int, seed: int, train: int, validation: int
) -> tuple[Bool[Tensor, " nodes"], Bool[Tensor, " nodes"], Bool[Tensor, " nodes"]]:
    """Return masks: `train` and `validation` nodes of each class, all other labelled nodes."""
    check_whole("train", train)
    check_whole("validation", validation)
    source = np.random.default_rng(check_whole("seed", seed, at_least=0))
    masks = torch.zeros(3, len(labels), dtype=torch.bool)
    for label in range(classes):
        members = np.flatnonzero(labels.numpy() == label)
        if len(members) <= train + validation:
            got = f"{len(members)} nodes of class {label}"
            allowed = f"more than {train} + {validation} of each class"
            raise DataError(message("labels", got, allowed, "Take fewer a class."), name="labels")
        order = torch.from_numpy(source.permutation(members))
        for mask, part in zip(
            masks, order.split([train, validation, len(order) - train - validation]), strict=True
        ):
            mask[part] = True
    return masks[0], masks[1], masks[2]


def largest_component(edge_index: Int64[Tensor, "2 edges"], nodes: int) -> Int64[Tensor, " some"]:
    """Return the nodes of the largest connected part, in order; the first of equals."""
    rows, columns = edge_index.numpy()
    matrix = sparse.coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(nodes, nodes))
    _, part = sparse.csgraph.connected_components(matrix, directed=False)
    return torch.from_numpy((part == np.bincount(part).argmax()).nonzero()[0])
