"""What `heatproof info networks` says of one kind of network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

__all__ = ["NetworkDescription"]


@final
@dataclass(frozen=True)
class NetworkDescription:
    """One network with its default settings: `parameters` counts those on `usual_input` with `classes`.

    Both are None for a network of one's own, as are the truths that depend on it. `takes` is vectors,
    images, graphs or anything. `time_conditioned` says whether it can be, `lipschitz` whether it has a proved
    Lipschitz bound in evaluation mode (and with it certificates by margin and by diffusion inside),
    `noise_layers` whether its residual blocks can carry noise as a setting.
    """

    name: str
    summary: str
    takes: str
    usual_input: tuple[int, ...] | None
    classes: int
    parameters: int | None
    time_conditioned: bool
    lipschitz: bool | None
    noise_layers: bool | None
