"""Arrays of a graph as others have them, as the arrays that it is made of."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64, Shaped
from torch import Tensor

from heatproof._check import message
from heatproof.errors import DataError

__all__ = ["as_edges", "as_features", "as_node_labels", "as_nodes"]


def as_features(values: object) -> Float32[np.ndarray, "nodes features"]:
    """Return features as float32 (N, F); whole numbers and truth values are taken as they are."""
    array = _array("features", values.toarray() if hasattr(values, "toarray") else values)
    if array.dtype.kind not in "biuf" or array.ndim != 2:
        got = f"{array.dtype} of shape {array.shape}"
        raise DataError(message("features", got, "numbers (N, F)"), name="features")
    with np.errstate(over="ignore"):  # what overflows is infinite, and refused as that
        return np.array(array, dtype=np.float32, order="C")


def as_node_labels(values: object, nodes: int) -> Int64[np.ndarray, " nodes"]:
    """Return labels as int64 (N,)."""
    if values is None:
        advice = "Label some nodes: 0…K−1, −1 for those without a label."
        raise DataError(message("labels", "a graph without labels", "labelled nodes", advice), name="labels")
    array = _array("labels", values)
    if array.shape == (nodes, 1):
        array = array[:, 0]
    if array.dtype.kind not in "iu" or array.shape != (nodes,):
        got, allowed = f"{array.dtype} of shape {array.shape}", f"whole numbers of shape ({nodes},)"
        raise DataError(message("labels", got, allowed), name="labels")
    return array.astype(np.int64)


def as_edges(values: object) -> Int64[Tensor, "2 edges"]:
    """Return edges as int64 (2, E)."""
    array = _array("edge_index", values)
    if array.size == 0:
        return torch.empty(2, 0, dtype=torch.int64)
    if array.dtype.kind not in "iu" or array.ndim != 2 or len(array) != 2:
        got = f"{array.dtype} of shape {array.shape}"
        raise DataError(message("edge_index", got, "node numbers (2, E)"), name="edge_index")
    return torch.from_numpy(array.astype(np.int64))


def as_nodes(name: str, values: object, nodes: int) -> Bool[Tensor, " nodes"]:
    """Return a mask from a mask or from node numbers; none is all false."""
    mask = torch.zeros(nodes, dtype=torch.bool)
    if values is None:
        return mask
    array = _array(name, values)
    if array.dtype.kind == "b" and array.shape == (nodes,):
        return torch.from_numpy(array.copy())
    numbers = array.ndim == 1 and array.dtype.kind in "iu"
    if not numbers or (array.size and not (array.min() >= 0 and array.max() < nodes)):
        got = f"{array.dtype} of shape {array.shape}"
        allowed = f"truth values of shape ({nodes},), or node numbers 0…{nodes - 1}"
        raise DataError(message(name, got, allowed), name=name)
    mask[torch.from_numpy(array.astype(np.int64))] = True
    return mask


def _array(name: str, values: object) -> Shaped[np.ndarray, "..."]:
    if isinstance(values, Tensor):
        dense = values.detach().cpu()
        return np.asarray((dense if dense.layout == torch.strided else dense.to_dense()).numpy())
    try:
        return np.asarray(values)
    except ValueError:
        raise DataError(
            message(name, f"a {type(values).__name__}", "an array or a tensor"), name=name
        ) from None
