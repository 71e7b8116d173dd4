"""The sampler: draws of many inputs share full batches; memory does not depend on how many are drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

import numpy as np
import torch
from torch import Tensor

from heatproof.certification.sampling.draws import Drawing, Draws
from heatproof.certification.sampling.forward import Forward
from heatproof.certification.sampling.schedule import Sampled, Schedule
from heatproof.certification.sampling.votes import Voter
from heatproof.certification.sampling.workers import Workers
from heatproof.noise.keyed import Stage, Stream

__all__ = ["Sampler"]

_PASSES = 4


@dataclass(frozen=True)
class _Group:
    """Consecutive pieces of one input and stage, and the candidate whose score is asked for (−1: none)."""

    wanted: list[Draws]
    position: int
    stage: Stage
    rows: int
    candidate: int


@dataclass(frozen=True)
class _Counts:
    """The counts of one batch, one row of cells for each group; still on the device of the model."""

    groups: list[_Group]
    cells: Tensor
    finite: Tensor


class Sampler:
    """Hands batches to workers, each of which makes the noise, asks its own copy of the model, and counts.

    A batch is 4 full passes of rows of whatever inputs are unfinished, and up to a chunk more; it is smaller
    only where all inputs wait for their counts. Counts stay on the device of the model until the stopping
    rule needs them, two batches a worker later; nothing waits for the device before. With one worker
    everything runs in the calling thread. `codes(position)` and `stream(position, stage)` give an input's
    lattice point and its noise; `width` is the number of cells; `failed` makes the error for outputs that
    are not finite. Memory: 2 batches a worker, however many draws and inputs.
    """

    def __init__(
        self,
        forwards: Sequence[Forward],
        voter: Voter,
        drawing: Drawing,
        codes: Callable[[int], Tensor],
        stream: Callable[[int, Stage], Stream],
        *,
        width: int,
        failed: Callable[[], Exception],
    ) -> None:
        self._forwards, self._voter, self._drawing = list(forwards), voter, drawing
        self._codes, self._stream = codes, stream
        self._width, self._failed = width, failed

    def run(self, schedule: Schedule) -> Iterator[Sampled]:
        """Yield each input as soon as its last draw has been counted. Errors: those of the model."""
        with Workers(self._forwards) as workers:
            for found in workers.map(self._work, self._batches(schedule)):
                self._count(schedule, found)
                yield from schedule.settle()

    def _batches(self, schedule: Schedule) -> Iterator[list[_Group] | None]:
        """Yield batches as long as inputs are unfinished; None where all of them wait for their counts."""
        rows = _PASSES * self._forwards[0].rows
        while schedule.unfinished:
            yield _grouped(schedule, schedule.take(rows)) or None

    def _work(self, forward: Forward, groups: list[_Group]) -> _Counts:
        """Make the rows of one batch, ask, count."""
        rows = self._drawing.buffer(sum(group.rows for group in groups), self._codes(groups[0].position))
        start = 0
        for group in groups:
            place = rows[start : start + group.rows]
            stream = self._stream(group.position, group.stage)
            self._drawing.put(group.wanted, stream, self._codes(group.position), place)
            start += group.rows
        return self._ask(forward, groups, rows)

    def _ask(self, forward: Forward, groups: list[_Group], rows: Tensor) -> _Counts:
        lengths = torch.tensor([group.rows for group in groups])
        candidates = torch.repeat_interleave(torch.tensor([group.candidate for group in groups]), lengths)
        pieces = [one.piece for group in groups for one in group.wanted]
        cells, finite = self._voter(forward, rows, candidates, pieces)
        number = torch.repeat_interleave(torch.arange(len(groups)), lengths).to(cells.device)
        counts = torch.zeros(len(groups) * self._width, dtype=torch.int64, device=cells.device)
        counts.scatter_add_(0, number * self._width + cells, torch.ones_like(cells))
        return _Counts(groups, counts, finite)

    def _count(self, schedule: Schedule, found: _Counts) -> None:
        if not bool(found.finite):
            raise self._failed()
        counts = found.cells.cpu().numpy().reshape(len(found.groups), self._width)
        for group, row in zip(found.groups, counts, strict=True):
            schedule.count(group.position, group.stage, np.asarray(row))


def _grouped(schedule: Schedule, taken: list[Draws]) -> list[_Group]:
    groups = []
    for (position, stage), pieces in groupby(taken, key=attrgetter("position", "stage")):
        wanted = list(pieces)
        candidate = -1 if stage is Stage.SELECTION else schedule.candidate(position)
        groups.append(_Group(wanted, position, stage, sum(one.rows for one in wanted), candidate))
    return groups
