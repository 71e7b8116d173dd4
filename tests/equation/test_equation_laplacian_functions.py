"""Every function that rows of derivatives are carried through, against finite differences; and none more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from heatproof.equation.laplacian import _functions, _jets, exact, second_derivatives

torch.manual_seed(0)
MATRIX = torch.randn(6, 6, dtype=torch.float64)
CONSTANT = torch.rand(6, dtype=torch.float64) + 0.5
POINTS = torch.randn(3, 6, dtype=torch.float64)
ALONG = torch.randn(2, 3, 6, dtype=torch.float64)


def positive(z: Tensor) -> Tensor:
    return z * z + 0.5


def inside(z: Tensor) -> Tensor:
    return 0.5 * torch.tanh(z)


def image(z: Tensor) -> Tensor:
    """Return (B, 1, 2, 3)."""
    return z.view(-1, 1, 2, 3)


def kernel(*shape: int) -> Tensor:
    return torch.linspace(-1, 2, torch.Size(shape).numel(), dtype=torch.float64).view(shape)


def _at(outer: Callable[[Tensor], Tensor], inner: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda z: outer(inner(z))


ANYWHERE = ["tanh", "sigmoid", "exp", "exp2", "expm1", "sin", "cos", "sinh", "cosh", "atan", "asinh"]
ANYWHERE += ["erf", "erfc", "square"]
ABOVE_ZERO = ["log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal"]
BELOW_ONE = ["tan", "asin", "acos", "atanh"]
ELEMENTWISE: dict[str, Callable[[Tensor], Tensor]] = {
    "pow": lambda z: z**3,
    "float_power": lambda z: torch.float_power(z, 2),
    "__rpow__": lambda z: 2**z,
    "__rdiv__": lambda z: 1 / positive(z),
    "silu": functional.silu,
    "gelu": functional.gelu,
    "softplus": functional.softplus,
    "mish": functional.mish,
    "log_sigmoid": functional.logsigmoid,
    "tanhshrink": functional.tanhshrink,
    "celu": lambda z: functional.celu(z, alpha=0.7),
    **{name: getattr(torch, name) for name in ANYWHERE},
    **{name: _at(getattr(torch, name), positive) for name in ABOVE_ZERO},
    **{name: _at(getattr(torch, name), inside) for name in BELOW_ONE},
    "acosh": lambda z: torch.acosh(positive(z) + 1),
}
SMOOTH: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": lambda z: z.softmax(dim=1),
    "softmin": lambda z: functional.softmin(z, dim=1),
    "log_softmax": lambda z: z.log_softmax(dim=1),
    "logsumexp": lambda z: z.logsumexp(dim=1, keepdim=True),
    "logaddexp": lambda z: torch.logaddexp(z, z.flip(1)),
    "layer_norm": lambda z: functional.layer_norm(z, (6,), CONSTANT, CONSTANT.flip(0), 0.1),
    "group_norm": lambda z: functional.group_norm(z, 2, CONSTANT, eps=0.1),
    "rms_norm": lambda z: functional.rms_norm(z, (6,), CONSTANT),
    "var": lambda z: z.var(dim=1, keepdim=True),
    "scaled_dot_product_attention": lambda z: functional.scaled_dot_product_attention(
        z.view(-1, 3, 2), z.view(-1, 3, 2), z.view(-1, 3, 2)
    ).flatten(1),
}
SEVERAL: dict[str, Callable[[Tensor], Tensor]] = {
    "mul": lambda z: z * z.flip(1) * 2,
    "multiply": lambda z: torch.multiply(z, z),
    "div": lambda z: z / positive(z.flip(1)) / 3,
    "divide": lambda z: torch.divide(CONSTANT, positive(z)),
    "true_divide": lambda z: torch.true_divide(z, positive(z)),
    "matmul": lambda z: (z.view(-1, 2, 3) @ z.view(-1, 3, 2)).flatten(1) @ MATRIX[:4],
    "mm": lambda z: torch.mm(z, MATRIX),
    "mv": lambda z: torch.mv(z, CONSTANT)[:, None],
    "bmm": lambda z: torch.bmm(z.view(-1, 2, 3), z.view(-1, 3, 2)).flatten(1),
    "addmm": lambda z: torch.addmm(CONSTANT, z, MATRIX),
    "baddbmm": lambda z: torch.baddbmm(z.view(-1, 2, 3), z.view(-1, 2, 3), kernel(3, 3, 3)).flatten(1),
    "dot": lambda z: torch.stack([torch.dot(one, one) for one in z])[:, None],
    "inner": lambda z: torch.inner(z, MATRIX),
    "outer": lambda z: torch.stack([torch.outer(one, one).flatten() for one in z]),
    "einsum": lambda z: torch.einsum("bi,bj->bij", z, z).flatten(1),
    "tensordot": lambda z: torch.tensordot(z, MATRIX, dims=1),
    "linear": lambda z: functional.linear(z, MATRIX, CONSTANT),
    "lerp": lambda z: torch.lerp(z, z.flip(1), inside(z)),
    "addcmul": lambda z: torch.addcmul(z, z, z),
    "conv1d": lambda z: functional.conv1d(z[:, None], kernel(2, 1, 3), padding=1).flatten(1),
    "conv2d": lambda z: functional.conv2d(image(z), kernel(2, 1, 2, 2), kernel(2)).flatten(1),
    "conv3d": lambda z: functional.conv3d(image(z)[:, None], kernel(2, 1, 1, 2, 2)).flatten(1),
    "conv_transpose1d": lambda z: functional.conv_transpose1d(z[:, None], kernel(1, 2, 2)).flatten(1),
    "conv_transpose2d": lambda z: functional.conv_transpose2d(image(z), kernel(1, 2, 2, 2)).flatten(1),
    "conv_transpose3d": lambda z: functional.conv_transpose3d(
        image(z)[:, None], kernel(1, 2, 1, 2, 2)
    ).flatten(1),
}
AFFINE: dict[str, Callable[[Tensor], Tensor]] = {
    "add": lambda z: z + z.flip(1) + 1,
    "sub": lambda z: z - CONSTANT,
    "__rsub__": lambda z: 1 - z,
    "rsub": lambda z: torch.rsub(z, 2),
    "neg": lambda z: -z,
    "positive": lambda z: +z,
    "cat": lambda z: torch.cat([z, CONSTANT.expand_as(z), z], dim=1),
    "concat": lambda z: torch.concat([z, z], dim=1),
    "stack": lambda z: torch.stack([z, z.flip(1)], dim=1).flatten(1),
    "sum": lambda z: z.sum(dim=1, keepdim=True),
    "mean": lambda z: z.mean(dim=1, keepdim=True),
    "cumsum": lambda z: z.cumsum(dim=1),
    "reshape": lambda z: z.T.reshape(6, -1).T,
    "view": lambda z: z.view(-1, 2, 3).flatten(1),
    "flatten": lambda z: image(z).flatten(1),
    "unflatten": lambda z: z.unflatten(1, (2, 3)).flatten(1),
    "ravel": lambda z: z.ravel().view(-1, 6),
    "permute": lambda z: image(z).permute(0, 3, 1, 2).flatten(1),
    "transpose": lambda z: z.transpose(0, 1).transpose(1, 0),
    "swapaxes": lambda z: z.swapaxes(0, 1).T,
    "movedim": lambda z: image(z).movedim(3, 1).flatten(1),
    "t": lambda z: z.t().mT,
    "squeeze": lambda z: z[:, None].squeeze(1),
    "unsqueeze": lambda z: z.unsqueeze(1).flatten(1),
    "expand": lambda z: z[:, None].expand(-1, 2, 6).flatten(1),
    "expand_as": lambda z: z[:, :1].expand_as(z),
    "view_as": lambda z: z.view_as(CONSTANT.expand_as(z)),
    "type_as": lambda z: z.type_as(CONSTANT),
    "to": lambda z: z.to(torch.float64),
    "double": lambda z: z.double(),
    "float": lambda z: z.float().double(),
    "repeat": lambda z: z.repeat(1, 2),
    "repeat_interleave": lambda z: z.repeat_interleave(2, dim=1),
    "tile": lambda z: z.tile(2),
    "__getitem__": lambda z: z[:, [4, 1, 1]],
    "narrow": lambda z: z.narrow(1, 2, 3),
    "select": lambda z: z.select(1, 2)[:, None],
    "index_select": lambda z: z.index_select(1, torch.tensor([3, 0])),
    "gather": lambda z: z.gather(1, torch.tensor([[3, 0]] * 3)),
    "split": lambda z: z.split(2, dim=1)[1],
    "chunk": lambda z: z.chunk(2, dim=1)[1],
    "unbind": lambda z: torch.stack(z.unbind(1)[::2], dim=1),
    "flip": lambda z: z.flip(1),
    "roll": lambda z: z.roll(2, 1),
    "contiguous": lambda z: z.T.contiguous().T,
    "clone": lambda z: z.clone(),
    "pad": lambda z: functional.pad(z, (1, 2), value=3.0),
    "diagonal": lambda z: image(z).diagonal(dim1=2, dim2=3).flatten(1),
    "tril": lambda z: image(z).tril().flatten(1),
    "triu": lambda z: image(z).triu().flatten(1),
    "avg_pool1d": lambda z: functional.avg_pool1d(z[:, None], 2).flatten(1),
    "avg_pool2d": lambda z: functional.avg_pool2d(image(z), 2, stride=1).flatten(1),
    "avg_pool3d": lambda z: functional.avg_pool3d(image(z)[:, None], (1, 2, 2), stride=1).flatten(1),
    "adaptive_avg_pool1d": lambda z: functional.adaptive_avg_pool1d(z[:, None], 2).flatten(1),
    "adaptive_avg_pool2d": lambda z: functional.adaptive_avg_pool2d(image(z), 1).flatten(1),
    "adaptive_avg_pool3d": lambda z: functional.adaptive_avg_pool3d(image(z)[:, None], 1).flatten(1),
    "interpolate": lambda z: functional.interpolate(image(z), scale_factor=2, mode="bilinear").flatten(1),
    "pixel_shuffle": lambda z: functional.pixel_shuffle(z[:, :4].view(-1, 4, 1, 1), 2).flatten(1),
    "unfold": lambda z: functional.unfold(image(z), 2).flatten(1),
    "dropout": lambda z: functional.dropout(z, 0.5, training=False),
    "batch_norm": lambda z: functional.batch_norm(z, CONSTANT, CONSTANT, CONSTANT, CONSTANT),
}
CASES = AFFINE | SEVERAL | SMOOTH | ELEMENTWISE


def differences(u: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the sum of second derivatives by five-point differences of order four."""
    h, total = 2e-3, torch.zeros(())
    for g in ALONG:
        far, near = u(POINTS + 2 * h * g) + u(POINTS - 2 * h * g), u(POINTS + h * g) + u(POINTS - h * g)
        total = total + (16 * near - far - 30 * u(POINTS)) / (12 * h**2)
    return total


