"""Collapsed Taylor mode: first derivatives along R directions, and the sum of second ones, carried forward.

A value y of the computation of u(x) carries R + 1 rows: ∂y along each direction g_r, and Σ_r ∂²y along g_r.
With y = φ(z) the chain rule is linear in the last row,

    ∂_r y = φ′(z)[∂_r z],   Σ_r ∂²_r y = φ′(z)[Σ_r ∂²_r z] + Σ_r φ″(z)[∂_r z, ∂_r z],

so that R + 2 rows are enough where 2R + 1 would be carried one direction at a time (Dangel, Siebert,
Zeinhofer & Walther 2025, Collapsing Taylor mode automatic differentiation). They rewrite a compute graph;
here a mode of PyTorch intercepts each function as u calls it, and does the rows beside the value with the
same function under `torch.func`, so the rows can be differentiated again. A function that is not known to be
safe this way raises `Unsupported`.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any

import torch
from torch import Tensor
from torch.func import jvp, vmap
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from heatproof.equation.laplacian._composed import composed
from heatproof.equation.laplacian._functions import Kind, kind_of
from heatproof.equation.laplacian._watch import Watch, tensors_in

__all__ = ["Jets", "Unsupported"]


class Unsupported(Exception):  # noqa: N818 - it is no error: another way is taken
    """A function that this mode does not carry rows through."""


class Jets(TorchFunctionMode):
    """Carries rows through the functions that u calls. `watch` must be active inside."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch
        self._rows: MutableMapping[Tensor, Tensor] = WeakTensorKeyDictionary()

    def follow(self, value: Tensor, rows: Tensor) -> None:
        """Let a value (B, …) carry rows (R + 1, B, …), or (R + 1, 1, …) where all points have the same."""
        self._rows[value] = rows

    def rows_of(self, value: Tensor) -> Tensor | None:
        """Return the rows of a value, None for one that does not depend on x."""
        if value in self._rows:
            return self._rows[value]
        if self._watch.depends(value):
            raise Unsupported
        return None

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call the function; where it takes values that carry rows, let what it returns carry them too."""
        del types
        options = kwargs or {}
        given = list(tensors_in((args, options)))
        carried = {id(one): one for one in given if one in self._rows}
        if not carried:
            return func(*args, **options)
        kind = kind_of(
            func, sum(id(one) in carried for one in given), first=bool(args) and id(args[0]) in carried
        )
        if kind is Kind.READ:
            return func(*args, **options)
        if kind is None or any(self._watch.depends(one) for one in given if id(one) not in carried):
            raise Unsupported
        value = func(*args, **options)
        self._watch.paused = True
        try:
            self._carry(kind, _Call(func, args, options, list(carried)), list(carried.values()), value)
        finally:
            self._watch.paused = False
        return value

    def _carry(self, kind: Kind, call: _Call, values: list[Tensor], made: Any) -> None:
        rows = [self._rows[one] for one in values]
        if kind is Kind.AFFINE:
            moved = _affine(call, values, rows)
            pairs = [(made, moved)] if isinstance(made, Tensor) else zip(made, moved, strict=True)
            for one, its in pairs:
                self.follow(one, its)
        elif not isinstance(made, Tensor) or any(made is one for one in values):
            raise Unsupported
        elif kind is Kind.ELEMENTWISE and made.shape == values[0].shape:
            self.follow(made, _elementwise(call, values[0], rows[0]))
        else:
            self.follow(made, _general(call, values, rows))


class _Call:
    """A function of the values that carry rows, the other arguments held."""

    def __init__(self, func: Any, args: tuple[Any, ...], options: dict[str, Any], keys: list[int]) -> None:
        self._func = composed(func)
        self._args, self._options, self._keys = args, options, keys

    @property
    def dense(self) -> Tensor | None:
        """The weight W where the function is x ↦ Wx + b, of x alone."""
        if self._func is not functional.linear or len(self._args) < 2 or [id(self._args[0])] != self._keys:
            return None
        weight: Tensor = self._args[1]
        return weight

    def __call__(self, *values: Tensor) -> Any:
        swap = dict(zip(self._keys, values, strict=True))
        return self._func(*_swapped(self._args, swap), **_swapped(self._options, swap))


def _swapped(values: Any, swap: dict[int, Tensor]) -> Any:
    """Return nested arguments with some tensors exchanged."""
    if isinstance(values, Tensor):
        return swap.get(id(values), values)
    if isinstance(values, dict):
        return {key: _swapped(one, swap) for key, one in values.items()}
    if isinstance(values, list | tuple) and not isinstance(values, torch.Size):
        return type(values)([_swapped(one, swap) for one in values])
    return values


def _affine(call: _Call, values: list[Tensor], rows: list[Tensor]) -> Any:
    """Return the rows of an affine function: its linear part takes each row by itself."""
    if call.dense is not None:  # the same without torch.func's cost, and once for rows that are alike
        return functional.linear(rows[0], call.dense)
    return vmap(lambda *along: jvp(call, tuple(values), along)[1])(*_whole(values, rows))


def _whole(values: list[Tensor], rows: list[Tensor]) -> list[Tensor]:
    """Return the rows with one for each point, as views."""
    return [its.expand(len(its), *value.shape) for value, its in zip(values, rows, strict=True)]


def _elementwise(call: Callable[..., Any], value: Tensor, rows: Tensor) -> Tensor:
    """Return the rows of φ(z), number by number: φ′ and φ″ are found once for all directions."""
    ones = torch.ones_like(value)
    slope, bend = jvp(lambda z: jvp(call, (z,), (ones,))[1], (value,), (ones,))[:2]
    moved: Tensor = rows * slope
    moved[-1] += bend * rows[:-1].square().sum(dim=0)
    return moved


def _general(call: Callable[..., Any], values: list[Tensor], rows: list[Tensor]) -> Tensor:
    """Return the rows of any smooth function of several values, differentiated twice along each direction."""

    def twice(*along: Tensor) -> tuple[Tensor, Tensor]:
        return jvp(lambda *z: jvp(call, z, along)[1], tuple(values), along)[:2]

    whole = _whole(values, rows)
    first, second = vmap(twice)(*[one[:-1] for one in whole])
    drift = jvp(call, tuple(values), tuple(one[-1] for one in whole))[1]
    return torch.cat([first, (second.sum(dim=0) + drift)[None]])
