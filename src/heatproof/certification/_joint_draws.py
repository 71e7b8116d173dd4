"""Draws of noise on one large input, one after the other, from the streams of `heatproof.noise.keyed`."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from heatproof.noise import Lattice
from heatproof.noise.keyed import BLOCK, Stream, pieces

__all__ = ["joint_draws"]


def joint_draws(
    lattice: Lattice, codes: Shaped[Tensor, "*event"], stream: Stream, samples: int
) -> Iterator[Float[Tensor, "*event"]]:
    """Yield unit·(codes + noise) for draws 0 … samples − 1 of a stream.

    The draws are those of `keyed.fill`, which fills a chunk of up to 256 of them at once: of a matrix of
    millions of numbers they are made one by one, in the same order, and only one is in memory. What is
    yielded is overwritten by the next draw.
    """
    source = torch.Generator()
    rows = max(1, BLOCK // codes.numel())
    buffer = torch.empty(rows, *codes.shape)
    for piece in pieces(0, samples):
        source.manual_seed(stream.word(piece.chunk.number))
        for start in range(0, piece.rows, rows):
            block = buffer[: min(rows, piece.chunk.rows - start)]
            lattice.fill(block, source)
            yield from lattice.add_noise(codes, block)[: piece.rows - start]
