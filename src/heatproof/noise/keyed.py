"""Noise that depends on (seed, input, stage, draw number) only.

Batch size, order, subset, worker and restart change nothing: every input owns a stream of chunks of
`CHUNK` draws, and each chunk is filled by a generator of its own.

PyTorch's CPU generator (Mersenne twister) keeps 32 bits of its seed. Two chunks of *one* input must never
share a stream (its samples would not be independent and the confidence level would not hold), so the
chunk number passes through a bijection of 32-bit words: distinct chunks of an input have distinct seeds.
Chunks of different inputs may meet by chance (2⁻³² a pair), which no guarantee per input speaks of.
"""

from __future__ import annotations

import hashlib
from enum import IntEnum

import torch

from heatproof._check import message
from heatproof.errors import InputError

__all__ = ["CHUNK", "Stage", "content_key", "generator", "normals"]

CHUNK = 256
"""Draws in one chunk. Part of the meaning of a seed: changing it changes every stored result."""

_STAGE_BITS = 2
_WORD = 0xFFFFFFFF


class Stage(IntEnum):
    """What a stream is for; streams of different stages are disjoint."""

    SELECTION = 0
    ESTIMATION = 1
    ATTACK = 2
    JUDGEMENT = 3


def generator(seed: int, index: int, stage: Stage, chunk: int = 0) -> torch.Generator:
    """Return a CPU generator for one chunk of the stream of input `index`.

    Errors: `InputError` for a chunk number outside 0…2³⁰−1.
    """
    if not 0 <= chunk < 1 << (32 - _STAGE_BITS):
        raise InputError(message("chunk", chunk, f"0…{(1 << (32 - _STAGE_BITS)) - 1}"), name="chunk")
    counter = (chunk << _STAGE_BITS) | int(stage)
    word = _mix(counter ^ _digest(seed, index))
    return torch.Generator().manual_seed(word)


def normals(event_shape: torch.Size, seed: int, index: int, stage: Stage, chunk: int = 0) -> torch.Tensor:
    """Return the standard normals (CHUNK, *event), float32, of one chunk."""
    values = torch.empty(CHUNK, *event_shape)
    return values.normal_(generator=generator(seed, index, stage, chunk))


def content_key(x: torch.Tensor) -> int:
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
