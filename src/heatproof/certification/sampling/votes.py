"""How a batch votes: each row for its top class, or with its candidate's probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from heatproof.certification._model import asked
from heatproof.certification.sampling.forward import Forward
from heatproof.noise.keyed import Piece
from heatproof.statistics import score_nodes

__all__ = ["Voter", "score_edges"]

_FINER = 8


def score_edges() -> Float64[np.ndarray, " cells"]:
    """Return the values as which scores count, each rounded down: 8 between any two of `score_nodes`.

    657 in all, 1/256 apart, and above 0.84 ever closer, by a fortieth of what is left to 1.
    """
    nodes = score_nodes()
    places = np.arange(_FINER * (len(nodes) - 1) + 1) / _FINER
    return np.asarray(np.interp(places, np.arange(len(nodes)), nodes), dtype=np.float64)


@dataclass(frozen=True)
class Voter:
    """Asks a forward pass and turns its logits into cells: classes, or with `edges` bins of scores.

    `edges` (bins,) are the lower edges of the bins; a score counts as the edge below it. Rows of the
    selection stage (candidate −1) vote for their top class always. If `deterministic`, the rows of each
    chunk are asked alone, each at its own place in a pass of fixed shape: then a vote depends on the row and
    its draw number.
    """

    classes: int
    edges: Tensor | None = None
    deterministic: bool = False

    def __call__(
        self,
        forward: Forward,
        rows: Float[Tensor, "rows ..."],
        candidates: Int64[Tensor, " rows"],
        pieces: Sequence[Piece],
    ) -> tuple[Int64[Tensor, " rows"], Bool[Tensor, ""]]:
        """Return the cells and whether all logits are finite. `pieces` are what the rows are of.

        Errors: `ModelError` for an output of another shape.
        """
        logits = self._alone(forward, rows, pieces) if self.deterministic else self._logits(forward, rows)
        finite = torch.isfinite(logits).all()
        top = logits.argmax(dim=1)
        if self.edges is None:
            return top, finite
        asked_for = candidates.to(logits.device)
        scores = logits.double().softmax(dim=1).gather(1, asked_for.clamp(min=0)[:, None])[:, 0]
        bins = torch.bucketize(scores, self.edges.to(logits.device), right=True) - 1
        return torch.where(asked_for < 0, top, bins.clamp(min=0)), finite

    def _alone(self, forward: Forward, rows: Tensor, pieces: Sequence[Piece]) -> Tensor:
        parts = rows.split([piece.rows for piece in pieces])
        places = [(piece.chunk.start + piece.first) % forward.rows for piece in pieces]
        return torch.cat([self._logits(forward, *one) for one in zip(parts, places, strict=True)])

    def _logits(self, forward: Forward, rows: Tensor, at: int = 0) -> Tensor:
        return asked(partial(forward, at=at), rows, forward.device, self.classes)
