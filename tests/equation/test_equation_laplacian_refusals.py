"""What has no exact Laplacian is refused, for logits and for probabilities; what has one is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from heatproof.equation.laplacian import Autodiff, Axes, estimate
from heatproof.errors import InputError
from heatproof.networks import MLP, LeNet, ResNet

X = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))


def between(activation: nn.Module | Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return logits with an activation between two dense layers."""
    torch.manual_seed(0)
    first, last = nn.Linear(6, 8), nn.LazyLinear(3)
    return lambda z: last(activation(first(z)))


def masked(z: Tensor) -> Tensor:
    return z * (z > 0)


def assigned(z: Tensor) -> Tensor:
    out = z.clone()
    out[out < 0] = 0
    return out


KINKED: dict[str, nn.Module | Callable[[Tensor], Tensor]] = {
    "ReLU": nn.ReLU(),
    "ReLU in place": nn.ReLU(inplace=True),
    "LeakyReLU": nn.LeakyReLU(),
    "PReLU": nn.PReLU(),
    "RReLU": nn.RReLU().eval(),
    "ReLU6": nn.ReLU6(),
    "Hardtanh": nn.Hardtanh(),
    "Hardswish": nn.Hardswish(),
    "Hardsigmoid": nn.Hardsigmoid(),
    "Hardshrink": nn.Hardshrink(),
    "Softshrink": nn.Softshrink(),
    "Threshold": nn.Threshold(0.1, 0.0),
    "SELU": nn.SELU(),
    "ELU with another slope": nn.ELU(alpha=0.5),
    "MaxPool1d": nn.MaxPool1d(2),
    "AdaptiveMaxPool1d": nn.AdaptiveMaxPool1d(2),
    "functional relu": functional.relu,
    "method relu": lambda z: z.relu(),
    "clamp": lambda z: z.clamp(min=0),
    "abs": torch.abs,
    "maximum": lambda z: torch.maximum(z, 0.1 * z),
    "max": lambda z: z.unflatten(1, (4, 2)).max(dim=2).values,
    "amax": lambda z: z.unflatten(1, (4, 2)).amax(dim=2),
    "sort": lambda z: z.sort(dim=1).values,
    "where": lambda z: torch.where(z > 0, z, 0.1 * z),
    "mask": masked,
    "assignment": assigned,
    "sign": lambda z: z * torch.sign(z),
    "round": torch.round,
    "floor division": lambda z: torch.div(z, 0.1, rounding_mode="floor"),
    "whole numbers": lambda z: (10 * z).long().float(),
    "argmax": lambda z: z.gather(1, z.argmax(dim=1, keepdim=True)),
    "norm 1": lambda z: torch.linalg.vector_norm(z, ord=1, dim=1, keepdim=True),
    "relu of a smooth one": lambda z: functional.relu(torch.tanh(z)),
}


@pytest.mark.parametrize("probabilities", [False, True], ids=["logits", "probabilities"])
@pytest.mark.parametrize("name", KINKED)
def test_kinks_are_refused(name: str, *, probabilities: bool) -> None:
    u = between(KINKED[name])
    u(X)  # sizes the last layer

    def values(z: Tensor) -> Tensor:
        return u(z).softmax(dim=1) if probabilities else u(z)

    with pytest.raises(InputError, match=r"^u: got a (function with kinks|choice by)") as caught:
        estimate(Autodiff(), values, X)
    for word in ("allowed: a function that is smooth in x", "`directions` or `axes`", "tanh or silu"):
        assert word in str(caught.value)
    estimate(Axes(), values, X, 0.5)  # as the message says


SMOOTH: dict[str, nn.Module | Callable[[Tensor], Tensor]] = {
    "Tanh": nn.Tanh(),
    "SiLU": nn.SiLU(),
    "GELU": nn.GELU(),
    "ELU": nn.ELU(),
    "CELU": nn.CELU(alpha=0.7),
    "Softplus": nn.Softplus(),
    "identity": nn.Identity(),
    "kinks of a constant": lambda z: z * functional.relu(torch.arange(8.0) - 3),
    "a check": lambda z: z if bool(torch.isfinite(z).all()) else z * torch.nan,
    "Dropout in evaluation": nn.Dropout().eval(),
    "BatchNorm1d in evaluation": nn.BatchNorm1d(8).eval(),
    "a kink that leads nowhere": lambda z: (z.relu(), z)[1],
}


