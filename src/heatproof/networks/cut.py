"""A network with a dense head, cut into blocks with noise between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from torch import nn

from heatproof._check import message
from heatproof.errors import InputError
from heatproof.lipschitz import split_head
from heatproof.networks.chain import DiffusionChain

__all__ = ["diffusion_chain"]


def diffusion_chain(
    model: nn.Module, noise_stds: Sequence[float], *, at_input: bool = True
) -> DiffusionChain:
    """Return `model` as a chain of as many blocks as there are noises; it shares the weights of `model`.

    The layers before the last dense layer (`lipschitz_parts`, down to those that are no composition) are cut
    into consecutive blocks with about the same number of layers that have parameters, with noise of standard
    deviation s_k after each; what is left, and the dense layer, is the head. With `at_input` the first noise
    lies on the raw input, as in randomized smoothing, and the others inside. `InteriorClassifier` certifies
    the chain: S = Σ_k s_k²/(Λ_1·…·Λ_k)², so that behind 1-Lipschitz blocks noise inside counts as much as
    noise at the input (Bok, Su & Altschuler 2024). A normalisation is a layer like any other, with Λ = 1/std.

    Train the chain itself: its classifier is the noisy one. Errors: `InputError` for a model that does not
    end with a dense layer, or is time-conditioned; for more noises than layers; for noise that is not one
    number > 0 a block.
    """
    split = split_head(model) if isinstance(model, nn.Module) else None
    if split is None:
        got = f"a {type(model).__name__}"
        advice = "Build DiffusionChain(blocks, noise_stds, head) from its layers."
        allowed = "a network without time that ends with a dense layer"
        raise InputError(message("model", got, allowed, advice), name="model")
    layers, head = split
    ends = _ends(layers, noise_stds, int(at_input))
    blocks: list[nn.Module] = [nn.Identity()] if at_input else []
    blocks += [nn.Sequential(*layers[start:end]) for start, end in pairwise(ends)]
    rest = layers[ends[-1] :]
    return DiffusionChain(blocks, noise_stds, nn.Sequential(*rest, head) if rest else head)


def _ends(layers: Sequence[nn.Module], noise_stds: object, at_input: int) -> list[int]:
    """Return where the blocks begin and end, by number of layer."""
    places = [place + 1 for place, layer in enumerate(layers) if any(True for _ in layer.parameters())]
    count = len(list(noise_stds)) if isinstance(noise_stds, Iterable) else 0
    inner = count - at_input
    if not 0 <= inner <= len(places) or count < 1:
        allowed = f"1 to {len(places) + at_input} numbers > 0"
        raise InputError(message("noise_stds", f"{count} numbers", allowed), name="noise_stds")
    return [0, *(places[len(places) * k // inner - 1] for k in range(1, inner + 1))]
