"""All networks on graphs by name."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import torch
from pydantic import Field

from heatproof.equation.graph import Graph
from heatproof.networks._description import NetworkDescription
from heatproof.networks.graph._base import GraphNetworkBase
from heatproof.networks.graph.coin import COIN
from heatproof.networks.graph.gcn import GCN

__all__ = ["GraphNetworkSettings", "describe", "names"]

GraphNetworkSettings: TypeAlias = Annotated[COIN | GCN, Field(discriminator="name")]
"""Settings of any network on a graph, told apart by `name`."""

_KINDS: tuple[type[GraphNetworkBase], ...] = (COIN, GCN)
_FEATURES, _CLASSES = 1433, 7


def names() -> tuple[str, ...]:
    """Return the names that `GraphNetworkSettings` knows."""
    return tuple(str(kind.model_fields["name"].default) for kind in _KINDS)


def describe() -> tuple[NetworkDescription, ...]:
    """Describe every network on graphs, with the parameters that it has on the features of Cora."""
    graph = Graph([[0.0, 1.0], [1.0, 0.0]])
    return tuple(_describe(kind, graph) for kind in _KINDS)


def _describe(kind: type[GraphNetworkBase], graph: Graph) -> NetworkDescription:
    settings = kind.from_mapping({})
    with torch.device("meta"):
        weights = settings._base(graph, _FEATURES, _CLASSES).parameters()  # noqa: SLF001 - of this folder
        count = sum(weight.numel() for weight in weights)
    return NetworkDescription(
        name=settings.name,
        summary=(kind.__doc__ or "").strip().partition("\n")[0],
        takes="graphs",
        usual_input=(_FEATURES,),
        classes=_CLASSES,
        parameters=count,
        time_conditioned=True,
        lipschitz=False,
        noise_layers="injection_std" in kind.model_fields,
    )
