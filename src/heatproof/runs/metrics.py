"""The record of training: one row an epoch in metrics.csv, and TensorBoard's event files if asked for."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from heatproof._check import message
from heatproof.errors import DependencyError, RunFolderError
from heatproof.runs.files import write_atomically
from heatproof.runs.folder import RunFolder
from heatproof.training import EpochRecord

__all__ = ["MetricsLog", "read_metrics", "require_tensorboard"]


def read_metrics(folder: RunFolder) -> list[EpochRecord]:
    """Return the epochs recorded so far, none if there is no such file. Errors: `RunFolderError`."""
    if not folder.metrics.is_file():
        return []
    try:
        rows = csv.DictReader(io.StringIO(folder.metrics.read_text(encoding="utf-8")), strict=True)
        return [_record(row) for row in rows]
    except (OSError, ValueError, LookupError, TypeError, csv.Error) as error:
        advice = "Remove it: the run is as good without, but for its curves."
        text = message(str(folder.metrics), "a damaged file", "a table with one row an epoch", advice)
        raise RunFolderError(text) from error


def _record(row: Mapping[str, str]) -> EpochRecord:
    return EpochRecord(int(row["epoch"]), {name: float(row[name]) for name in row if name != "epoch"})


class MetricsLog:
    """Adds epochs to the record. What an interrupted training recorded twice is kept once."""

    def __init__(self, folder: RunFolder, *, tensorboard: bool) -> None:
        self._folder = folder
        self._records = read_metrics(folder)
        self._tensorboard = tensorboard
        self._writer: Any = None

    def add(self, record: EpochRecord) -> None:
        """Write one epoch through to the disk."""
        self._records = [earlier for earlier in self._records if earlier.epoch < record.epoch] + [record]
        text = io.StringIO()
        writer = csv.DictWriter(text, ["epoch", *record.values], lineterminator="\n")
        writer.writeheader()
        writer.writerows({"epoch": one.epoch, **one.values} for one in self._records)
        write_atomically(self._folder.metrics, text.getvalue())
        self._add_scalars(record)

    def close(self) -> None:
        """Close the event file, if one is open."""
        if self._writer is not None:
            self._writer.close()

    def _add_scalars(self, record: EpochRecord) -> None:
        if not self._tensorboard:
            return
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self._folder.tensorboard), purge_step=record.epoch)
        for name, value in record.values.items():
            self._writer.add_scalar(name, value, record.epoch)
        self._writer.flush()


def require_tensorboard() -> None:
    """Raise `DependencyError` if TensorBoard is not installed."""
    try:
        import tensorboard  # noqa: F401
    except ImportError as error:
        advice = "Install it: pip install 'heatproof[tensorboard]'."
        text = message("training.tensorboard", "true", "false without TensorBoard", advice)
        raise DependencyError(text, name="training.tensorboard") from error
