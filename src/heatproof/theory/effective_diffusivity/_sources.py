"""Which modules make noise, and how noise is turned on and off without a trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from heatproof.networks import DiffusionChain, NoiseLayer

__all__ = ["Switches", "has_noise", "makes_noise"]

_DROPOUTS = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
)
_WORDS = ("drop", "stochasticdepth")
"""What the class of a module without children, by others, says where it makes noise."""


def _attention(module: Any) -> bool:
    return bool(module.dropout > 0)


def _recurrent(module: Any) -> bool:
    return bool(module.dropout > 0 and module.num_layers > 1)


_KNOWN: tuple[tuple[type[nn.Module] | tuple[type[nn.Module], ...], Callable[[Any], bool]], ...] = (
    ((NoiseLayer, DiffusionChain), lambda _: True),
    (_DROPOUTS, lambda module: module.p > 0),
    (nn.RReLU, lambda module: module.upper > module.lower),
    (nn.MultiheadAttention, _attention),
    (nn.RNNBase, _recurrent),
)


def makes_noise(module: nn.Module) -> bool:
    """Return whether the module itself is random in training mode, as far as its class says.

    Known are the layers of `heatproof.networks`, dropout of any kind, RReLU, attention and recurrent networks
    with dropout, and modules without children whose class is called …Drop… or StochasticDepth.
    """
    for kinds, active in _KNOWN:
        if isinstance(module, kinds):
            return active(module)
    name = type(module).__name__.lower().replace("_", "")
    return not any(True for _ in module.children()) and any(word in name for word in _WORDS)


def has_noise(module: nn.Module) -> bool:
    """Return whether the module or one inside of it makes noise."""
    return any(makes_noise(inner) for inner in module.modules())


class Switches:
    """The noise of a model, turned on and off by the modes of its modules; `restored` gives them all back."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._modes = [(module, module.training) for module in model.modules()]
        self._always = {layer: layer.always for layer in model.modules() if isinstance(layer, NoiseLayer)}

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Give every module its modes back at the end, whatever happens in between."""
        try:
            yield
        finally:
            for module, training in self._modes:
                module.training = training
            for layer, always in self._always.items():
                layer.always = always

    def silence(self) -> None:
        """Turn off all noise that can be: evaluation mode, and no layer that is always on."""
        for module, _ in self._modes:
            module.training = False
        for layer in self._always:
            layer.always = False

    def evaluate(self) -> None:
        """Leave on what is on in evaluation mode."""
        self.silence()
        for layer, always in self._always.items():
            layer.always = always

    def train(self, layer: nn.Module) -> None:
        """Put one layer, what makes noise in it, and what holds that into training mode, and nothing else.

        Batch normalisation stays in evaluation mode. What holds noise must not: attention of PyTorch's own
        takes a way without dropout in evaluation mode.
        """
        self.silence()
        for module in layer.modules():
            module.training = module is layer or has_noise(module)
