"""PyTorch Geometric's conventions, without the package."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from heatproof._check import message
from heatproof.errors import DataError, DependencyError

__all__ = ["MASKS", "attributes", "made"]

MASKS = {"train": "train_mask", "validation": "val_mask", "test": "test_mask"}


def attributes(data: object) -> dict[str, Any]:
    """Return x, y, edge_index and the masks (None where there is none) of an object that has them.

    Errors: `DataError` for one without features, labels or edges, and for masks of several splits.
    """
    found = {name: getattr(data, name, None) for name in ("x", "y", "edge_index", *MASKS.values())}
    for name, what in (("x", "features"), ("edge_index", "edges"), ("y", "labels")):
        if found[name] is None:
            got = f"a {type(data).__name__} without {what} ({name})"
            allowed = "an object with x, y and edge_index, as PyTorch Geometric's Data"
            raise DataError(message("data", got, allowed), name="data")
    for name in MASKS.values():
        shape = getattr(found[name], "shape", (0,))
        if len(shape) != 1:
            got = f"{name} of shape {tuple(shape)}, several splits"
            advice = "Choose a column of each mask."
            raise DataError(message("data", got, "masks of one split, (N,)", advice), name=name)
    return found


def made(tensors: dict[str, Tensor]) -> Any:
    """Return a `Data` of the tensors. Errors: `DependencyError` where the package is not installed."""
    try:
        from torch_geometric.data import Data  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        advice = "Install it: pip install torch-geometric. as_dict() needs nothing."
        text = message("to_geometric", "no torch_geometric", "an environment that has it", advice)
        raise DependencyError(text, name="torch_geometric") from error
    return Data(**tensors)
