"""Which tensors depend on x, and through which operations: kinks, random numbers, statistics of the batch.

The Laplacian of a function with kinks has a part on the kinks, which no derivative at a point shows: for a
piecewise-linear network the rest of it is 0 (logits) or misses the larger part (probabilities). So u is run
once under a mode that sees every tensor operation below autograd, whoever calls it: a module, a function
inside `forward`, TorchScript, or a compiled module (which PyTorch runs uncompiled here).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from heatproof._check import message
from heatproof.equation.laplacian._functions import words
from heatproof.errors import InputError

__all__ = ["Watch", "tensors_in"]

_KINKED = words(
    "relu relu6 hardtanh leaky_relu prelu _prelu_kernel rrelu rrelu_with_noise threshold hardshrink "
    "softshrink hardswish hardsigmoid abs clamp clamp_min clamp_max maximum minimum fmax fmin max min "
    "amax amin aminmax max_pool1d max_pool2d max_pool3d max_pool2d_with_indices "
    "max_pool3d_with_indices mkldnn_max_pool2d mkldnn_max_pool3d adaptive_max_pool2d "
    "adaptive_max_pool3d fractional_max_pool2d fractional_max_pool3d sort topk kthvalue median "
    "nanmedian mode cummax cummin sign sgn floor ceil round trunc frac fmod remainder floor_divide "
    "heaviside"
)


_SMOOTH = "a function that is smooth in x"
_DETERMINISTIC = "a deterministic function of x"
_BY_ROW = "a function of each row on its own"
_IN_TENSORS = "a function that keeps what depends on x in tensors"
_ADVICE = {
    _SMOOTH: (
        "Use `directions` or `axes`, as finite differences see kinks, or a network with tanh or silu. "
        "allow_kinks = True takes the part of the Laplacian off the kinks."
    ),
    _DETERMINISTIC: "Call model.eval() first, or fix the noise.",
    _BY_ROW: "Call model.eval() first.",
    _IN_TENSORS: "Its dependence on x would be lost: keep it a tensor.",
}


class Watch(TorchDispatchMode):
    """Follows what depends on x through the operations of one evaluation.

    A tensor depends on x if an operation made it, or wrote into its storage, from one that does; and it has
    the first kink that was met on the way. Kept alive until the watch ends: storages of all values (one
    forward pass). `paused` lets operations pass unseen.
    """

    def __init__(self, x: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.paused = False
        self._storages: dict[int, Any] = {}
        self._kinks: dict[int, str] = {}
        self._wrong: dict[str, str] = {}
        self._mark(x, "")

    def depends(self, tensor: Tensor) -> bool:
        """Say whether the tensor depends on x; true where that cannot be known."""
        place = _place(tensor)
        return place is None or place in self._storages

    def check(self, values: Tensor, *, allow_kinks: bool) -> None:
        """Raise `InputError` for random numbers, statistics of the batch, or kinks on the way to `values`."""
        kink = self._kinks.get(_place(values) or 0)
        if kink and not allow_kinks:
            self._wrong.setdefault(kink, _SMOOTH)
        for got, allowed in self._wrong.items():
            raise InputError(message("u", got, allowed, _ADVICE[allowed]), name="u")

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operation; note what it is, and mark what it made."""
        del types
        result = func(*args, **(kwargs or {}))
        if not self.paused:
            inputs = [one for one in tensors_in((args, kwargs or {})) if self.depends(one)]
            self._note(func, args, inputs, result)
        return result

    def _note(self, func: Any, args: tuple[Any, ...], inputs: list[Tensor], result: Any) -> None:
        name = str(func.overloadpacket.__name__).removesuffix("_")
        if torch.Tag.nondeterministic_seeded in func.tags and name not in _KINKED:
            self._wrong.setdefault(f"a function that draws random numbers ({name})", _DETERMINISTIC)
        if not inputs or name.startswith("new_") or name.endswith("_like"):
            return
        if name == "_local_scalar_dense" and inputs[0].is_floating_point():
            self._wrong.setdefault("a number read from a tensor (float, item)", _IN_TENSORS)
        if "batch_norm" in name and _trains(func, args):
            self._wrong.setdefault(f"a network in training mode ({name})", _BY_ROW)
        kinks = [self._kinks.get(_place(one) or 0, "") for one in inputs]
        if name in _KINKED or _bent(func, name, args):
            kinks.append(f"a function with kinks ({name})")
        chosen = not all(one.is_floating_point() for one in inputs)
        for one in tensors_in(result):
            by_choice = chosen and one.is_floating_point()
            choice = [f"a choice by comparing or rounding values ({name})"] if by_choice else []
            self._mark(one, next(filter(None, kinks + choice), ""))

    def _mark(self, tensor: Tensor, kink: str) -> None:
        place = _place(tensor)
        if place:
            self._storages[place] = tensor.untyped_storage()
            self._kinks[place] = self._kinks.get(place) or kink


def _place(tensor: Tensor) -> int | None:
    """Return where a tensor's numbers lie, None for one without storage or inside a torch.func transform."""
    try:
        return tensor.untyped_storage().data_ptr()
    except RuntimeError:
        return None


def tensors_in(values: Any) -> Iterator[Tensor]:
    """Yield the tensors in nested tuples, lists and dictionaries."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, list | tuple):
        for one in values:
            yield from tensors_in(one)
    elif isinstance(values, dict):
        yield from tensors_in(list(values.values()))


def _bent(func: Any, name: str, args: tuple[Any, ...]) -> bool:
    """Say whether these arguments make a kink of an operation that is smooth with others."""
    if name == "elu":  # slopes at 0: scale on the right, alpha·scale·input_scale on the left
        alpha, _, input_scale = (*args[1:4], 1.0, 1.0, 1.0)[:3]
        return not math.isclose(float(alpha) * float(input_scale), 1.0)
    if name == "linalg_vector_norm":
        return len(args) > 1 and args[1] in {1, math.inf}
    return name == "div" and "mode" in str(func)  # div.Tensor_mode rounds


def _trains(func: Any, args: tuple[Any, ...]) -> bool:
    """Say whether batch normalisation joins rows: with the statistics of more than one of them."""
    slots = [slot.name for slot in func._schema.arguments]  # noqa: SLF001 - how PyTorch names them
    given = dict(zip(slots, args, strict=False))
    return bool(given.get("training", "with_update" in str(func))) and len(args[0]) > 1
