"""The configuration of a run: data, network, objective, training, attack, certification, in one document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import yaml
from pydantic import BeforeValidator, Field, field_validator

from heatproof._check import message
from heatproof._specification import Specification
from heatproof.data import Split
from heatproof.errors import InputError
from heatproof.networks import NetworkSettings
from heatproof.objectives import Natural, ObjectiveSettings
from heatproof.training import TrainingSettings

__all__ = [
    "AttackSettings",
    "CertifySettings",
    "DataSettings",
    "RunConfig",
    "apply_overrides",
    "read_yaml",
]

Radius = Annotated[float, Field(gt=0)]


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


def _default_radii() -> dict[Literal["l2", "linf"], tuple[float, ...]]:
    return {"l2": (0.25, 0.5), "linf": (0.03,)}


class AttackSettings(Selection):
    """Which attacks to run: radii per norm (input units), PGD steps and restarts."""

    radii: dict[Literal["l2", "linf"], tuple[Radius, ...]] = Field(default_factory=_default_radii)
    steps: int = Field(40, ge=1)
    restarts: int = Field(1, ge=1)
    loss: Literal["margin", "cross_entropy"] = "margin"
    seed: int = Field(0, ge=0)


class CertifySettings(Selection):
    """What to certify and how; `radii` are those of the table. noise_std left out: that of training."""

    noise_std: float | None = Field(None, gt=0)
    classifier: Literal["network", "equation"] | None = None
    alpha: float = Field(0.001, gt=0, lt=1)
    estimation_samples: int = Field(10_000, ge=1)
    selection_samples: int = Field(100, ge=1)
    batch_size: int = Field(2048, ge=1)
    seed: int = Field(0, ge=0)
    radii: tuple[Annotated[float, Field(ge=0)], ...] = (0.0, 0.25, 0.5, 0.75)


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class RunConfig(Specification):
    """One document that says everything about a run; written to its folder as `config.yaml`.

    `data`, `network` and `objective` may be given by name alone. `seed` fixes the initial weights, the
    order of batches and the noise of training.
    """

    name: str = Field(min_length=1, max_length=100)
    seed: int = Field(0, ge=0)
    data: Annotated[DataSettings, BeforeValidator(_named)]
    network: Annotated[NetworkSettings, BeforeValidator(_named)]
    objective: Annotated[ObjectiveSettings, BeforeValidator(_named)] = Natural()
    training: TrainingSettings = TrainingSettings()
    attack: AttackSettings = AttackSettings()
    certify: CertifySettings = CertifySettings()

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if name in {".", ".."} or any(mark in name for mark in "/\\\0"):
            raise InputError(message("name", repr(name), "a folder's name, without / or \\"), name="name")
        return name

    def to_yaml(self) -> str:
        """Return the document as YAML, with every default written out."""
        return yaml.safe_dump(self.to_mapping(), sort_keys=False, allow_unicode=True)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return a YAML document as a mapping (safe loading: plain values only). Errors: `InputError`."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise InputError(message(str(path), reason, "a readable YAML file"), name="config") from error
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        got = f"no YAML (line {where.line + 1})" if where else "no YAML"
        raise InputError(message(str(path), got, "a YAML document"), name="config") from error
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        got = type(document).__name__
        raise InputError(message(str(path), got, "a YAML mapping of keys to values"), name="config")
    return document


def apply_overrides(document: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return a copy of the document with each "a.b=value" set; values are read as YAML.

    Errors: `InputError` for an override without "=", an empty key, or a path through something that is no
    mapping. Unknown keys are found when the configuration is built.
    """
    result: dict[str, Any] = _copy(document)
    for override in overrides:
        key, equals, text = override.partition("=")
        parts = key.strip().split(".")
        if not equals or not all(parts):
            advice = "For example --set training.epochs=5."
            raise InputError(message("--set", repr(override), "key=value", advice), name="set")
        _put(result, parts, _value(text), key)
    return result


def _copy(value: Any) -> Any:
    return {key: _copy(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def _value(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(message("--set", repr(text), "a YAML value"), name="set") from error


def _put(document: dict[str, Any], parts: list[str], value: Any, key: str) -> None:
    here = document
    for part in parts[:-1]:
        inner = here.setdefault(part, {})
        if isinstance(inner, str) and part in {"data", "network", "objective"}:
            inner = here[part] = {"name": inner}
        if not isinstance(inner, dict):
            raise InputError(
                message("--set", repr(key), f"a key that exists ({part} has no keys)"), name="set"
            )
        here = inner
    here[parts[-1]] = value
