"""The record of training: one row an epoch in metrics.csv, and TensorBoard's event files if asked for."""

from __future__ import annotations

import csv
import io
from typing import Any

from heatproof._check import message
from heatproof.errors import DependencyError
from heatproof.runs.folder import RunFolder, write_atomically
from heatproof.training import EpochRecord

__all__ = ["MetricsLog", "read_metrics"]


def read_metrics(folder: RunFolder) -> list[EpochRecord]:
    """Return the epochs recorded so far."""
    if not folder.metrics.is_file():
        return []
    rows = csv.DictReader(io.StringIO(folder.metrics.read_text(encoding="utf-8")))
    return [
        EpochRecord(int(row["epoch"]), {name: float(value) for name, value in row.items() if name != "epoch"})
        for row in rows
    ]


class MetricsLog:
    """Adds epochs to the record. What an interrupted training recorded twice is kept once."""

    def __init__(self, folder: RunFolder, *, tensorboard: bool) -> None:
        self._folder = folder
        self._records = read_metrics(folder)
        self._tensorboard = tensorboard
        self._writer: Any = None
        if tensorboard:
            _require_tensorboard()

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


def _require_tensorboard() -> None:
    try:
        import tensorboard  # noqa: F401
    except ImportError as error:
        advice = "Install it: pip install 'heatproof[tensorboard]'."
        text = message("training.tensorboard", "true", "false without TensorBoard", advice)
        raise DependencyError(text, name="training.tensorboard") from error
