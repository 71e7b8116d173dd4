"""Which draws come next: unfinished inputs fill every batch, and new ones are begun when there is room."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from jaxtyping import Int64

from heatproof.certification.sampling.draws import Draws, draws
from heatproof.noise.keyed import Stage
from heatproof.statistics import State, StoppingRule

__all__ = ["Sampled", "Schedule"]


@dataclass(frozen=True)
class Sampled:
    """All draws of one finished input: counts per stage; `position` is its row in the inputs given."""

    position: int
    selection: Int64[np.ndarray, " K"]
    estimation: Int64[np.ndarray, " cells"]


@dataclass(eq=False)
class _Progress:
    """One unfinished input: what was counted, the draws that it has, and the rows still on their way."""

    selection: Int64[np.ndarray, " K"]
    estimation: Int64[np.ndarray, " cells"]
    samples: int = 0
    due: int = 0

    @property
    def candidate(self) -> int:
        return int(self.selection.argmax())


class Schedule:
    """Hands out pieces, takes counts, and asks the stopping rule at each of its looks.

    `classes` votes are counted in selection, `cells` in estimation (the classes, or bins of scores, for which
    the candidate must be known first: `candidate_first`). An input that needs more draws goes before new
    ones. Memory: the inputs that are under way, whatever their number in all.
    """

    def __init__(
        self,
        rule: StoppingRule,
        inputs: int,
        selection_samples: int,
        classes: int,
        *,
        bins: int | None = None,
    ) -> None:
        self.state: State = rule.begin(inputs)
        self._rule = rule
        self._selection_samples = selection_samples
        self._cells = (classes, bins or classes)
        self._candidate_first = bins is not None
        self._new = iter(range(inputs))
        self._left = inputs
        self._ready: deque[Iterator[Draws]] = deque()
        self._open: dict[int, _Progress] = {}
        self._arrived: list[int] = []

    @property
    def unfinished(self) -> bool:
        """Whether any input still needs draws or waits for its counts."""
        return self._left > 0

    def take(self, rows: int) -> list[Draws]:
        """Return pieces with at least `rows` rows in all; fewer where everything waits for its counts."""
        taken: list[Draws] = []
        while rows > 0 and (piece := self._next()) is not None:
            taken.append(piece)
            rows -= piece.rows
        return taken

    def candidate(self, position: int) -> int:
        """Return the class that the selection of an input has chosen so far."""
        return self._open[position].candidate

    def count(self, position: int, stage: Stage, counts: Int64[np.ndarray, " cells"]) -> None:
        """Add the counts of some rows of one input."""
        progress = self._open[position]
        cells = progress.selection if stage is Stage.SELECTION else progress.estimation
        cells += counts[: len(cells)]
        progress.due -= int(counts.sum())
        if progress.due == 0:
            self._arrived.append(position)

    def settle(self) -> list[Sampled]:
        """Look at every input whose rows are all counted; return the finished, send the others on."""
        arrived, self._arrived = sorted(self._arrived), []
        drawn = np.asarray([self._open[position].samples for position in arrived], dtype=np.int64)
        rows = np.asarray(arrived, dtype=np.int64)
        for samples in np.unique(drawn[drawn > 0]):
            self._look(rows[drawn == samples], int(samples))
        finished = [position for position in arrived if self.state.finished[position]]
        for position in reversed([one for one in arrived if not self.state.finished[one]]):
            self._ready.appendleft(self._go_on(position))
        return [self._close(position) for position in finished]

    def _next(self) -> Draws | None:
        while True:
            if self._ready:
                piece = next(self._ready[0], None)
                if piece is not None:
                    return piece
                self._ready.popleft()
            else:
                position = next(self._new, None)
                if position is None:
                    return None
                self._ready.append(self._begin(position))

    def _begin(self, position: int) -> Iterator[Draws]:
        classes, cells = self._cells
        progress = _Progress(np.zeros(classes, dtype=np.int64), np.zeros(cells, dtype=np.int64))
        progress.due = self._selection_samples
        self._open[position] = progress
        selection = draws(position, Stage.SELECTION, 0, self._selection_samples)
        return selection if self._candidate_first else chain(selection, self._go_on(position))

    def _go_on(self, position: int) -> Iterator[Draws]:
        """Return the pieces up to the next look, whose rows are due from now on."""
        progress = self._open[position]
        start, stop = progress.samples, self._rule.next_look(progress.samples)
        progress.samples = stop
        progress.due += stop - start
        return draws(position, Stage.ESTIMATION, start, stop)

    def _look(self, rows: Int64[np.ndarray, " rows"], samples: int) -> None:
        found = [self._open[int(position)] for position in rows]
        hard = not self._candidate_first
        votes = [int(one.estimation[one.candidate]) if hard else 0 for one in found]
        self._rule.look(self.state, rows, samples, np.asarray(votes, dtype=np.int64))

    def _close(self, position: int) -> Sampled:
        progress = self._open.pop(position)
        self._left -= 1
        return Sampled(position, progress.selection, progress.estimation)
