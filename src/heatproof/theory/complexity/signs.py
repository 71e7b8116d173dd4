"""Rademacher signs: all of them, or drawn."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float64
from torch import Tensor

from heatproof._check import check_whole

__all__ = ["half_of_all_signs", "random_signs", "seeded", "sign_chunks"]

_CHUNK = 1 << 21
"""Signs held at once."""


def seeded(seed: int) -> torch.Generator:
    """Return a generator on the CPU. Errors: `InputError` unless the seed is a whole number ≥ 0."""
    return torch.Generator().manual_seed(check_whole("seed", seed, at_least=0) % (1 << 63))


def random_signs(draws: int, count: int, generator: torch.Generator) -> Float64[Tensor, "draws count"]:
    """Return independent fair signs ±1."""
    shape = (check_whole("draws", draws), check_whole("count", count))
    return torch.randint(0, 2, shape, generator=generator).double() * 2.0 - 1.0


def sign_chunks(
    draws: int, count: int, generator: torch.Generator
) -> Iterator[Float64[Tensor, "chunk count"]]:
    """Yield `draws` rows of signs, a few million numbers at a time."""
    rows = max(1, _CHUNK // count)
    for start in range(0, draws, rows):
        yield random_signs(min(rows, draws - start), count, generator)


def half_of_all_signs(count: int) -> Float64[Tensor, "half count"]:
    """Return the 2^(count − 1) rows of signs that begin with +1; the others are their negatives."""
    codes = torch.arange(1 << (check_whole("count", count) - 1))
    bits = codes[:, None] >> torch.arange(count)[None, :] & 1
    return 1.0 - 2.0 * bits.flip(1).double()
