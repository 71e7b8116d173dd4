"""The normals of Brownian paths: the same for every point, problem and batch."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof.noise.keyed import Stage, Stream

__all__ = ["BLOCK", "PathNormals"]

BLOCK = 256
"""Draws that one generator fills together. Part of the meaning of a seed."""


class PathNormals:
    """The standard normals of draws first … last − 1, one step of the path at a time.

    Draws come in blocks of 256, each with a generator of its own that goes through the steps in order. Blocks
    of one seed never share a generator's seed (`heatproof.noise.keyed`). A block is always filled whole, in
    float64, on the CPU: a draw depends on (seed, its number, the step, the shape) only; not on how many
    draws are wanted, how they are cut into passes, the points, their type, or the device.
    """

    def __init__(self, seed: int, shape: tuple[int, ...], first: int, last: int) -> None:
        stream = Stream(seed, 0, Stage.PATHS)
        numbers = range(first // BLOCK, math.ceil(last / BLOCK))
        self._blocks = [torch.Generator().manual_seed(stream.word(number)) for number in numbers]
        self._rows = slice(first - numbers.start * BLOCK, last - numbers.start * BLOCK)
        self._shape = shape

    def next_step(self) -> Float[Tensor, "draws *normals"]:
        """Return the normals of the next step, float64 (last − first, *shape)."""
        blocks = [
            torch.randn(BLOCK, *self._shape, generator=source, dtype=torch.float64) for source in self._blocks
        ]
        return torch.cat(blocks)[self._rows]
