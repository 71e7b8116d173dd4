"""The accuracies of a record: one pass over a few rows of a split, which are moved to the device once."""

from __future__ import annotations

import torch
from torch import Tensor

from heatproof.training._session import Session

__all__ = ["accuracies"]

_BATCH = 1_000


def accuracies(session: Session) -> dict[str, float]:
    """Return the accuracies in evaluation mode, at the first `measure_rows` rows of each split."""
    session.model.eval()
    with torch.no_grad():
        found = {f"{name}_accuracy": _accuracy(session, x, y) for name, (x, y) in session.measured.items()}
    session.model.train()
    return found


def _accuracy(session: Session, x: Tensor, y: Tensor) -> float:
    """Let each process count its share of the rows; wait for the device once."""
    own = torch.arange(session.process, len(y), session.processes, device=x.device)
    right = torch.zeros((), device=x.device)
    for rows in own.split(_BATCH):
        logits = session.plain_model(session.placed(x[rows]))
        right += (logits.argmax(dim=1) == y[rows]).sum()
    return float(session.mean(right)) * session.processes / len(y)
