"""All networks by name: the union for configurations, what each one is, and how to build any of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeAlias, get_args

import torch
from pydantic import Field
from torch import nn

from heatproof._check import message
from heatproof.errors import InputError
from heatproof.networks._base import NetworkBase
from heatproof.networks._description import NetworkDescription
from heatproof.networks.custom import Factory
from heatproof.networks.lenet import LeNet
from heatproof.networks.mlp import MLP
from heatproof.networks.normalise import Numbers
from heatproof.networks.potential_flow_network import PotentialFlowNetwork
from heatproof.networks.residual_image import ResNet
from heatproof.networks.residual_mlp import ResidualMLP
from heatproof.networks.vision_transformer import VisionTransformer
from heatproof.networks.wide_residual import WideResNet

__all__ = ["NetworkDescription", "NetworkSettings", "build", "describe", "names", "parameters"]

NetworkSettings: TypeAlias = Annotated[
    MLP | LeNet | ResidualMLP | ResNet | WideResNet | PotentialFlowNetwork | VisionTransformer | Factory,
    Field(discriminator="name"),
]
"""Settings of any network, told apart by `name`: the type of a configuration's field."""

_KINDS: tuple[type[NetworkBase], ...] = get_args(get_args(NetworkSettings)[0])
_CLASSES = 10


def names() -> tuple[str, ...]:
    """Return the names that `NetworkSettings` knows."""
    return tuple(_name(kind) for kind in _KINDS)


def describe() -> tuple[NetworkDescription, ...]:
    """Describe every network; makes no weights and leaves the random state alone."""
    return tuple(_describe(kind) for kind in _KINDS)


def build(
    settings: NetworkBase,
    event_shape: Sequence[int],
    classes: int,
    mean: Numbers | None = None,
    std: Numbers | None = None,
    *,
    trust: bool = False,
) -> nn.Module:
    """Return the network that `settings` describe, from raw inputs (B, *event_shape) to logits (B, classes).

    `trust` allows settings that name code of the user's (`Factory`); it changes nothing for the others.
    Errors: `InputError` for what are no network settings, and those of `settings.build`.
    """
    if isinstance(settings, Factory):
        return settings.build(event_shape, classes, mean, std, trust=trust)
    if not isinstance(settings, NetworkBase):
        got = type(settings).__name__
        raise InputError(
            message("settings", got, f"settings of one of {', '.join(names())}"), name="settings"
        )
    return settings.build(event_shape, classes, mean, std)


def parameters(model: nn.Module) -> int:
    """Return how many numbers training can change in `model`; shared ones count once."""
    return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)


def _name(kind: type[NetworkBase]) -> str:
    return str(kind.model_fields["name"].default)


def _describe(kind: type[NetworkBase]) -> NetworkDescription:
    count, own = None, kind.usual_input is None
    if kind.usual_input is not None:
        with torch.device("meta"):
            count = parameters(kind.from_mapping({}).build(kind.usual_input, _CLASSES))
    return NetworkDescription(
        name=_name(kind),
        summary=(kind.__doc__ or "").strip().partition("\n")[0],
        takes=kind.takes,
        usual_input=kind.usual_input,
        classes=_CLASSES,
        parameters=count,
        time_conditioned=True,
        lipschitz=None if own else kind.lipschitz,
        noise_layers=None if own else "noise_layers" in kind.model_fields,
    )
