"""What `run.json` says, as one settings class: whatever does not fit it is a damaged file."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from heatproof._specification import Specification

__all__ = ["FORMAT", "Challenge", "DataIdentity", "ModelShape", "RunState"]

FORMAT: Final = 1


class ModelShape(Specification):
    """What building the network needs to know of the data: `mean` and `std` by channel or feature."""

    event_shape: tuple[Annotated[int, Field(ge=1)], ...] = Field(min_length=1)
    classes: int = Field(ge=2)
    mean: tuple[float, ...]
    std: tuple[float, ...]


class DataIdentity(Specification):
    """Which data: a hash of all splits, and where they were if they came from a path."""

    fingerprint: str
    path: str | None = None


class Challenge(Specification):
    """How one certification stood an attack inside its radii."""

    certification: int
    attacked: int = Field(ge=0)
    refuted: int = Field(ge=0)
    level: float


class RunState(Specification):
    """The state of a run; `seconds` goes by stage."""

    format: Literal[1] = FORMAT
    heatproof: str
    status: Literal["training", "trained"]
    environment: dict[str, str]
    seconds: dict[str, float] = Field(default_factory=dict)
    model: ModelShape
    data: DataIdentity
    challenge: Challenge | None = None
