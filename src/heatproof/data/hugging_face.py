"""Published image sets, from a local folder or from the Hugging Face hub.

`mnist` (LeCun et al. 1998), `fashion_mnist` (Xiao et al. 2017) and `cifar10` (Krizhevsky 2009) come from the
folder that the environment variable HEATPROOF_DATA names, if it has them, and else from the hub.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heatproof._check import message
from heatproof.data import parquet
from heatproof.data._dataset import DataSet
from heatproof.errors import DataError

__all__ = ["NAMES", "VARIABLE", "read"]

VARIABLE = "HEATPROOF_DATA"
"""The environment variable that names a folder with one folder of parquet files a data set."""

_SPLIT_SEED = 0


@dataclass(frozen=True)
class _Published:
    """Where a set lies on the hub, and what every true copy of it looks like."""

    hub: str
    shape: tuple[int, ...]
    classes: int


_PUBLISHED = {
    "mnist": _Published("ylecun/mnist", (1, 28, 28), 10),
    "fashion_mnist": _Published("zalando-datasets/fashion_mnist", (1, 28, 28), 10),
    "cifar10": _Published("uoft-cs/cifar10", (3, 32, 32), 10),
}

NAMES = tuple(_PUBLISHED)


def read(name: str) -> DataSet:
    """Read `mnist`, `fashion_mnist` or `cifar10` from the folder in HEATPROOF_DATA, or from the hub.

    Images become float32 (C, H, W) in [0, 1] on a grid of 1/255. The official test set is the test split, and
    the index of a test image is its row; 5,000 training images, stratified and always the same, are the
    validation split, and the index of a training or validation image is 10,000 + its row in the training set.
    Cost: 2–8 s on one core, and four bytes a value (twice that while reading).
    Errors: `DataError` if it is neither here nor on the hub, or is not what it says; `DependencyError`
    without the package `datasets`.
    """
    published = _PUBLISHED[name]
    files = _local_files(name)
    source = f"folder {next(iter(files.values()))[0].parent}" if files else f"hub {published.hub}"
    tables = parquet.open_files(files) if files else _open_hub(name, published.hub)
    data = parquet.assemble(name, tables, source=source, seed=_SPLIT_SEED)
    if tuple(data.event_shape) != published.shape or data.classes != published.classes:
        got = f"inputs of shape {tuple(data.event_shape)} and {data.classes} classes in {source}"
        allowed = f"shape {published.shape} and {published.classes} classes"
        raise DataError(
            message(name, got, allowed, "Another data set goes by its path."), name="name_or_path"
        )
    return data


def _local_files(name: str) -> parquet.Files:
    folder = os.environ.get(VARIABLE)
    return parquet.find(Path(folder).expanduser() / name) if folder else {}


def _open_hub(name: str, hub: str) -> Mapping[str, Any]:
    datasets = parquet.library()
    try:
        opened: Mapping[str, Any] = datasets.load_dataset(hub)
    except Exception as error:  # the library lets out the errors of five others, each with this one meaning
        folder = os.environ.get(VARIABLE)
        here = (
            f"{VARIABLE} is {folder}, which has no {name}/train*.parquet" if folder else f"no {VARIABLE} set"
        )
        got = f"{here}, and no answer from the Hugging Face hub for {hub} ({parquet.first_line(error)})"
        advice = f"Go online, or put its parquet files into a folder {name} and set {VARIABLE} to the parent."
        raise DataError(message(name, got, "a local copy or the hub", advice), name="name_or_path") from error
    return opened
