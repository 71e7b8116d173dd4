"""Private copies of a network, one for each worker, that share its parameters and nothing else with it."""

from __future__ import annotations

import copy

import torch
from torch import nn

from heatproof._check import message
from heatproof._types import Classifier
from heatproof.certification._model import AtTimeZero, evaluating, module_of, precision_of
from heatproof.certification.sampling.execution import Execution
from heatproof.errors import ModelError

__all__ = ["twins_of"]

_ROWS = 4


def twins_of(
    model: Classifier, execution: Execution, count: int, event_shape: torch.Size
) -> list[Classifier]:
    """Return private copies in evaluation mode (one is enough to compile), or none for a function."""
    first = _twin(model, share=not execution.channels_last)
    if first is not None and not _self_contained(model, first, event_shape):
        first = None
    if first is None:
        if execution.channels_last or execution.compile:
            advice = "Leave channels_last and compile off for it."
            got = f"a {type(model).__name__} that cannot be copied, or whose copy calls the original"
            raise ModelError(message("model", got, "a module that can be copied", advice), name="model")
        return []
    module = module_of(first)
    if execution.channels_last and isinstance(module, nn.Module):
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    others = (_twin(first, share=True) for _ in range(1, 1 if execution.compile else count))
    return [first, *(twin for twin in others if twin is not None)]


def _twin(model: Classifier, *, share: bool) -> Classifier | None:
    """Return a copy in evaluation mode, with the very parameters of the model where they are shared."""
    network = module_of(model)
    if not isinstance(network, nn.Module):
        return None
    known: dict[int, object] = {id(value): value for value in network.parameters()} if share else {}
    try:
        twin = copy.deepcopy(network, known)
    except Exception:  # noqa: BLE001 - whatever a user's module raises, it is then run as it is
        return None
    if isinstance(twin, nn.Module):
        twin.eval()
    return AtTimeZero(twin) if isinstance(model, AtTimeZero) else twin


def _self_contained(model: Classifier, twin: Classifier, event_shape: torch.Size) -> bool:
    """Whether the twin answers like the original, without calling it and whatever its training flags are.

    A closure or a hook that a module keeps may still point at the original after copying: then the twin would
    follow the flags of a module that others use meanwhile. Tried on a few rows.
    """
    network = module_of(model)
    if not isinstance(network, nn.Module):
        return False
    rows = torch.randn(_ROWS, *event_shape, generator=torch.Generator().manual_seed(0))
    device = next((value.device for value in (*network.parameters(), *network.buffers())), rows.device)
    rows = rows.to(device, precision_of(model))
    calls: list[nn.Module] = []
    hooks = [
        module.register_forward_pre_hook(lambda called, _: calls.append(called))
        for module in network.modules()
    ]
    try:
        with evaluating(model):
            own = twin(rows)
        if calls:
            return False
        for hook in hooks:
            hook.remove()
        with evaluating(model, training=True):
            again = twin(rows)
        with evaluating(model):
            original = model(rows)
        return bool(torch.equal(own, again) and torch.allclose(own, original, rtol=1e-4, atol=1e-5))
    except Exception:  # noqa: BLE001 - whatever a user's module raises, it is then run as it is
        return False
    finally:
        for hook in hooks:
            hook.remove()
