"""A forward pass through `torch.compile`, with frozen weights, compared with the model before it is used."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof._check import message
from heatproof._types import Classifier
from heatproof.certification._model import AtTimeZero
from heatproof.certification.sampling.forward import Forward
from heatproof.errors import InputError, ModelError

__all__ = ["compiled"]

_ROWS = 8
_TOLERANCE = {False: 1e-3, True: 0.125}
"""By whether it runs in bfloat16: 1e-3 of the largest logit, or 16 units of bfloat16's last place."""


def compiled(forward: Forward, event_shape: torch.Size) -> Forward:
    """Return the pass compiled for its one shape; weights are constants of the graph from here on.

    Freezing must be switched on while the network is traced, hence the first call in here. Errors:
    `InputError` where this machine or this model cannot be compiled, `ModelError` where it comes out wrong.
    """
    x = torch.empty(_ROWS, *event_shape).normal_(generator=torch.Generator().manual_seed(0))
    wanted = forward(x)
    fast = replace(forward, network=_compile(_function(forward.network)))
    got = _first_call(fast, x)
    allowed = _TOLERANCE[forward.bfloat16] * (1 + wanted.float().abs().amax(dim=1, keepdim=True))
    apart = (got.float() - wanted.float()).abs()
    if not bool((apart <= allowed).all()):
        advice = "Leave compile off for this model."
        text = f"logits that are {float(apart.max()):.3g} off the model's once it is compiled"
        raise ModelError(message("compile", text, "logits equal but for rounding", advice), name="compile")
    return fast


def _function(network: Classifier) -> Classifier:
    """Return what torch.compile can trace: a module, or a function around one."""
    if isinstance(network, AtTimeZero):
        inner: Callable[..., Tensor] = network.network
        return lambda x: inner(x, 0.0)
    return network


def _compile(network: Classifier) -> Classifier:
    """Compile for itself alone: beyond a few versions of one class's `forward`, PyTorch runs it eagerly."""
    known = inspect.signature(torch.compile).parameters
    alone: dict[str, Any] = {"isolate_recompiles": True} if "isolate_recompiles" in known else {}
    fast: Classifier = torch.compile(network, dynamic=False, **alone)
    return fast


def _first_call(fast: Forward, x: Float[Tensor, "rows *event"]) -> Tensor:
    from torch._inductor import config

    threads = {} if fast.threads is None else {"cpp.threads": fast.threads}
    try:
        with config.patch({"freezing": True, **threads}):
            return fast(x)
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
        got = f"true, but {type(error).__name__}: {lines[0][:200]}"
        allowed = "false, or true where torch.compile works (on a processor it needs g++ or clang)"
        advice = "Install a compiler, or leave compile off."
        raise InputError(message("compile", got, allowed, advice), name="compile") from error