@pytest.mark.parametrize("name", CASES)
def test_second_derivatives_and_their_gradient(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []

    def recorded(func: Any, uses: int, *, first: bool) -> _functions.Kind | None:
        called.append(func.__name__)
        return _functions.kind_of(func, uses, first=first)

    def u(x: Tensor) -> Tensor:
        """Return the function between two bends, so that slopes and bends both pass through it."""
        return torch.tanh(CASES[name](torch.tanh(x @ MATRIX / 3)) / 3)

    def refuse(*_: object) -> Tensor:
        raise AssertionError("not carried")

    monkeypatch.setattr(_jets, "kind_of", recorded)
    monkeypatch.setattr(exact, "_by_nesting", refuse)
    x = POINTS.clone().requires_grad_()
    found = second_derivatives(u, x, ALONG)
    assert name in called
    tolerance = 1e-3 if name == "float" else 1e-8
    if name != "float":  # differences of float32 numbers say nothing
        assert torch.allclose(found, differences(u), rtol=1e-6, atol=tolerance)
    assert float(found.detach().abs().max()) > 1e-3
    weight = torch.linspace(1, 2, found.numel(), dtype=found.dtype).view_as(found)
    slope = torch.autograd.grad((found * weight).sum(), x)[0]
    ahead, behind = (second_derivatives(u, POINTS + s * 1e-4 * ALONG[0], ALONG) for s in (1, -1))
    along = ((ahead - behind) / 2e-4 * weight).sum()
    assert float((slope * ALONG[0]).sum()) == pytest.approx(float(along), rel=1e-5, abs=10 * tolerance)


def test_nothing_else_is_carried() -> None:
    listed = _functions._AFFINE | _functions._LIKE_ANOTHER | _functions._SMOOTH
    assert listed == set(CASES)
    assert set(ELEMENTWISE) == _functions._ELEMENTWISE
    assert set(AFFINE) == _functions._AFFINE | _functions._LIKE_ANOTHER
