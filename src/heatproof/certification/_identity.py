"""Which model it is: a fingerprint of weights and structure, and whether it stays the same meanwhile."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterable, Iterator

import torch
from torch import nn

from heatproof._check import message
from heatproof._types import Classifier
from heatproof.certification._model import evaluating, module_of
from heatproof.errors import ModelError

__all__ = ["changed_meanwhile", "fingerprint", "unchanged_attributes", "written"]

_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")


def fingerprint(model: Classifier) -> str:
    """Return a SHA-256 of all weights and of the structure; "" for a function, whose identity is not known.

    An `identity` that a black box was given stands for it.

    Names, types, shapes and values of parameters and buffers; the class of every submodule, what it prints of
    its settings (a slope, a stride), and its plain attributes: numbers, words, truth values and tuples of
    them whose names have no leading underscore, in evaluation mode. Code that changes under the same class
    name, and other attributes (tensors, lists, functions) are not seen.
    """
    if not isinstance(model, nn.Module):
        return str(getattr(model, "identity", ""))
    digest = hashlib.sha256()
    with evaluating(model):
        for name, module in model.named_modules(remove_duplicate=False):
            digest.update(f"{name}={_structure(module)};".encode())
    parameters = model.named_parameters(remove_duplicate=False)
    buffers = model.named_buffers(remove_duplicate=False)  # also those that a state_dict leaves out
    for name, tensor in sorted([*parameters, *buffers], key=lambda pair: pair[0]):
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name}:{values.dtype}:{tuple(values.shape)};".encode())
        digest.update(values.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _structure(module: nn.Module) -> str:
    """Return class, printed settings and plain attributes of one module."""
    kind = f"{type(module).__module__}.{type(module).__qualname__}"
    return f"{kind}({_ADDRESS.sub('', module.extra_repr())}){sorted(plain_attributes(module).items())!r}"


def plain_attributes(module: nn.Module) -> dict[str, object]:
    """Return the attributes that count as settings of a module."""
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and name != "training" and _is_plain(value)
    }


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


@contextlib.contextmanager
def unchanged_attributes(model: Classifier) -> Iterator[None]:
    """Refuse a model that changes itself while it answers. Errors: `ModelError` that names what changes."""
    network = module_of(model)
    modules = dict(network.named_modules()) if isinstance(network, nn.Module) else {}
    before = {name: plain_attributes(module) for name, module in modules.items()}
    writes = written([model])
    yield
    if written([model]) != writes:
        got = "a model that writes to its weights or buffers as it answers"
        raise ModelError(
            message("model", got, "a fixed function", "Put it in evaluation mode."), name="model"
        )
    for name, module in modules.items():
        now = plain_attributes(module)
        changed = sorted(word for word in {*now, *before[name]} if now.get(word) != before[name].get(word))
        if changed:
            place = ".".join(part for part in (name, changed[0]) if part)
            got = f"a model that changes its attribute {place!r} as it answers"
            advice = "What it only notes down should have a leading underscore in its name."
            raise ModelError(message("model", got, "a fixed function", advice), name="model")


def written(models: Iterable[Classifier]) -> tuple[int, ...]:
    """Return how often each weight and buffer has been written to in place, as PyTorch counts."""
    networks = [network for network in map(module_of, models) if isinstance(network, nn.Module)]
    tensors = (value for network in networks for value in (*network.parameters(), *network.buffers()))
    return tuple(value._version for value in tensors if not value.is_inference())  # noqa: SLF001


def changed_meanwhile() -> ModelError:
    """Return the error for a model that is no longer the one whose certificates were begun."""
    got = "weights, buffers or settings that changed while it was being certified"
    advice = "What was given out before may be of either: certify again, and train only afterwards."
    return ModelError(message("model", got, "one and the same model to the end", advice), name="model")
