"""Weights between nearest neighbours in feature space."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from heatproof._check import check_inputs, check_whole, message
from heatproof.errors import InputError

__all__ = ["neighbour_weights"]

_ROWS = 256
"""Rows whose differences to their neighbours are in memory at once."""


def neighbour_weights(features: Tensor, neighbours: int, scale_neighbour: int | None) -> Any:
    """Return symmetrised Gaussian weights between nearest neighbours. Errors: see `Graph`."""
    from sklearn.neighbors import NearestNeighbors

    count, scale_at = _checked(features, neighbours, scale_neighbour)
    points = features.detach().cpu().flatten(1).double()
    points = points / points.abs().max().clamp_min(1e-300)  # weights do not depend on the scale
    search = NearestNeighbors(n_neighbors=count).fit(points.numpy())
    found = torch.as_tensor(search.kneighbors(return_distance=False))
    distance = _distances(points, found)
    scale = distance.sort(dim=1).values[:, scale_at - 1 : scale_at]
    if bool((scale == 0).any()):
        node = int((scale[:, 0] == 0).nonzero()[0])
        got = (
            f"{int((scale == 0).sum())} nodes with {scale_at} or more equal to them, the first is node {node}"
        )
        advice = "Drop repeated rows, or take a larger scale_neighbour."
        raise InputError(message("features", got, "a scale above 0 at every node", advice), name="features")
    values = torch.exp(-((distance / scale) ** 2)).flatten().numpy()
    rows = np.repeat(np.arange(len(points)), count)
    one_way = sparse.csr_matrix((values, (rows, found.flatten().numpy())), shape=(len(points),) * 2)
    return (one_way + one_way.T) / 2


def _checked(features: Tensor, neighbours: int, scale_neighbour: int | None) -> tuple[int, int]:
    """Return k and k′, k′ ≤ k < number of nodes."""
    nodes = len(check_inputs("features", features))
    count = check_whole("neighbours", neighbours)
    scale_at = count if scale_neighbour is None else check_whole("scale_neighbour", scale_neighbour)
    if count >= nodes:
        raise InputError(message("neighbours", count, f"fewer than the {nodes} nodes"), name="neighbours")
    if scale_at > count:
        raise InputError(
            message("scale_neighbour", scale_at, f"1…{count}, a neighbour"), name="scale_neighbour"
        )
    return count, scale_at


def _distances(points: Tensor, found: Tensor) -> Tensor:
    """Return distances to the neighbours found, from differences: repeated rows have exactly 0."""
    parts = [
        torch.linalg.vector_norm(points[found[rows]] - points[rows][:, None], dim=2)
        for rows in torch.arange(len(points)).split(_ROWS)
    ]
    return torch.cat(parts)
