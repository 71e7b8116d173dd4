"""How the sampled network is run: rows a pass, precision, memory format, compilation, side by side.

What is fast on a processor (see docs/benchmarks.md for the measured gains): passes of few rows, whose
activations stay in the cache and in memory that the allocator already holds; one thread a pass and several
passes side by side, as threads that share one pass wait for each other at every layer; convolutions in the
channels-last memory format; a compiled graph in which normalisation is folded into the convolutions.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field

from heatproof._specification import Specification

__all__ = ["Execution"]

_CACHED = 2**17
_HELD = 2**23
_FEWEST, _MOST = 64, 1024
_FEWEST_ON_DEVICE, _MOST_ON_DEVICE = 256, 8192

Count = Annotated[int, Field(strict=True, ge=1, le=2**20)]


class Execution(Specification):
    """How the network is run while it is sampled. Only `precision` changes the classifier.

    Fields:
        batch_size: rows of one forward pass; None for what `rows` says, as with `deterministic` always.
        precision: "own" leaves the model in the type of its own weights. "bfloat16" runs it in automatic
            mixed precision (`torch.autocast`): convolutions and products of matrices in bfloat16, with 8
            bits of precision. *It is another classifier*, and a certificate is of that one.
        channels_last: run a copy of an image network whose weights lie channel by channel.
        compile: run `torch.compile`d frozen copies (constants folded, batch normalisation into the
            convolutions); needs a C++ compiler on a processor and takes some ten seconds to begin with.
        deterministic: make a vote independent of how draws are grouped. Every pass then has the same shape,
            draw k has the place k mod `rows` in it, and one thread computes it. Without it a
            vote that is nearly a tie may go to another class where passes have another size, as sums are
            then rounded in another order.
        workers: how many passes run side by side, each on one thread; None for as many as PyTorch has
            threads (`torch.get_num_threads()`). Each has a copy of the module that shares its weights.
    """

    batch_size: Count | None = None
    precision: Literal["own", "bfloat16"] = "own"
    channels_last: bool = False
    compile: bool = False
    deterministic: bool = False
    workers: Count | None = None

    def rows(self, event_shape: torch.Size, device: torch.device) -> int:
        """Return the rows of one full pass: `batch_size`, or a power of two that depends on the inputs only.

        About 2¹⁷ input numbers a pass on a processor, within 64…1,024 rows; 2²³ on an accelerator, within
        256…8,192.
        """
        if self.batch_size is not None and not self.deterministic:
            return self.batch_size
        if device.type == "cpu":
            return _power(_CACHED // event_shape.numel(), _FEWEST, _MOST)
        return _power(_HELD // event_shape.numel(), _FEWEST_ON_DEVICE, _MOST_ON_DEVICE)

    @property
    def fixed_shape(self) -> bool:
        """Whether every pass must have the same number of rows."""
        return self.compile or self.deterministic


def _power(rows: int, fewest: int, most: int) -> int:
    """Return the largest power of two that is at most `rows`, within the limits (powers of two, too)."""
    return min(max(1 << max(rows, 1).bit_length() - 1, fewest), most)
