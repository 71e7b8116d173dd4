"""The configuration of a run: data, network, objective, training, attack, certification, in one document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
import yaml
from pydantic import BeforeValidator, Field, field_validator

from heatproof._specification import Specification, named
from heatproof.certification import Execution
from heatproof.certification._procedure import procedure
from heatproof.data import Split
from heatproof.networks import NetworkSettings
from heatproof.noise import AnyNoise, Noise
from heatproof.objectives import Natural, ObjectiveSettings
from heatproof.training import TrainingSettings

__all__ = ["AttackSettings", "CertifySettings", "DataSettings", "RunConfig"]

_Radii = Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)]


class Selection(Specification):
    """Which inputs of a split to work on: every k-th, at most `limit` of them."""

    split: Literal["test", "validation", "train"] = "test"
    every: int = Field(1, ge=1)
    limit: int | None = Field(None, ge=1)

    def choose(self, split: Split) -> Split:
        """Return the chosen rows of a split, in order."""
        rows = torch.arange(0, len(split.y), self.every)[: self.limit]
        return Split(split.x[rows], split.y[rows], split.index[rows])


class DataSettings(Specification):
    """A data set by name or path; `size` and `seed` draw the generated ones."""

    name: str = Field(min_length=1)
    seed: int = Field(0, ge=0)
    size: int | None = Field(None, ge=1)


_LONGEST = 200
"""Bytes in the name of a run; file systems take 255."""


def _default_radii() -> dict[Literal["l2", "linf"], tuple[float, ...]]:
    return {"l2": (0.25, 0.5), "linf": (0.03,)}


class AttackSettings(Selection):
    """Which attacks to run: radii per norm (input units), PGD steps and restarts."""

    radii: dict[Literal["l2", "linf"], _Radii] = Field(default_factory=_default_radii, min_length=1)
    steps: int = Field(40, ge=1)
    restarts: int = Field(1, ge=1)
    loss: Literal["margin", "cross_entropy"] = "margin"
    seed: int = Field(0, ge=0)

    @field_validator("radii")
    @classmethod
    def _each_once(cls, radii: dict[str, tuple[float, ...]]) -> dict[str, tuple[float, ...]]:
        """Drop repetitions: an input that is counted twice would make an interval too narrow."""
        return {norm: tuple(dict.fromkeys(values)) for norm, values in radii.items()}


class CertifySettings(Selection):
    """What to certify and how; `radii` are those of the table, and of method "decision".

    Without noise and noise_std the noise is that of training, which an objective without noise does not have.
    The fields are those of `heatproof.certify`; numbers of samples left out are those of the method.
    """

    noise_std: float | None = Field(None, gt=0)
    noise: AnyNoise | None = None
    norm: str | None = None
    classifier: Literal["network", "equation"] | None = None
    method: Literal["fixed", "decision", "radius"] = "fixed"
    alpha: float = Field(0.001, gt=0, lt=1)
    alpha_scope: Literal["per input", "table"] = "per input"
    vote: Literal["hard", "soft"] = "hard"
    runner_up: Literal["complement", "simultaneous"] = "complement"
    estimation_samples: int | None = Field(None, ge=1)
    selection_samples: int | None = Field(None, ge=1)
    tolerance: float | None = Field(None, gt=0)
    price: float = Field(0.0, ge=0)
    batch_size: int | None = Field(None, ge=1)
    precision: Literal["own", "bfloat16"] = "own"
    channels_last: bool = False
    compile: bool = False
    deterministic: bool = False
    seed: int = Field(0, ge=0)
    radii: tuple[Annotated[float, Field(ge=0)], ...] = (0.0, 0.25, 0.5, 0.75)

    @property
    def execution(self) -> Execution:
        """How the network is run."""
        names = ("batch_size", "precision", "channels_last", "compile", "deterministic")
        return Execution(**{name: getattr(self, name) for name in names})

    def procedure(self, noise: Noise, dimension: int, inputs: int) -> dict[str, Any]:
        """Return the settings of the procedure, with the defaults of its method."""
        names = (
            *("norm", "method", "alpha", "alpha_scope", "vote", "runner_up", "tolerance", "price"),
            *("estimation_samples", "selection_samples"),
        )
        radii = self.radii if self.method == "decision" else None
        return procedure(
            noise, dimension, radii=radii, inputs=inputs, **{name: getattr(self, name) for name in names}
        )


class RunConfig(Specification):
    """One document that says everything about a run; written to its folder as `config.yaml`.

    `data`, `network` and `objective` may be given by name alone. `seed` fixes the initial weights, the
    order of batches and the noise of training.
    """

    name: str = Field(min_length=1, max_length=100)
    seed: int = Field(0, ge=0, lt=2**63)
    data: Annotated[DataSettings, BeforeValidator(named)]
    network: Annotated[NetworkSettings, BeforeValidator(named)]
    objective: Annotated[ObjectiveSettings, BeforeValidator(named)] = Natural()
    training: TrainingSettings = TrainingSettings()
    attack: AttackSettings = AttackSettings()
    certify: CertifySettings = CertifySettings()

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        fits = name.isprintable() and name.strip() == name and len(name.encode(errors="replace")) <= _LONGEST
        if not fits or name in {".", ".."} or name.startswith("~") or set(name) & set("/\\"):
            raise ValueError(f"a folder's name: printable, at most {_LONGEST} bytes, without / or \\")
        return name

    def to_yaml(self) -> str:
        """Return the document as YAML, with every default written out."""
        return yaml.safe_dump(self.to_mapping(), sort_keys=False, allow_unicode=True)
