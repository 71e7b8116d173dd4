"""Cells of a benchmark of training, one JSON file each, in a folder that belongs to one protocol.

A cell is one training and its certification. It is stored whole or not at all, so that a run that was broken
off goes on where it was. Nothing here needs PyTorch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import filelock

import heatproof
from heatproof.errors import RunFolderError

__all__ = ["Cell", "CellFolder", "Plan", "Protocol"]

_FORMAT = 1


@dataclass(frozen=True)
class Protocol:
    """What all cells of a folder have in common.

    `network`, `training` and the objectives of the cells are what a configuration file says of them.
    `train_rows` and `validation_rows` keep the first rows of a split, None all of them. `certification` is
    passed to `heatproof.certify`, `execution` too, which changes speed only.
    """

    title: str
    data: str
    network: Mapping[str, Any]
    training: Mapping[str, Any]
    certification: Mapping[str, Any]
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    train_rows: int | None = None
    validation_rows: int | None = None
    channels_last: bool = False
    execution: Mapping[str, Any] = field(default_factory=dict)

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that decides a figure, as JSON gives it back."""
        known = {"format": _FORMAT, "heatproof": heatproof.__version__, **asdict(self)}
        plain: dict[str, Any] = json.loads(json.dumps(known))
        return plain


@dataclass(frozen=True)
class Cell:
    """One training: an objective, the noise that it is smoothed with, a seed; certified every so many images.

    Its file is named after all of it, the definition of the objective included: with another definition it is
    another cell.
    """

    objective: str
    definition: Mapping[str, Any]
    noise_std: float
    seed: int = 0
    every: int = 1

    @property
    def name(self) -> str:
        """What a reader calls it."""
        return f"{self.objective}-{self.noise_std:g}-{self.seed}"

    @cached_property
    def key(self) -> str:
        """The name of its file."""
        said = json.dumps([self.definition, self.noise_std, self.seed, self.every], sort_keys=True)
        return f"{self.name}-{hashlib.sha256(said.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class Plan:
    """A protocol and its cells, the most important first.

    `every` is the step through the test images that the tables use; a cell may be certified on more of them.
    `remarks` are sentences for the page.
    """

    protocol: Protocol
    cells: tuple[Cell, ...]
    every: int
    remarks: tuple[str, ...] = ()


class CellFolder:
    """A folder of cells; `open` makes it or finds it again, and holds it for one process."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    @contextmanager
    def open(cls, path: Path, protocol: Protocol) -> Iterator[CellFolder]:
        """Hold the folder. Errors: `RunFolderError` if it is in use or belongs to another protocol."""
        folder = cls(path)
        known = path / "protocol.json"
        if path.is_dir() and any(path.iterdir()) and not known.exists():
            raise RunFolderError(f"{path}: holds other files. Name a new folder.", name="out")
        path.mkdir(parents=True, exist_ok=True)
        try:
            with filelock.FileLock(path / ".lock", timeout=0):
                if known.exists() and _read(known) != protocol.identity:
                    text = f"{path}: holds cells of another protocol or version. Name a new folder."
                    raise RunFolderError(text, name="out")
                _write(known, protocol.identity)
                yield folder
        except filelock.Timeout as error:
            text = f"{path}: another process works in it. Wait, or name another folder."
            raise RunFolderError(text, name="out") from error

    def file(self, cell: Cell, ending: str = "json") -> Path:
        """Return the cell's file; other endings are for what it needs while it is not finished."""
        return self.path / f"{cell.key}.{ending}"

    def load(self, cell: Cell) -> dict[str, Any] | None:
        """Return what is stored of a cell. Errors: `RunFolderError` for a damaged file."""
        path = self.file(cell)
        return _read(path) if path.exists() else None

    def store(self, cell: Cell, result: Mapping[str, Any]) -> None:
        """Store a finished cell and remove what it needed on the way."""
        _write(self.file(cell), {"cell": asdict(cell), **result})
        for path in self.path.glob(f"{cell.key}.*"):
            if path != self.file(cell):
                path.unlink()

    def spent(self, cell: Cell) -> dict[str, Any]:
        """Return what was noted of a cell that is not finished."""
        path = self.file(cell, "part")
        return _read(path) if path.exists() else {"training": 0.0, "certification": 0.0, "epochs": []}

    def note(self, cell: Cell, spent: Mapping[str, Any]) -> None:
        """Note it."""
        _write(self.file(cell, "part"), spent)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        text = f"{path.name}: cannot be read ({error}). Remove it to measure it again."
        raise RunFolderError(text, name="out") from error
    if not isinstance(found, dict):
        raise RunFolderError(f"{path.name}: no mapping. Remove it to measure it again.", name="out")
    return found


def _write(path: Path, content: Mapping[str, Any]) -> None:
    from heatproof.runs.files import write_atomically

    write_atomically(path, json.dumps(content, indent=1, allow_nan=False))
