"""What must hold for a graph with features and labels: each check raises `DataError`."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from heatproof._check import check_finite, message
from heatproof.errors import DataError

__all__ = ["check_chosen", "check_edges", "check_features", "check_labels", "check_masks", "check_parts"]


def check_features(features: Tensor) -> None:
    """Require finite float32 features (N, F)."""
    if features.dtype != torch.float32 or features.ndim != 2 or features.numel() == 0:
        got, allowed = f"{features.dtype} of shape {tuple(features.shape)}", "float32 (N, F), N and F ≥ 1"
        raise DataError(message("features", got, allowed), name="features")
    check_finite("features", features)


def check_labels(labels: Tensor, nodes: int, class_names: tuple[str, ...]) -> None:
    """Require int64 labels (N,), −1…K−1, not all of them −1, and two names of classes or more."""
    classes = len(class_names)
    if labels.dtype != torch.int64 or tuple(labels.shape) != (nodes,):
        got, allowed = f"{labels.dtype} of shape {tuple(labels.shape)}", f"int64 of shape ({nodes},)"
        raise DataError(message("labels", got, allowed), name="labels")
    if not bool((labels >= 0).any()):
        advice = "Label some nodes: 0…K−1, −1 for those without a label."
        raise DataError(message("labels", "a graph without labels", "labelled nodes", advice), name="labels")
    if classes < 2 or not all(isinstance(word, str) and word for word in class_names):
        got = f"{classes} of them: {', '.join(map(repr, class_names[:5]))}"
        raise DataError(message("class_names", got, "two or more names"), name="class_names")
    if int(labels.min()) < -1 or int(labels.max()) >= classes:
        got = f"labels from {int(labels.min())} to {int(labels.max())}"
        raise DataError(message("labels", got, f"−1 (no label) … {classes - 1}"), name="labels")


def check_edges(edge_index: Tensor, nodes: int) -> None:
    """Require int64 edges (2, E) between nodes 0…nodes−1."""
    if edge_index.dtype != torch.int64 or edge_index.ndim != 2 or len(edge_index) != 2:
        got = f"{edge_index.dtype} of shape {tuple(edge_index.shape)}"
        raise DataError(message("edge_index", got, "int64 of shape (2, E)"), name="edge_index")
    if bool(((edge_index < 0) | (edge_index >= nodes)).any()):
        got = f"node numbers from {int(edge_index.min())} to {int(edge_index.max())}"
        raise DataError(message("edge_index", got, f"0…{nodes - 1}"), name="edge_index")


def check_masks(masks: Mapping[str, Tensor], labels: Tensor) -> None:
    """Require masks (N,) without a node in common, of nodes with a label."""
    for part, mask in masks.items():
        if mask.dtype != torch.bool or mask.shape != labels.shape:
            got, allowed = f"{mask.dtype} of shape {tuple(mask.shape)}", f"bool of shape ({len(labels)},)"
            raise DataError(message(part, got, allowed), name=part)
        bare = mask & (labels < 0)
        if bool(bare.any()):
            got = f"{int(bare.sum())} nodes without a label, the first is node {int(bare.nonzero()[0])}"
            raise DataError(message(part, got, "labelled nodes only"), name=part)
    shared = torch.stack(list(masks.values())).sum(dim=0) > 1
    if bool(shared.any()):
        got = f"{int(shared.sum())} nodes in two masks, the first is node {int(shared.nonzero()[0])}"
        raise DataError(message("masks", got, "each node in one of them at most"), name="masks")


def check_chosen(kept: Tensor, nodes: int) -> None:
    """Require different int64 node numbers (M,), at least one."""
    fits = kept.dtype == torch.int64 and kept.ndim == 1 and len(kept) > 0
    if not fits or int(kept.min()) < 0 or int(kept.max()) >= nodes or len(kept.unique()) < len(kept):
        got = f"{kept.dtype} of shape {tuple(kept.shape)}"
        raise DataError(message("kept", got, f"different node numbers 0…{nodes - 1}, int64"), name="kept")


def check_parts(masks: object, parts: tuple[str, ...]) -> Mapping[str, object]:
    """Return masks by name, none if left out; refuse other names."""
    if masks is None:
        return {}
    if not isinstance(masks, Mapping) or not set(masks) <= set(parts):
        got = ", ".join(map(repr, masks)) if isinstance(masks, Mapping) else f"a {type(masks).__name__}"
        raise DataError(message("masks", got, f"a mapping with {', '.join(parts)}"), name="masks")
    return masks
