"""Certifying a chain with diffusion inside: the noise it amounts to, and the classifier that takes normals.

classifier = InteriorClassifier(chain, event_shape)
certify(classifier, x, noise=classifier.noise)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from heatproof._check import message
from heatproof.errors import InputError
from heatproof.lipschitz import lipschitz_bound
from heatproof.networks.chain import DiffusionChain
from heatproof.noise.interior import InteriorDiffusion

__all__ = ["InteriorClassifier", "interior_diffusion"]


def interior_diffusion(chain: DiffusionChain, event_shape: Sequence[int]) -> InteriorDiffusion:
    """Return the noise that `chain` carries inside, with a proved Lipschitz bound of each block.

    It speaks of the weights as they are now: whoever trains on computes it anew. Cost: that of
    `lipschitz_bound` for each block, and one forward pass of one row.

    Errors: `LipschitzError` that names the module without a proved bound (call `chain.eval()` first if it
    has batch normalisation or dropout); `InputError` for a block that maps everything to one point.
    """
    if not isinstance(chain, DiffusionChain):
        got, advice = f"a {type(chain).__name__}", "A network without noise inside: certify_margin."
        raise InputError(message("chain", got, "a DiffusionChain", advice), name="chain")
    bounds, shape = [], tuple(int(size) for size in event_shape)
    for number, block in enumerate(chain.blocks):
        bound = lipschitz_bound(block, shape)
        if bound.value == 0:
            got = f"block {number}, which maps everything to one point"
            raise InputError(
                message("chain", got, "blocks whose output depends on their input"), name="chain"
            )
        bounds.append(bound.value)
        shape = bound.event_shape
    return InteriorDiffusion(
        noise_stds=chain.noise_stds,
        lipschitz_bounds=tuple(bounds),
        event_shape=tuple(int(size) for size in event_shape),
        interior_dimension=chain.interior_dimension(event_shape),
    )


@final
class InteriorClassifier(nn.Module):
    """A chain as a fixed function of rows [x flattened | normals], (B, d + D) to logits (B, K).

    `noise` is what it is certified with, computed from the chain's weights at the start; `check_noise` says
    whether another one may be used instead. Given inputs (B, *event_shape) it answers without noise
    (all normals 0), as the one-pass prediction. Errors: those of `interior_diffusion`; `InputError` for
    rows of another shape.
    """

    def __init__(self, chain: DiffusionChain, event_shape: Sequence[int]) -> None:
        super().__init__()
        self.chain = chain
        self.noise = interior_diffusion(chain, event_shape)

    def forward(self, rows: Float[Tensor, "batch *row"]) -> Float[Tensor, "batch classes"]:
        """Return logits for the normals that the rows carry."""
        event, interior = self.noise.event_shape, self.noise.interior_dimension
        if tuple(rows.shape[1:]) == event:
            return self.chain.forward_with_noise(rows, rows.new_zeros(len(rows), interior))
        size = torch.Size(event).numel()
        if tuple(rows.shape[1:]) != (size + interior,):
            allowed = f"(batch, {size + interior}), or inputs of shape {event}"
            raise InputError(message("rows", f"shape {tuple(rows.shape)}", allowed), name="rows")
        return self.chain.forward_with_noise(rows[:, :size].reshape(-1, *event), rows[:, size:])

    def check_noise(self, noise: object) -> None:
        """Raise `InputError` unless `noise` certifies this chain with the weights that it has now.

        It must be interior diffusion of the same s_k, shape and D, and each of its Λ_k at least the proved
        bound of now: a smaller one would be a radius too large.
        """
        own = interior_diffusion(self.chain, self.noise.event_shape)
        fits = isinstance(noise, InteriorDiffusion) and (
            noise.model_copy(update={"lipschitz_bounds": own.lipschitz_bounds}) == own
            and all(
                given >= least
                for given, least in zip(noise.lipschitz_bounds, own.lipschitz_bounds, strict=True)
            )
        )
        if not fits:
            got = noise.describe() if isinstance(noise, InteriorDiffusion) else type(noise).__name__
            advice = "Use interior_diffusion(chain, event_shape), computed after the last change of weights."
            raise InputError(message("noise", got, own.describe(), advice), name="noise")
