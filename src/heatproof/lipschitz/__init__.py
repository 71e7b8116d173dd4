"""Proved upper bounds of ℓ2 Lipschitz constants; a module without one is refused by name."""

from heatproof.lipschitz._bound import Bound, product, residual
from heatproof.lipschitz._gram_convolution import convolution_gram_bound
from heatproof.lipschitz._modules import lipschitz_bound, split_head
from heatproof.lipschitz._spectral import gram_bound, spectral_bound

__all__ = [
    "Bound",
    "convolution_gram_bound",
    "gram_bound",
    "lipschitz_bound",
    "product",
    "residual",
    "spectral_bound",
    "split_head",
]
