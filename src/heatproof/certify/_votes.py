"""The vote counter: draws of many inputs share batches; memory does not depend on how many are drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from heatproof._check import message
from heatproof._types import Classifier
from heatproof.errors import ModelError
from heatproof.noise import Lattice
from heatproof.noise.keyed import CHUNK, Stage, normals

__all__ = ["Votes", "VotingPlan", "count_votes"]


@dataclass(frozen=True)
class VotingPlan:
    """How many draws each input gets in each stage, and with what noise."""

    samples: dict[Stage, int]
    noise_std: float
    lattice: Lattice
    seed: int
    classes: int
    batch_size: int


@dataclass(frozen=True)
class Votes:
    """The votes of one input: counts (K,) for each stage; `position` is its row in the inputs given."""

    position: int
    counts: dict[Stage, np.ndarray]


@dataclass(frozen=True)
class _Piece:
    """`rows` draws of one chunk of one input; `last` marks the input's final piece."""

    position: int
    stage: Stage
    chunk: int
    rows: int
    last: bool


def count_votes(
    model: Classifier,
    codes: Float64[Tensor, "inputs *event"],
    index: list[int],
    plan: VotingPlan,
    device: torch.device,
) -> Iterator[Votes]:
    """Yield the votes of each input, in order, as soon as its last draw has been counted.

    Cost: Σ samples forward rows an input. Memory: one batch of max(batch_size, CHUNK) rows, however many
    samples. Errors: `ModelError` where logits are not (B, K) or not finite; inputs yielded before stand.
    """
    tally = _Tally(plan)
    for pieces in _batches(_pieces(len(codes), plan.samples), max(plan.batch_size, CHUNK)):
        rows = [_draw(codes[p.position], index[p.position], p, plan) for p in pieces]
        labels = _vote(model, torch.cat(rows), plan, device)
        yield from tally.add(pieces, labels)


def _pieces(inputs: int, samples: dict[Stage, int]) -> Iterator[_Piece]:
    chunks = [
        (stage, chunk, min(CHUNK, count - chunk * CHUNK))
        for stage, count in samples.items()
        for chunk in range(-(-count // CHUNK))
    ]
    for position in range(inputs):
        for stage, chunk, rows in chunks:
            yield _Piece(position, stage, chunk, rows, last=(stage, chunk, rows) == chunks[-1])


def _batches(pieces: Iterator[_Piece], capacity: int) -> Iterator[list[_Piece]]:
    batch: list[_Piece] = []
    filled = 0
    for piece in pieces:
        if filled + piece.rows > capacity:
            yield batch
            batch, filled = [], 0
        batch.append(piece)
        filled += piece.rows
    if batch:
        yield batch


def _draw(
    codes: Float64[Tensor, "*event"], index: int, piece: _Piece, plan: VotingPlan
) -> Float[Tensor, "rows *event"]:
    """Return noisy copies of one input. A chunk is always drawn whole: a draw does not depend on n."""
    noise = normals(codes.shape, plan.seed, index, piece.stage, piece.chunk)[: piece.rows]
    return plan.lattice.add_noise(codes, noise, plan.noise_std)


def _vote(
    model: Classifier, x: Float[Tensor, "rows *event"], plan: VotingPlan, device: torch.device
) -> np.ndarray:
    labels = []
    for part in x.split(plan.batch_size):
        logits = model(part.to(device))
        if logits.shape != (len(part), plan.classes) or not bool(torch.isfinite(logits).all()):
            got = f"shape {tuple(logits.shape)}" if logits.ndim != 2 else "NaN or infinite logits"
            allowed = f"finite logits of shape ({len(part)}, {plan.classes})"
            raise ModelError(message("model output under noise", got, allowed), name="model")
        labels.append(logits.argmax(dim=1).cpu())
    return np.asarray(torch.cat(labels).numpy())


class _Tally:
    """Adds up votes piece by piece and gives an input out when it is complete."""

    def __init__(self, plan: VotingPlan) -> None:
        self._plan = plan
        self._open: dict[int, dict[Stage, np.ndarray]] = {}

    def add(self, pieces: list[_Piece], labels: np.ndarray) -> Iterator[Votes]:
        start = 0
        for piece in pieces:
            counts = self._open.setdefault(piece.position, self._zeros())
            votes = labels[start : start + piece.rows]
            counts[piece.stage] += np.bincount(votes, minlength=self._plan.classes)
            start += piece.rows
            if piece.last:
                yield Votes(piece.position, self._open.pop(piece.position))

    def _zeros(self) -> dict[Stage, np.ndarray]:
        return {stage: np.zeros(self._plan.classes, dtype=np.int64) for stage in self._plan.samples}
