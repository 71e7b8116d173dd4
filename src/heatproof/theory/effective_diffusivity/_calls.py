"""Calls of the layers of a network, recorded with the states that they see."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from heatproof._check import check_finite, message
from heatproof.errors import InputError

__all__ = ["Call", "calls_of", "check_calls"]

_BATCH = 64
_TOLERANCE = 1e-3
"""Rounding differs with the size of a batch; noise that stays on is larger than this share of a state."""


@dataclass(frozen=True)
class Call:
    """One call of a layer in the forward pass: the states (N, *event) of all inputs, the other arguments.

    `fault` says why the call cannot be repeated, if it cannot; then there are no states.
    """

    name: str
    number: int
    layer: nn.Module
    states: Tensor
    others: tuple[Any, ...]
    options: dict[str, Any]
    keeps_shape: bool
    fault: str

    @property
    def label(self) -> str:
        """The layer's name; with the number of the call from the second on."""
        name = self.name or "(model)"
        return name if self.number == 0 else f"{name}, call {self.number + 1}"


def calls_of(model: nn.Module, x: Tensor, names: Sequence[str]) -> list[Call]:
    """Run the model on x in the modes it is in; return the calls of these modules in the order they end."""
    modules = dict(model.named_modules())
    records: dict[tuple[str, int], _Record] = {}
    with ExitStack() as stack, torch.no_grad():
        hooks = [_Hook(name, modules[name], records) for name in names]
        for hook in hooks:
            before = hook.layer.register_forward_pre_hook(hook.before, with_kwargs=True)
            stack.callback(before.remove)
            handle = hook.layer.register_forward_hook(hook, with_kwargs=True)
            stack.callback(handle.remove)
        for batch in x.split(_BATCH):
            for hook in hooks:
                hook.number = 0
            model(batch.clone())  # models may work in place
    return [record.call(*key) for key, record in records.items()]


def check_calls(calls: Sequence[Call], again: Sequence[Call], names: Sequence[str]) -> None:
    """Raise `InputError` where a layer was not called, cannot be repeated, or does not see the same twice.

    `again` are the calls of the first input, run on its own.
    """
    for name in names:
        if name not in {call.name for call in calls}:
            got = f"{name!r}, which the model does not call"
            raise InputError(message("layers", got, "modules that a forward pass calls"), name="layers")
    for call, second in zip(calls, again, strict=True):
        if call.fault:
            got, allowed = (
                f"{call.label!r} {call.fault}",
                "layers of one tensor (batch, *event) to one tensor",
            )
            raise InputError(message("layers", got, allowed, "Name a module that holds it."), name="layers")
        check_finite(f"states of {call.label}", call.states)
        one, other = call.states[:1].double(), second.states[:1].double()
        if float((one - other).norm()) > _TOLERANCE * float(one.norm()):
            got = f"another state of {call.label!r} each time, with all noise off"
            advice = "Noise before this layer stays on in eval(): measure the layers up to it only."
            raise InputError(message("model", got, "noise that eval() turns off", advice), name="model")


@dataclass
class _Record:
    """What one call saw, batch by batch."""

    layer: nn.Module
    parts: list[Tensor] = field(default_factory=list)
    others: tuple[Any, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    keeps_shape: bool = False
    fault: str = ""

    def add(self, given: tuple[Any, ...], options: dict[str, Any], out: object) -> None:
        """Add one batch. Any further tensor, or an answer that is not one, is a fault. Keeps `given`."""
        state = given[0] if given else None
        if not isinstance(state, Tensor) or not state.is_floating_point() or state.ndim < 2:
            self.fault = "whose first argument is no floating-point tensor (batch, *event)"
        elif any(isinstance(one, Tensor) for one in (*given[1:], *options.values())):
            self.fault = "that takes more than one tensor"
        elif not isinstance(out, Tensor) or not out.is_floating_point() or len(out) != len(state):
            self.fault = "that does not answer one tensor, a row for a row"
        else:
            self.parts.append(state)
            self.others, self.options = tuple(given[1:]), dict(options)
            self.keeps_shape = out.shape == state.shape

    def call(self, name: str, number: int) -> Call:
        """Return what was seen, as one call."""
        states = torch.cat(self.parts) if self.parts and not self.fault else torch.empty(0)
        return Call(name, number, self.layer, states, self.others, self.options, self.keeps_shape, self.fault)


class _Hook:
    """A forward hook that counts the calls of one layer in a pass and records each.

    The state is copied before the layer runs, which may work in place.
    """

    def __init__(self, name: str, layer: nn.Module, records: dict[tuple[str, int], _Record]) -> None:
        self.name, self.layer, self.records, self.number = name, layer, records, 0
        self.open: list[tuple[Any, ...]] = []

    def before(self, _: nn.Module, given: tuple[Any, ...], __: dict[str, Any]) -> None:
        copied = [one.detach().clone() if isinstance(one, Tensor) else one for one in given[:1]]
        self.open.append((*copied, *given[1:]))

    def __call__(self, _: nn.Module, __: tuple[Any, ...], options: dict[str, Any], out: object) -> None:
        key, given = (self.name, self.number), self.open.pop()
        self.number += 1
        self.records.setdefault(key, _Record(self.layer)).add(given, options, out)
