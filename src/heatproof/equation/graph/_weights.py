"""Weights of a graph, as they are given, to one checked sparse matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from heatproof._check import check_whole, message
from heatproof.errors import InputError

__all__ = ["edge_matrix", "symmetric_weights"]

_ROUNDING = 1e-6
"""Relative asymmetry that float32 arithmetic explains, and that is averaged away."""


def symmetric_weights(weights: object) -> Any:
    """Return W as a float64 CSR matrix, exactly symmetric. Errors: see `Graph`."""
    matrix = _csr(weights)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.shape[0] == 0:
        raise _refuse(f"shape {matrix.shape}", "a square matrix (N, N) with at least one node")
    _check_values(matrix.data)
    lopsided = float(abs(matrix - matrix.T).max())
    if lopsided > _ROUNDING * float(matrix.max()):
        advice = "Directed edges: from_edges(…, undirected=True), or give (W + Wᵀ)/2."
        got = f"W_ij and W_ji that differ by up to {lopsided:.3g} (largest weight {float(matrix.max()):.3g})"
        raise _refuse(got, "symmetric weights", advice)
    even = sparse.csr_matrix((matrix + matrix.T) / 2)
    even.eliminate_zeros()
    if even.nnz == np.count_nonzero(even.diagonal()):
        raise _refuse("no edge between two nodes", "at least one: nothing would flow")
    return even


def edge_matrix(edge_index: object, edge_weight: object, nodes: int | None, *, undirected: bool) -> Any:
    """Return the weights of listed edges, not yet checked for symmetry. Errors: see `Graph.from_edges`."""
    ends = _as_tensor("edge_index", edge_index)
    if ends.dtype != torch.int64 or ends.ndim != 2 or len(ends) != 2:
        got = f"{ends.dtype} of shape {tuple(ends.shape)}"
        raise InputError(message("edge_index", got, "int64 of shape (2, E)"), name="edge_index")
    size = _size(ends, nodes)
    given = torch.ones(ends.shape[1]) if edge_weight is None else _as_tensor("edge_weight", edge_weight)
    if given.shape != ends.shape[1:]:
        got = f"shape {tuple(given.shape)}"
        raise InputError(message("edge_weight", got, f"({ends.shape[1]},), one an edge"), name="edge_weight")
    rows, columns = ends.detach().cpu().numpy()
    repeated = len(rows) - np.unique(np.stack([rows, columns]), axis=1).shape[1]
    if repeated:
        advice = "Add their weights up, or drop them."
        got = f"{repeated} edges listed more than once"
        raise InputError(message("edge_index", got, "each edge once", advice), name="edge_index")
    values = given.detach().cpu().double().numpy()
    _check_values(values)
    matrix = sparse.csr_matrix((values, (rows, columns)), shape=(size, size))
    return matrix.maximum(matrix.T) if undirected else matrix


def _as_tensor(name: str, values: object) -> Tensor:
    try:
        return torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError):
        raise InputError(message(name, f"a {type(values).__name__}", "a tensor"), name=name) from None


def _size(ends: Tensor, nodes: int | None) -> int:
    """Return the number of nodes, given or one more than the largest in an edge."""
    size = check_whole("nodes", nodes) if nodes is not None else int(ends.max()) + 1 if ends.numel() else 0
    if size and bool(((ends < 0) | (ends >= size)).any()):
        got = f"node numbers from {int(ends.min())} to {int(ends.max())}"
        raise InputError(message("edge_index", got, f"0…{size - 1}"), name="edge_index")
    return size


def _csr(weights: object) -> Any:
    """Return any of the accepted forms as a float64 CSR matrix with summed entries."""
    if "complex" in str(getattr(weights, "dtype", "")):
        raise _refuse("complex numbers", "real numbers")
    if isinstance(weights, Tensor):
        given = weights.detach().cpu().double()
        if given.layout == torch.strided:
            return _dense(given.numpy())
        entries = given.to_sparse_coo().coalesce()
        rows, columns = entries.indices().numpy()
        return sparse.csr_matrix((entries.values().numpy(), (rows, columns)), shape=tuple(given.shape))
    if sparse.issparse(weights):
        matrix = sparse.csr_matrix(weights, dtype=np.float64, copy=True)
        matrix.sum_duplicates()
        return matrix
    try:
        return _dense(np.asarray(weights, dtype=np.float64))
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        got, allowed = f"a {type(weights).__name__}", "real numbers, (N, N), of torch, numpy or scipy"
        raise _refuse(got, allowed) from None


def _dense(weights: np.ndarray[Any, np.dtype[np.float64]]) -> Any:
    if weights.ndim != 2:
        raise _refuse(f"shape {weights.shape}", "a square matrix (N, N) with at least one node")
    _check_values(weights)  # a sparse matrix would keep what is not finite, too, but not say where
    return sparse.csr_matrix(weights)


def _check_values(values: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    if not bool(np.isfinite(values).all()):
        raise _refuse(f"{int((~np.isfinite(values)).sum())} that are not finite", "finite weights ≥ 0")
    if values.size and float(values.min()) < 0:
        advice = "Negative weights break the comparison principle."
        raise _refuse(f"weights down to {float(values.min()):.3g}", "finite weights ≥ 0", advice)


def _refuse(got: str, allowed: str, advice: str = "") -> InputError:
    return InputError(message("weights", got, allowed, advice), name="weights")