@pytest.mark.parametrize("probabilities", [False, True], ids=["logits", "probabilities"])
@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_and_linear_networks_are_not(name: str, *, probabilities: bool) -> None:
    u = between(SMOOTH[name])
    u(X)

    def values(z: Tensor) -> Tensor:
        return u(z).softmax(dim=1) if probabilities else u(z)

    found = estimate(Autodiff(), values, X)
    differences = estimate(Axes(), lambda z: values(z.float()).double(), X.double(), 0.03)
    assert torch.allclose(found.double(), differences, atol=2e-2)
    linear = name.startswith(("identity", "kinks", "a check", "a kink", "Dropout", "Batch"))
    assert (float(found.detach().abs().max()) > 1e-3) != (linear and not probabilities)


@pytest.mark.parametrize("network", [MLP(widths=(4,)), LeNet(), ResNet(depth=8, width=2)], ids=repr)
def test_networks_with_relu_are_refused(network: MLP | LeNet | ResNet) -> None:
    event = (1, 28, 28)
    with pytest.raises(InputError, match=r"^u: got a function with kinks \(relu\)"):
        estimate(Autodiff(), network.build(event, 3).eval(), torch.zeros(1, *event))


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
@pytest.mark.parametrize("wrap", [torch.jit.script, lambda one: torch.compile(one, backend="eager")])
def test_scripted_and_compiled_modules_are_seen_through(wrap: Callable[[nn.Module], nn.Module]) -> None:
    torch.manual_seed(0)
    smooth = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    found = estimate(Autodiff(), wrap(smooth), X)
    assert torch.allclose(found, estimate(Autodiff(), smooth, X), atol=1e-6)
    warm = wrap(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)))
    warm(X)
    with pytest.raises(InputError, match=r"^u: got a function with kinks \(relu\)"):
        estimate(Autodiff(), warm, X)


def test_kinks_may_be_allowed() -> None:
    """Then the Laplacian of piecewise-linear logits is 0, and that of probabilities lacks the larger part."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 3))
    found = estimate(Autodiff(allow_kinks=True), network, X)
    assert torch.equal(found, torch.zeros_like(found))
    softened = nn.Sequential(network, nn.Softmax(dim=1))
    with torch.no_grad():
        assert float(estimate(Axes(), network, X, 0.5).abs().min()) > 1e-3
        found = estimate(Autodiff(allow_kinks=True), softened, X)
        missed = estimate(Axes(), softened, X, 0.5) - found
    assert 1e-3 < float(found.abs().mean()) < 0.5 * float(missed.abs().mean())


OTHERS: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "Dropout": (nn.Dropout(), r"draws random numbers .* Call model.eval\(\)"),
    "noise": (lambda z: z + torch.randn(6), r"draws random numbers \(randn\)"),
    "BatchNorm1d": (nn.BatchNorm1d(6), r"a network in training mode .*; allowed: a function of each row"),
    "float": (lambda z: z * float(z.sum()), r"a number read from a tensor .* keep it a tensor"),
    "numpy": (lambda z: torch.from_numpy(z.detach().numpy()) * z, r"cannot be differentiated twice"),
    "no rule": (lambda z: torch.cdist(z, X), r"cannot be differentiated twice .* `directions` or `axes`"),
    "one number": (lambda z: z.sum(), r"torch.float32 of shape \(\); allowed: .* \(5, K\)"),
    "fewer rows": (lambda z: z[:2], r"shape \(2, 6\)"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_functions_that_are_refused(name: str) -> None:
    u, text = OTHERS[name]
    with pytest.raises(InputError, match=r"^u: got .*" + text):
        estimate(Autodiff(), u, X)


def test_errors_of_u_come_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        estimate(Autodiff(), nn.Linear(7, 2), X)

    def broken(z: Tensor) -> Tensor:
        raise KeyError(len(z))

    with pytest.raises(KeyError, match="5"):
        estimate(Autodiff(), broken, X)


def test_not_inside_a_transform() -> None:
    with pytest.raises(InputError, match=r"^x: got a call inside a torch.func transform"):
        torch.func.vmap(lambda z: estimate(Autodiff(), torch.tanh, z[None]))(X)
