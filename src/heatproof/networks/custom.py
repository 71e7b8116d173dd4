"""A network of one's own, named in a configuration: `package.module:function`.

Rebuilding it imports and runs that code, so a configuration from a stranger could run anything. It is
therefore refused unless the caller says `trust=True` (the command line: an option of its own, never a key of
the file).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, TypeAlias

import torch
from jaxtyping import Float, Shaped
from pydantic import Field, JsonValue, field_validator
from torch import nn

from heatproof._check import check_whole, message
from heatproof.errors import InputError
from heatproof.networks._base import NetworkBase, check_event_shape
from heatproof.networks.normalise import Normalise, Normalised, Numbers, normaliser
from heatproof.networks.time import Time, TimeConditioned

__all__ = ["Factory", "NormalisedInTime"]

_Maker: TypeAlias = Callable[..., Any]
_GIVEN = ("event_shape", "classes")


class Factory(NetworkBase):
    """Your own network: calls `package.module:function` with event_shape, classes and your `arguments`.

    function(event_shape=(…), classes=K, **arguments) returns a `torch.nn.Module` from (B, *event_shape) to
    logits (B, K). With `time_conditioned` it is asked for one more feature or channel (the last) and is
    wrapped in `TimeConditioned`; a module that has an attribute `time_conditioned = True` already, and takes
    model(x, t) itself, is left to do so. With `mean` or `std` the input is normalised in front of it. Without
    any of these the module is returned as it is, so its weights keep their names.
    """

    takes: ClassVar[Literal["anything"]] = "anything"
    usual_input: ClassVar[None] = None

    name: Literal["factory"] = "factory"
    factory: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)

    @field_validator("factory")
    @classmethod
    def _well_formed(cls, factory: str) -> str:
        module, colon, path = factory.partition(":")
        words = [*module.split("."), *path.split(".")]
        if colon and all(word.isidentifier() for word in words):
            return factory
        raise ValueError("package.module:function")

    @field_validator("arguments")
    @classmethod
    def _not_given_twice(cls, arguments: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if set(arguments).isdisjoint(_GIVEN):
            return arguments
        raise ValueError(f"arguments without {' and '.join(_GIVEN)}, which come from the data")

    def build(
        self,
        event_shape: Sequence[int],
        classes: int,
        mean: Numbers | None = None,
        std: Numbers | None = None,
        *,
        trust: bool = False,
    ) -> nn.Module:
        """Import the function, call it, return its module behind the normalisation.

        Errors: `InputError` without `trust=True`; for a module or function that is not there or is not
        callable; for a function that raises or returns no `nn.Module`; and those of every network.
        """
        if trust is not True:
            advice = "Building it runs that code: say trust=True if you know where the settings come from."
            raise InputError(
                message("factory", repr(self.factory), "trusted settings only", advice), name="factory"
            )
        event = check_event_shape(event_shape)
        count = check_whole("classes", classes, at_least=2)
        normalise = normaliser(mean, std, event[0])
        module = self._backbone((event[0] + int(self.time_conditioned), *event[1:]), count)
        return self._wrapped(module, normalise, event)

    def _backbone(self, event: tuple[int, ...], classes: int) -> nn.Module:
        maker = _find(self.factory)
        try:
            module = maker(event_shape=event, classes=classes, **self.arguments)
        except Exception as error:
            raise _refused(
                self.factory, f"which failed with {_said(error)}", "a call that succeeds"
            ) from error
        if not isinstance(module, nn.Module):
            raise _refused(self.factory, f"which returned {type(module).__name__}", "a torch.nn.Module")
        return module

    def _wrapped(self, module: nn.Module, normalise: Normalise | None, event: tuple[int, ...]) -> nn.Module:
        own_time = bool(getattr(module, "time_conditioned", False))
        if own_time and self.time_conditioned:
            advice = "Leave time_conditioned out: the module takes model(x, t) by itself."
            raise _refused(
                self.factory, "which is time-conditioned already", "a backbone without time", advice
            )
        if self.time_conditioned:
            return TimeConditioned(module, normalise, event)
        if normalise is None:
            return module
        return NormalisedInTime(module, normalise) if own_time else Normalised(module, normalise, event)


class NormalisedInTime(nn.Module):
    """model(normalise(x), t) for a model that takes time by itself; t goes through untouched."""

    time_conditioned = True

    def __init__(self, backbone: nn.Module, normalise: Normalise) -> None:
        super().__init__()
        self.normalise = normalise
        self.backbone = backbone

    def forward(
        self, x: Shaped[torch.Tensor, "batch *event"], t: Time = None
    ) -> Float[torch.Tensor, "batch classes"]:
        """Return logits (B, K) at time t."""
        logits: torch.Tensor = self.backbone(self.normalise(x), t)
        return logits


def _find(factory: str) -> _Maker:
    """Import what `factory` names; each way to fail is one line."""
    place, _, path = factory.partition(":")
    try:
        found: Any = importlib.import_module(place)
    except ModuleNotFoundError as error:
        advice = "Is it installed, or its folder on PYTHONPATH?"
        raise _refused(
            factory, f"but there is no module {error.name!r}", "an importable one", advice
        ) from None
    except Exception as error:
        raise _refused(factory, f"whose import failed with {_said(error)}", "an importable one") from error
    for word in path.split("."):
        if not hasattr(found, word):
            raise _refused(factory, f"but {place!r} has no {path!r}", "a function of that module")
        found = getattr(found, word)
    if not callable(found):
        raise _refused(factory, f"which is of type {type(found).__name__}", "a function")
    maker: _Maker = found
    return maker


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _refused(factory: str, got: str, allowed: str, advice: str = "") -> InputError:
    return InputError(message("factory", f"{factory!r}, {got}", allowed, advice), name="factory")
