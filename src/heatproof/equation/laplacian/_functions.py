"""The functions that rows of derivatives are carried through, by name, and how.

A name stands for the function, the method and the operator of that name. What is not listed (in-place
functions above all) is not carried.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

__all__ = ["Kind", "kind_of", "words"]


class Kind(Enum):
    """How a function acts on the values that carry rows."""

    READ = auto()
    """It reads shapes and types, makes constants or compares: what it returns carries nothing."""
    AFFINE = auto()
    """It is affine in all of them together."""
    ELEMENTWISE = auto()
    """It acts on each number of one value alone."""
    GENERAL = auto()
    """It is smooth."""


def words(text: str) -> frozenset[str]:
    """Return the set of the words in a text."""
    return frozenset(text.split())


_READ = words(
    "size dim numel stride is_floating_point is_complex is_contiguous __len__ new_ones new_zeros "
    "new_full new_empty new_tensor zeros_like ones_like full_like empty_like gt ge lt le eq ne __eq__ "
    "isfinite isnan isinf"
)
_READ_PROPERTIES = words(
    "shape dtype device ndim requires_grad layout is_cuda is_cpu is_leaf is_nested is_sparse"
)
_AFFINE = words(
    "add sub __rsub__ rsub neg positive cat concat stack sum mean cumsum reshape view flatten unflatten "
    "ravel permute transpose swapaxes movedim t squeeze unsqueeze expand double float repeat "
    "repeat_interleave tile __getitem__ narrow select index_select gather split chunk unbind flip roll "
    "contiguous clone pad diagonal tril triu avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d "
    "adaptive_avg_pool2d adaptive_avg_pool3d interpolate pixel_shuffle unfold dropout batch_norm"
)
_LIKE_ANOTHER = words("expand_as view_as type_as to")
_AFFINE_IN_ONE = words(
    "mul multiply matmul mm mv bmm addmm baddbmm dot inner outer einsum tensordot linear "
    "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d lerp addcmul"
)
_AFFINE_IN_FIRST = words("div divide true_divide")
_ELEMENTWISE = words(
    "tanh sigmoid silu gelu softplus mish log_sigmoid tanhshrink celu exp exp2 expm1 log log2 log10 "
    "log1p sin cos tan sinh cosh asin acos atan asinh acosh atanh erf erfc square sqrt rsqrt "
    "reciprocal pow float_power __rpow__ __rdiv__"
)
_SMOOTH = words(
    "softmax softmin log_softmax logsumexp logaddexp layer_norm group_norm rms_norm var "
    "scaled_dot_product_attention"
)
_SMOOTH |= _AFFINE_IN_ONE | _AFFINE_IN_FIRST | _ELEMENTWISE


def kind_of(func: Any, uses: int, *, first: bool) -> Kind | None:
    """Return how a function acts on the values that carry rows; None where that is not known.

    `uses` says how many of its arguments carry rows, `first` that the first one does.
    """
    name = str(getattr(func, "__name__", ""))
    if name == "__get__":
        return _kind_of_property(str(getattr(getattr(func, "__self__", None), "__name__", "")))
    if name in _READ or (name in _LIKE_ANOTHER and not first):
        return Kind.READ
    if name in _AFFINE | _LIKE_ANOTHER:
        return Kind.AFFINE
    if uses == 1 and (name in _AFFINE_IN_ONE or (first and name in _AFFINE_IN_FIRST)):
        return Kind.AFFINE
    if uses == 1 and name in _ELEMENTWISE:
        return Kind.ELEMENTWISE
    return Kind.GENERAL if name in _SMOOTH else None


def _kind_of_property(name: str) -> Kind | None:
    if name in {"T", "mT", "H", "mH"}:
        return Kind.AFFINE
    return Kind.READ if name in _READ_PROPERTIES else None
