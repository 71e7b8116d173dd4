"""Layers that say a wrong diffusion of their noise: negative controls for the comparison with formulas."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from torch import Tensor

from heatproof.equation import Diffusion, IsotropicDiffusion
from heatproof.lipschitz import Bound
from heatproof.networks import NoiseLayer
from heatproof.studies.diffusivity.kinds import Kind

if TYPE_CHECKING:
    from heatproof.studies.diffusivity.study import Diffusivity

__all__ = ["FORMS", "Misstated", "WrongForm"]


@final
class Misstated(NoiseLayer):
    """A layer with the noise of another one, and a diffusion that somebody claims of it.

    The other one is copied, with its noise always on, and kept in a tuple, where PyTorch does not look: so
    its noise counts as this layer's own.
    """

    def __init__(self, layer: NoiseLayer, claim: Callable[[float], Diffusion]) -> None:
        super().__init__()
        own = copy.deepcopy(layer)
        own.always = True
        self._own, self._claim = (own,), claim

    def mean_step(self, x: Tensor) -> Tensor:
        """Return the other layer's step without noise."""
        return self._own[0].mean_step(x)

    def diffusion(self, time_step: float) -> Diffusion:
        """Return what is claimed."""
        return self._claim(time_step)

    def _noisy_step(self, x: Tensor) -> Tensor:
        noisy: Tensor = self._own[0](x)
        return noisy

    def _mean_bound(self, event_shape: tuple[int, ...]) -> Bound:
        """Return the bound of a copy without noise."""
        quiet = copy.deepcopy(self._own[0])
        quiet.always = False
        return quiet.eval().lipschitz_bound(event_shape)

    def _settings(self) -> list[str]:
        return [repr(self._own[0])]


@dataclass(frozen=True)
class WrongForm:
    """One wrong formula: its key, what is wrong with it, the kinds that it is tried on, the claim."""

    key: str
    words: str
    kinds: tuple[str, ...]
    claim: Callable[[Diffusivity, Kind, NoiseLayer], Callable[[float], Diffusion]]

    def layer(self, study: Diffusivity, kind: Kind, layer: NoiseLayer) -> Misstated:
        """Return the layer with the wrong formula."""
        return Misstated(layer, self.claim(study, kind, layer))


def _scaled(layer: NoiseLayer, factor: float) -> Callable[[float], Diffusion]:
    """Return the layer's own diffusion, which goes as 1/Δt, times a factor."""
    return lambda time_step: layer.diffusion(time_step / factor)


def _swapped(study: Diffusivity, kind: Kind, layer: NoiseLayer) -> Callable[[float], Diffusion]:
    """Return the formula with q/(1−q) for (1−q)/q."""
    q = study.state_keep if kind.key == "state-dropout" else study.keep
    return _scaled(layer, (q / (1 - q)) ** 2)


def _isotropic(_: Diffusivity, __: Kind, layer: NoiseLayer) -> Callable[[float], Diffusion]:
    """Return A = σ²I with the trace of the right one at every state."""
    return lambda time_step: IsotropicDiffusion(layer.diffusion(time_step).mean_diffusivity)


FORMS = (
    WrongForm(
        "swapped",
        "q and 1 − q swapped",
        ("state-dropout", "branch-dropout", "stochastic-depth"),
        _swapped,
    ),
    WrongForm(
        "third",
        "1/3 for the 1/12 of shake-shake",
        ("shake-shake",),
        lambda _, __, layer: _scaled(layer, 12 / 3),
    ),
    WrongForm(
        "doubled",
        "A = C/Δt, without the 2",
        ("gaussian", "multiplicative", "state-dropout", "branch-dropout", "stochastic-depth", "shake-shake"),
        lambda _, __, layer: _scaled(layer, 2.0),
    ),
    WrongForm(
        "isotropic",
        "A = σ²I with the right trace at every state",
        ("multiplicative", "state-dropout", "branch-dropout", "stochastic-depth", "shake-shake"),
        _isotropic,
    ),
)
