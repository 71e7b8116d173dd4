"""Noise that depends on (seed, input, stage, draw number) only.

Batch size, order, subset, worker and restart change nothing: every input owns a stream of draws, cut into
chunks by a fixed schedule (8 draws a chunk up to draw 128, 32 up to 1,024, 256 above), and each chunk is
filled by a generator of its own. A rule that looks at the ends of chunks wastes no noise. The schedule is
part of the meaning of a seed.

PyTorch's CPU generator (Mersenne twister) keeps 32 bits of its seed. Two chunks of *one* input must never
share a stream (its samples would not be independent and the confidence level would not hold), so the
chunk number passes through a bijection of 32-bit words: distinct chunks of an input have distinct seeds.
Chunks of different inputs may meet by chance (2⁻³² a pair), which no guarantee per input speaks of.

Generators of different device types give different streams from one seed (on CUDA also different models of
device): the certifier draws on the CPU, wherever the model is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof._check import check_whole, message
from heatproof.errors import InputError
from heatproof.noise._noise import Noise
from heatproof.noise.lattice import Lattice

__all__ = [
    "BLOCK",
    "Chunk",
    "Piece",
    "Stage",
    "Stream",
    "chunk_of",
    "content_key",
    "fill",
    "generator",
    "pieces",
    "random",
]

_SCHEDULE = ((0, 0, 8), (128, 16, 32), (1024, 44, 256))
"""From which draw on, the number of the chunk that starts there, and the draws of a chunk."""
_STAGE_BITS = 3
_WORD = 0xFFFFFFFF
BLOCK = 1 << 16
"""Numbers drawn at once on a CPU, so that they stay in the cache. Part of the meaning of a seed."""


class Stage(IntEnum):
    """What a stream is for; streams of different stages are disjoint."""

    SELECTION = 0
    ESTIMATION = 1
    ATTACK = 2
    JUDGEMENT = 3
    PILOT = 4
    PATHS = 5


@dataclass(frozen=True)
class Stream:
    """All draws for one input and one purpose, numbered from 0."""

    seed: int
    index: int
    stage: Stage

    def word(self, chunk: int) -> int:
        """Return the 32-bit seed of the chunk of this number. Errors: `InputError` outside 0…2²⁹−1."""
        if not 0 <= chunk < 1 << (32 - _STAGE_BITS):
            raise InputError(message("chunk", chunk, f"0…{(1 << (32 - _STAGE_BITS)) - 1}"), name="chunk")
        return _mix((chunk << _STAGE_BITS | int(self.stage)) ^ self._digest)

    @cached_property
    def _digest(self) -> int:
        return _digest(self.seed, self.index)


@dataclass(frozen=True)
class Chunk:
    """Draws start … stop − 1 of an input's stream, filled together."""

    number: int
    start: int
    stop: int

    @property
    def rows(self) -> int:
        """How many draws it holds."""
        return self.stop - self.start


@dataclass(frozen=True)
class Piece:
    """Rows first … last − 1 of a chunk."""

    chunk: Chunk
    first: int
    last: int

    @property
    def rows(self) -> int:
        """How many draws are wanted."""
        return self.last - self.first

    @property
    def whole(self) -> bool:
        """Whether that is all of the chunk."""
        return self.rows == self.chunk.rows


def chunk_of(draw: int) -> Chunk:
    """Return the chunk that holds draw number `draw` ≥ 0."""
    check_whole("draw", draw, at_least=0)
    since, number, rows = next(part for part in reversed(_SCHEDULE) if draw >= part[0])
    nth = (draw - since) // rows
    start = since + nth * rows
    return Chunk(number + nth, start, start + rows)


def pieces(start: int, stop: int) -> Iterator[Piece]:
    """Yield, in order, the pieces of chunks that make up draws start … stop − 1."""
    draw = start
    while draw < stop:
        chunk = chunk_of(draw)
        last = min(chunk.stop, stop)
        yield Piece(chunk, draw - chunk.start, last - chunk.start)
        draw = last


def generator(
    seed: int, index: int, stage: Stage, chunk: int = 0, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Return a generator for the chunk of this number of the stream of input `index`.

    Errors: `InputError` for a chunk number outside 0…2²⁹−1.
    """
    return torch.Generator(device).manual_seed(Stream(seed, index, stage).word(chunk))


def fill(
    noise: Noise | Lattice,
    values: Float[Tensor, "rows *drawn"],
    stream: Stream,
    chunk: int,
    source: torch.Generator | None = None,
) -> None:
    """Overwrite `values`, all rows of one chunk (a slice of a buffer, contiguous), with noise / scale.

    Given a lattice, with what certificates are sampled from (`Lattice.fill`); given a noise, with its `fill`.

    The rows are filled on the device of `values`, on a CPU a cache-sized block at a time; no copy of them is
    made. A chunk is filled whole: its rows do not depend on how many of them are used. `source`, a generator
    of that device whose state is overwritten, saves making one.
    """
    source = (torch.Generator(values.device) if source is None else source).manual_seed(stream.word(chunk))
    if values.numel() <= BLOCK or values.device.type != "cpu":
        noise.fill(values, source)
        return
    for block in values.split(max(1, BLOCK // values[0].numel())):
        noise.fill(block, source)


def random(
    noise: Noise | Lattice,
    event_shape: torch.Size,
    stream: Stream,
    chunk: Chunk,
    device: torch.device | str = "cpu",
) -> Float[Tensor, "rows *drawn"]:
    """Return noise / scale, float32 (rows of the chunk, *noise.drawn_shape(event_shape))."""
    values = torch.empty(chunk.rows, *noise.drawn_shape(event_shape), device=device)
    fill(noise, values, stream, chunk.number)
    return values


def content_key(x: Tensor) -> int:
    """Return a key for one input from its content alone, for inputs that belong to no data set."""
    blob = x.detach().to("cpu", torch.float32).contiguous().numpy().tobytes()
    return int.from_bytes(hashlib.blake2b(blob, digest_size=7).digest(), "big")


def _digest(seed: int, index: int) -> int:
    text = f"{int(seed)}/{int(index)}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=4).digest(), "big")


def _mix(word: int) -> int:
    """Scramble a 32-bit word one-to-one (xor-shifts and odd multipliers, each invertible)."""
    word ^= word >> 16
    word = (word * 0x7FEB352D) & _WORD
    word ^= word >> 15
    word = (word * 0x846CA68B) & _WORD
    word ^= word >> 16
    return word
