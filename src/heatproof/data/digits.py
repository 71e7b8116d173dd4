"""Handwritten digits that come with scikit-learn: 1,797 images of 8×8 pixels, needing no download."""

from __future__ import annotations

import numpy as np

from heatproof.data._dataset import DataSet
from heatproof.data._splits import split_pool

__all__ = ["read"]

_LEVELS = 16
_SPLIT_SEED = 0


def read() -> DataSet:
    """Return the digits as (1, 8, 8) images in [0, 1] on a grid of 1/16, split 60/20/20 once and for all.

    The index of an image is its row in scikit-learn. Source: the test part of the Optical Recognition of
    Handwritten Digits data (Alpaydin & Kaynak 1998, UCI), as scikit-learn carries it.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    x = (bunch.images / _LEVELS).astype(np.float32)[:, None]  # (1797, 1, 8, 8), exact: sixteenths
    return DataSet(
        "digits",
        **split_pool(x, bunch.target.astype(np.int64), _SPLIT_SEED),
        class_names=tuple(str(name) for name in bunch.target_names),
        input_range=(0.0, 1.0),
        grid_step=1 / _LEVELS,
        source="scikit-learn: handwritten digits (UCI, Alpaydin & Kaynak 1998)",
    )
