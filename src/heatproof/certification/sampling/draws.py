"""Pieces of noise: which draws of which input, and the rows that they become."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from heatproof.noise import Lattice
from heatproof.noise.keyed import Piece, Stage, Stream, chunk_of, fill, pieces

__all__ = ["LARGEST_CHUNK", "Drawing", "Draws", "draws"]

LARGEST_CHUNK = chunk_of(1 << 20).rows
"""The most rows that are drawn together."""


@dataclass(frozen=True)
class Draws:
    """One piece of the stream of one input, from the beginning of its chunk on."""

    position: int
    stage: Stage
    piece: Piece

    @property
    def rows(self) -> int:
        """How many draws are wanted."""
        return self.piece.rows


def draws(position: int, stage: Stage, start: int, stop: int) -> Iterator[Draws]:
    """Yield draws start…stop−1 of one input by pieces; `start` is where a chunk begins."""
    for piece in pieces(start, stop):
        yield Draws(position, stage, piece)


@dataclass(frozen=True)
class Drawing:
    """Makes the noisy rows. A chunk is always drawn whole: a draw does not depend on n."""

    lattice: Lattice
    event_shape: torch.Size
    _own: threading.local = field(default_factory=threading.local, repr=False)

    def buffer(self, rows: int, codes: Shaped[Tensor, "*event"]) -> Float[Tensor, "rows ..."]:
        """Return room for `rows` rows of the shape that the model is shown."""
        shown = self.lattice.perturb(codes, torch.zeros(1, *self._drawn))
        return torch.empty(rows, *shown.shape[1:])

    def put(
        self, wanted: Sequence[Draws], stream: Stream, codes: Shaped[Tensor, "*event"], place: Tensor
    ) -> None:
        """Write the rows of pieces of one stream to `place` (rows, ...), one after the other.

        Without a copy where the noise has the input's shape. `codes` are `Lattice.ready`.
        """
        rows = sum(one.rows for one in wanted)
        direct = place.shape[1:] == self._drawn
        values = place if direct else torch.empty(rows, *self._drawn)
        start = 0
        for one in wanted:
            self._fill(one.piece, stream, values[start : start + one.rows])
            start += one.rows
        made = self.lattice.perturb(codes, values)
        if not direct:
            place.copy_(made)

    def _fill(self, piece: Piece, stream: Stream, values: Tensor) -> None:
        """Fill the rows of one piece; a chunk that is cut is drawn whole beside them."""
        lattice, chunk, source = self.lattice, piece.chunk, self._generator()
        if piece.whole:
            fill(lattice, values, stream, chunk.number, source)
            return
        whole = torch.empty(chunk.rows, *self._drawn)
        fill(lattice, whole, stream, chunk.number, source)
        values.copy_(whole[: piece.rows])

    def _generator(self) -> torch.Generator:
        """Return this thread's generator: made once, seeded anew for each chunk."""
        if not hasattr(self._own, "generator"):
            self._own.generator = torch.Generator()
        found: torch.Generator = self._own.generator
        return found

    @property
    def _drawn(self) -> torch.Size:
        return self.lattice.noise.drawn_shape(self.event_shape)
