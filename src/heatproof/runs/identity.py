"""The data of a run: the same when it is attacked and certified as when it was trained."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from heatproof._check import message
from heatproof.data import DataSet, load, names
from heatproof.errors import RunFolderError
from heatproof.runs.config import RunConfig
from heatproof.runs.folder import RunFolder
from heatproof.runs.state import DataIdentity

__all__ = ["data_fingerprint", "data_identity", "load_data", "run_data"]


def load_data(config: RunConfig) -> DataSet:
    """Return the data set of a configuration."""
    return load(config.data.name, seed=config.data.seed, size=config.data.size)


def data_fingerprint(data: DataSet) -> str:
    """Return a hash of inputs, labels and indices of all splits. Cost: about a second a gigabyte."""
    digest = hashlib.blake2b(digest_size=16)
    for split in (data.train, data.validation, data.test):
        for values in (split.x, split.y, split.index):
            digest.update(f"{values.dtype}{tuple(values.shape)};".encode())
            digest.update(values.contiguous().numpy().data)
    digest.update("\0".join(data.class_names).encode())
    return digest.hexdigest()


def data_identity(config: RunConfig, data: DataSet) -> DataIdentity:
    """Return what `run.json` keeps of a data set."""
    name = config.data.name
    path = None if name.replace("-", "_") in names() else _resolved(name)
    return DataIdentity(fingerprint=data_fingerprint(data), path=path)


def run_data(folder: RunFolder) -> DataSet:
    """Return the data set of a run, found again from any working directory.

    Errors: those of loading; `RunFolderError` if the data are no longer those of training: certificates
    name inputs by their index, and would speak of other inputs.
    """
    config, known = folder.config, folder.state.data
    if known.path is not None and not _same_file(config.data.name, known.path) and os.path.exists(known.path):  # noqa: PTH110 - never raises
        data = load(known.path, seed=config.data.seed, size=config.data.size)
    else:
        data = load_data(config)
    if data_fingerprint(data) != known.fingerprint:
        got = f"data ({config.data.name}) that have changed since training"
        advice = "Put them back, or train again into a new folder."
        raise RunFolderError(message(str(folder.path), got, "those that it was trained on", advice))
    return data


def _same_file(name: str, path: str) -> bool:
    return _resolved(name) == path


def _resolved(name: str) -> str:
    return str(Path(os.path.expanduser(name)).resolve())  # noqa: PTH111 - never raises, whatever the name
