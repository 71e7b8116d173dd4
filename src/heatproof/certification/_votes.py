"""The vote counter: draws of many inputs share batches; memory does not depend on how many are drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from heatproof._types import Classifier
from heatproof.certification._model import checked_logits
from heatproof.noise import Lattice
from heatproof.noise.keyed import Stage, generator

__all__ = ["Votes", "VotingPlan", "count_votes"]

CHUNK = 256


@dataclass(frozen=True)
class VotingPlan:
    """How many draws each input gets in each stage, and with what noise."""

    samples: dict[Stage, int]
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
    x: Float[Tensor, "inputs *event"],
    index: list[int],
    plan: VotingPlan,
    device: torch.device,
) -> Iterator[Votes]:
    """Yield the votes of each input, in order, as soon as its last draw has been counted.

    Cost: Σ samples forward rows an input. Memory: one batch of max(batch_size, CHUNK) rows, however many
    samples and inputs. Errors: `ModelError` where logits are not (B, K) or not finite; inputs yielded before
    stand.
    """
    tally = _Tally(plan)
    for pieces in _batches(_pieces(len(x), plan.samples), max(plan.batch_size, CHUNK)):
        codes = {
            place: plan.lattice.codes(x[place : place + 1])[0].cpu()
            for place in sorted({piece.position for piece in pieces})
        }
        rows = [_draw(codes[p.position], index[p.position], p, plan) for p in pieces]
        labels = _vote(model, torch.cat(rows), plan, device)
        yield from tally.add(pieces, labels)


def _pieces(inputs: int, samples: dict[Stage, int]) -> Iterator[_Piece]:
    final = list(samples)[-1]
    for position in range(inputs):
        for stage, count in samples.items():
            for start in range(0, count, CHUNK):
                rows = min(CHUNK, count - start)
                last = stage is final and start + rows == count
                yield _Piece(position, stage, start // CHUNK, rows, last)


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
    noise = torch.empty(CHUNK, *codes.shape)
    noise.normal_(generator=generator(plan.seed, index, piece.stage, piece.chunk))
    if piece.rows < CHUNK:
        noise = noise[: piece.rows].clone()  # a view would keep the whole chunk in memory
    return plan.lattice.add_noise(codes, noise)


def _vote(
    model: Classifier, x: Float[Tensor, "rows *event"], plan: VotingPlan, device: torch.device
) -> np.ndarray:
    labels = []
    for part in x.split(plan.batch_size):
        logits = checked_logits(model, part, device, plan.classes)
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
