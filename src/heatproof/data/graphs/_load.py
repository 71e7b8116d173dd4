"""Citation graphs by name, and any `.npz` file in the same layout. Nothing is ever unpickled."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from heatproof._check import check_choice, message
from heatproof.data.graphs._graph_data import GraphData
from heatproof.errors import DataError

__all__ = ["graph_names", "load_graph"]

_VARIABLE = "HEATPROOF_DATA"
_NAMES = (
    "planetoid/cora",
    "planetoid/citeseer",
    "planetoid/pubmed",
    "coin-graph/cora",
    "coin-graph/citeseer",
)
_NEEDED = ("adj_data", "adj_indices", "adj_indptr", "adj_shape", "attr_data", "attr_indices", "attr_indptr")
_SPLIT = {"train": "train_idx", "validation": "val_idx", "test": "test_idx"}
_FAILURES = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile)


def graph_names() -> tuple[str, ...]:
    """Return the names that `load_graph` knows."""
    return _NAMES


def load_graph(name_or_path: str | os.PathLike[str]) -> GraphData:
    """Load a citation graph: a node a paper, its features the words in it, its label the field.

    By name, from `$HEATPROOF_DATA/<name>.npz`: `planetoid/…` with the public split (Yang, Cohen &
    Salakhutdinov 2016), `coin-graph/…` as the authors of COIN (arXiv 2403.15726) use it, not split yet. By
    path: any `.npz` with `adj_*` and `attr_*` (compressed sparse rows: data, indices, indptr, shape),
    `labels` (−1: none) and, where there are any, `train_idx`, `val_idx`, `test_idx` and `class_names`.
    Self-loops are left out. Features that are 0 or 1 throughout have `grid_step` 1.

    Errors: `UnknownNameError` for a word that is no name and no file, `DataError` for a file that is not
    there, cannot be read, or is not what it says.
    """
    word = str(name_or_path)
    path = Path(word).expanduser() if word.endswith(".npz") else _named(word)
    if not path.is_file():
        advice = (
            "Check the path." if word.endswith(".npz") else f"{_VARIABLE} names a folder without {word}.npz."
        )
        raise DataError(message(word, "no such file", "a graph's .npz", advice), name="name_or_path")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return _assembled(path.stem if word.endswith(".npz") else word, path, arrays)
    except DataError:
        raise
    except _FAILURES as error:
        first = (str(error) or type(error).__name__).splitlines()[0]
        allowed = f"an .npz with {', '.join(_NEEDED)}, … and labels"
        raise DataError(
            message(str(path), f"an unreadable file ({first})", allowed), name="name_or_path"
        ) from error


def _named(word: str) -> Path:
    check_choice("graph", word, _NAMES)
    folder = os.environ.get(_VARIABLE)
    if not folder:
        advice = f"Set {_VARIABLE} to the folder that holds {word}.npz, or give a path."
        raise DataError(message(word, f"no {_VARIABLE} set", "a folder of data", advice), name="name_or_path")
    return Path(folder).expanduser() / f"{word}.npz"


def _assembled(name: str, path: Path, arrays: dict[str, Any]) -> GraphData:
    links = _matrix(arrays, "adj").tocoo()
    apart = links.row != links.col
    features = _matrix(arrays, "attr")
    binary = bool(np.isin(features.data, (0.0, 1.0)).all())
    names = arrays.get("class_names")
    return GraphData.from_arrays(
        features,
        arrays["labels"],
        np.stack([links.row[apart], links.col[apart]]),
        masks={part: arrays[key] for part, key in _SPLIT.items() if key in arrays},
        class_names=None if names is None else tuple(map(str, names)),
        name=name,
        source=f"file {path.name} of {path.parent.name}",
        grid_step=1.0 if binary else None,
    )


def _matrix(arrays: dict[str, Any], prefix: str) -> Any:
    parts = (arrays[f"{prefix}_data"], arrays[f"{prefix}_indices"], arrays[f"{prefix}_indptr"])
    matrix = sparse.csr_matrix(parts, shape=tuple(arrays[f"{prefix}_shape"]))
    matrix.check_format(full_check=True)  # indices beyond the shape would be followed
    return matrix
