"""Sums of exact second derivatives along directions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import forward_ad
from torch.func import grad, jvp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from heatproof._check import check_whole, message
from heatproof.equation.laplacian._composed import Composed
from heatproof.equation.laplacian._estimator import check_points, check_values
from heatproof.equation.laplacian._jets import Jets, Unsupported
from heatproof.equation.laplacian._watch import Watch
from heatproof.errors import InputError

__all__ = ["ROWS", "second_derivatives", "sum_over"]

ROWS = 1024
"""Rows of derivatives (directions times points) that are carried at a time, if not said otherwise."""


def second_derivatives(
    u: Callable[[Tensor], Tensor],
    x: Float[Tensor, "batch *event"],
    directions: Float[Tensor, "count *rest"],
    *,
    rows: int = ROWS,
    allow_kinks: bool = False,
) -> Float[Tensor, "batch values"]:
    """Return Σ_j d²/ds² u(x + s g_j) at s = 0, exact, for u mapping (B, *event) to (B, values) row by row.

    With A = Σ_j g_j g_jᵀ it is tr(A∇²u). `directions` are (J, *event), the same for all points, or
    (J, B, *event), each point's own. Bias and variance: none, but for rounding. Differentiable, in the
    weights of u, in x and in the directions.

    Cost: u on J + 2 rows for each point (collapsed Taylor mode, see `_jets`), 2 more for each further chunk;
    where u calls a function that this does not know, some 4 evaluations for each direction and each value
    (forward mode over reverse mode). Memory: `rows` rows at a time, at least one direction for all points;
    with gradients, all of them.

    Errors: `InputError` for directions that do not fit x, or a u with kinks (relu, max-pool, abs, clamp, a
    choice by comparison …), random numbers or statistics of the batch; with `allow_kinks`, the part of the
    sum off the kinks is returned. u is run under a watch for that, which sees every tensor operation, in
    TorchScript and compiled modules too. It does not see kinks inside custom kernels, nor branches of Python
    on the truth of a comparison; what u detaches is held constant. Not inside transforms of `torch.func`.
    """
    check_points(x)
    whole = directions if directions.ndim == x.ndim + 1 else directions.unsqueeze(1)
    if whole.shape[2:] != x.shape[1:] or whole.shape[1] not in {1, len(x)} or not len(whole):
        allowed = f"(J, {', '.join(map(str, x.shape[1:]))}) or (J, {', '.join(map(str, x.shape))}), J ≥ 1"
        got = f"shape {tuple(directions.shape)}"
        raise InputError(message("directions", got, allowed), name="directions")
    chunks = whole.to(x).split(chunk_of(rows, x))
    return sum_over(u, x, chunks, allow_kinks=allow_kinks)


def chunk_of(rows: int, x: Tensor) -> int:
    """Return how many directions go in a chunk."""
    return max(1, check_whole("rows", rows) // len(x))


def sum_over(
    u: Callable[[Tensor], Tensor], x: Tensor, chunks: Iterable[Tensor], *, allow_kinks: bool
) -> Tensor:
    """Return the sum of second derivatives along the directions of all chunks.

    A chunk is (R, B, *event), or (R, 1, *event) where all points have the same directions.
    """
    _check_plain(x)
    _load_forward_mode()
    total, count = x.new_zeros(()), 0
    for chunk in chunks:
        part = None if count else _by_jets(u, x, chunk, allow_kinks)
        if part is None:
            count = count or _watched(u, x, allow_kinks)
            part = _by_nesting(u, x, chunk, count)
        total = total + part
    return total


@cache
def _load_forward_mode() -> None:
    """Let PyTorch load its rules of forward mode, at which it warns of its own use of TorchScript."""
    with warnings.catch_warnings(), forward_ad.dual_level():
        warnings.simplefilter("ignore", DeprecationWarning)
        forward_ad.make_dual(torch.zeros(()), torch.zeros(()))


def _check_plain(x: Tensor) -> None:
    try:
        x.clone().untyped_storage()
    except RuntimeError:
        got, allowed = "a call inside a torch.func transform", "a plain call"
        advice = "The result can be differentiated by torch.autograd; batches need no vmap."
        raise InputError(message("x", got, allowed, advice), name="x") from None


def _by_jets(
    u: Callable[[Tensor], Tensor], x: Tensor, directions: Tensor, allow_kinks: bool
) -> Tensor | None:
    """Return the sum by collapsed Taylor mode, or None where u calls something that it does not carry."""
    point = x.clone()
    watch = Watch(point)
    jets = Jets(watch)
    jets.follow(point, torch.cat([directions, torch.zeros_like(directions[:1])]))
    try:
        with watch, jets, sdpa_kernel(SDPBackend.MATH):
            values = u(point)
        rows = jets.rows_of(check_values(values, len(x)))
    except torch.OutOfMemoryError:
        raise
    except (Unsupported, RuntimeError):  # if u itself fails, it will again, in view
        return None
    watch.check(values, allow_kinks=allow_kinks)
    return torch.zeros_like(values) if rows is None else rows[-1].expand_as(values)


def _watched(u: Callable[[Tensor], Tensor], x: Tensor, allow_kinks: bool) -> int:
    """Check u under a watch and return its number of values."""
    with torch.no_grad():
        point = x.clone()
        with Watch(point) as watch:
            values = u(point)
    check_values(values, len(x))
    watch.check(values, allow_kinks=allow_kinks)
    return values.shape[1]


def _by_nesting(u: Callable[[Tensor], Tensor], x: Tensor, directions: Tensor, count: int) -> Tensor:
    """Return the sum by forward mode over reverse mode, one value and one direction beside the other.

    (Forward over forward would do all values at once, but PyTorch's is wrong for some functions.)
    """

    def along(direction: Tensor, value: int) -> Tensor:
        slope = grad(lambda z: u(z)[:, value].sum())
        turned: Tensor = jvp(slope, (x,), (direction.expand_as(x),))[1]
        return (turned * direction).flatten(1).sum(dim=1)

    try:
        with Watch(x) as watch, Composed(), sdpa_kernel(SDPBackend.MATH):
            watch.paused = True  # it is there for compiled modules, which run uncompiled under it
            parts = [vmap(along, (0, None))(directions, k).sum(dim=0) for k in range(count)]
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        got = f"one that cannot be differentiated twice ({str(error).splitlines()[0]})"
        allowed = "a function that torch.func can differentiate twice, and batch"
        advice = "Use `directions` or `axes`, which need values only."
        raise InputError(message("u", got, allowed, advice), name="u") from error
    return torch.stack(parts, dim=1)
