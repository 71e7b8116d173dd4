"""The exact Laplacian: against reverse mode over reverse mode, in every way that it can be asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from heatproof.equation.laplacian import (
    Autodiff,
    Axes,
    Directions,
    Estimator,
    Laplacian,
    estimate,
    exact,
    second_derivatives,
)
from heatproof.errors import InputError
from heatproof.networks import MLP, ResidualMLP, at_time


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def hessians(u: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return the Hessian of each value at each point, (B, K, d, d), by reverse mode over reverse mode."""

    def one(point: Tensor) -> Tensor:
        return u(point[None])[0]

    with sdpa_kernel(SDPBackend.MATH):
        found = torch.stack([torch.func.jacrev(torch.func.jacrev(one))(point) for point in x])
    count = x[0].numel()
    return found.reshape(*found.shape[:2], count, count)


def traces(u: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return hessians(u, x).diagonal(dim1=2, dim2=3).sum(dim=-1)


@final
class Attention(nn.Module):
    """A transformer's block: layer normalisation, attention, a gated branch."""

    def __init__(self) -> None:
        super().__init__()
        self.normalise = nn.LayerNorm(4)
        self.attend = nn.MultiheadAttention(4, 2, batch_first=True)
        self.gate = nn.Linear(4, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        z = self.normalise(x)
        z = x + self.attend(z, z, z, need_weights=False)[0]
        values: Tensor = self.head((z * torch.sigmoid(self.gate(z))).mean(dim=1))
        return values


def networks() -> dict[str, tuple[nn.Module, tuple[int, ...]]]:
    torch.manual_seed(0)
    convolutions = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.SiLU(), nn.AvgPool2d(2), nn.GroupNorm(1, 3)
    )
    nn.init.uniform_(convolutions[1].running_mean)  # type: ignore[arg-type]
    head = nn.Sequential(nn.Tanh(), nn.Flatten(), nn.Linear(12, 3))
    dense = nn.Sequential(nn.Linear(5, 8), nn.GELU(), nn.LayerNorm(8), nn.Linear(8, 3), nn.Softmax(dim=1))
    timed = ResidualMLP(width=6, depth=2, activation="tanh", time_conditioned=True).build(
        (4,), 3, [0.1], [0.7]
    )
    return {
        "dense": (dense, (5,)),
        "convolutions": (nn.Sequential(convolutions, head), (2, 4, 4)),
        "attention": (Attention(), (3, 4)),
        "ours": (MLP(widths=(7,), activation="silu").build((1, 2, 2), 3, [0.2], [0.5]), (1, 2, 2)),
        "ours at a time": (at_time(timed, 0.4), (4,)),
        "linear": (nn.Linear(4, 2), (4,)),
    }


NAMES = list(networks())


@pytest.mark.parametrize(("name", "rows"), [*((name, 1000) for name in NAMES), ("dense", 1), ("ours", 7)])
def test_equals_the_trace_of_the_hessian(name: str, rows: int) -> None:
    network, event = networks()[name]
    network = network.double().eval()
    x = torch.randn(3, *event, generator=generator(), dtype=torch.float64)
    truth = traces(network, x).detach()
    found = estimate(Autodiff(rows=rows), network, x)
    assert torch.allclose(found, truth, rtol=1e-9, atol=1e-12)
    assert (float(truth.abs().max()) > 1e-2) == (name != "linear")
    alone = torch.cat([estimate(Autodiff(rows=rows), network, point[None]) for point in x])
    assert torch.allclose(found, alone, rtol=1e-9, atol=1e-12)
    single = estimate(Autodiff(rows=rows), network.float(), x.float())
    assert torch.allclose(single.double(), truth, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_both_ways_agree(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network, event = networks()[name]
    network = network.double().eval()
    x = torch.randn(3, *event, generator=generator(), dtype=torch.float64)
    carried = estimate(Autodiff(rows=8), network, x)
    monkeypatch.setattr(exact, "_by_jets", lambda *_: None)
    assert torch.allclose(estimate(Autodiff(rows=8), network, x), carried, rtol=1e-9, atol=1e-12)


def test_u_is_called_once_for_all_directions() -> None:
    """Collapsed: one call for each chunk, on the points themselves and no more rows."""
    rows: list[int] = []

    def u(z: Tensor) -> Tensor:
        rows.append(len(z))
        return torch.tanh(z).sum(dim=1, keepdim=True)

    x = torch.randn(3, 50, generator=generator())
    estimate(Autodiff(rows=150), u, x)
    assert rows == [3]
    rows.clear()
    estimate(Autodiff(rows=30), u, x)
    assert rows == [3] * 5


@settings(max_examples=25)
@given(dimension=st.integers(1, 6), count=st.integers(1, 5), seed=st.integers(0, 99), shared=st.booleans())
def test_sums_along_directions_are_traces_with_a_matrix(
    dimension: int, count: int, seed: int, *, shared: bool
) -> None:
    """Σ_j ∂²u along g_j = tr(A∇²u) with A = Σ_j g_j g_jᵀ, each point's own or the same."""
    draw = generator(seed)
    weights = torch.randn(dimension, 3, generator=draw, dtype=torch.float64)

    def u(z: Tensor) -> Tensor:
        return torch.sin(z @ weights) * z.square().sum(dim=1, keepdim=True)

    x = torch.randn(4, dimension, generator=draw, dtype=torch.float64)
    shape = (count, dimension) if shared else (count, 4, dimension)
    directions = torch.randn(shape, generator=draw, dtype=torch.float64)
    factors = directions[:, None].expand(count, 4, dimension) if shared else directions
    matrices = torch.einsum("jbi,jbk->bik", factors, factors)
    truth = torch.einsum("bik,bvik->bv", matrices, hessians(u, x))
    found = second_derivatives(u, x, directions, rows=8)
    assert torch.allclose(found, truth, rtol=1e-9, atol=1e-9)


def test_gradients_pass_through() -> None:
    """In the weights, in x and in the directions: what they predict of a small step is what comes."""
    network, event = networks()["dense"]
    network = network.double()
    weights = [one.detach() for one in network.parameters()]
    names = [name for name, _ in network.named_parameters()]
    x = torch.randn(3, *event, generator=generator(1), dtype=torch.float64)
    along = torch.randn(2, *event, generator=generator(2), dtype=torch.float64)

    def loss(*values: Tensor) -> Tensor:
        given = dict(zip(names, values[2:], strict=True))
        found = second_derivatives(
            lambda z: torch.func.functional_call(network, given, (z,)), values[0], values[1], rows=3
        )
        return (found * torch.tensor([1.0, 2.0, -0.5], dtype=torch.float64)).sum()

    values = [x, along, *weights]
    step = [torch.randn(one.shape, generator=generator(3), dtype=one.dtype) for one in values]
    slopes = torch.autograd.grad(loss(*[one.requires_grad_() for one in values]), values)
    moved = [
        float(loss(*[one.detach() + sign * 1e-5 * way for one, way in zip(values, step, strict=True)]))
        for sign in (1, -1)
    ]
    for slope in slopes:
        assert float(slope.abs().max()) > 1e-6
    predicted = sum(float((slope * way).sum()) for slope, way in zip(slopes, step, strict=True))
    assert predicted == pytest.approx((moved[0] - moved[1]) / 2e-5, rel=1e-6)


def test_a_network_learns_from_its_laplacian() -> None:
    torch.manual_seed(0)
    network = MLP(widths=(16,), activation="tanh").build((2,), 2)
    network.load_state_dict({name: 2 * value for name, value in network.state_dict().items()})
    x = torch.randn(32, 2, generator=generator())
    adam, losses = torch.optim.Adam(network.parameters(), lr=0.02), []
    for _ in range(40):
        loss = estimate(Autodiff(), network, x).square().mean()
        losses.append(float(loss.detach()))
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert losses[-1] < 0.1 * losses[0]


def test_finite_differences_converge_to_it() -> None:
    network, event = networks()["dense"]
    network = network.double()
    x = torch.randn(3, *event, generator=generator(), dtype=torch.float64)
    truth = estimate(Autodiff(), network, x).detach()
    errors = [float((estimate(Axes(), network, x, h).detach() - truth).abs().max()) for h in (0.1, 0.05)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.05)
    many = estimate(Directions(directions=20_000, distribution="rademacher"), network, x, 1e-3, generator())
    spread = 2 * (hessians(network, x).square().sum(dim=(2, 3))).max() / 20_000
    assert float((many.detach() - truth).abs().max()) < 5 * float(spread.detach()) ** 0.5


def test_under_no_grad_and_in_inference_mode() -> None:
    network, event = networks()["dense"]
    x = torch.randn(3, *event, generator=generator())
    truth = estimate(Autodiff(), network, x)
    assert truth.requires_grad
    with torch.no_grad():
        silent = estimate(Autodiff(), network, x)
    assert not silent.requires_grad
    with torch.inference_mode():
        inferred = estimate(Autodiff(), network, x)
    assert torch.equal(silent, truth.detach())
    assert torch.equal(inferred, truth.detach())


def test_one_union_names_them_all() -> None:
    adapter: TypeAdapter[Estimator] = TypeAdapter(Laplacian)
    x = torch.randn(3, 2, generator=generator(), dtype=torch.float64)
    for name in ("axes", "directions", "coordinates", "autodiff"):
        laplacian = adapter.validate_python({"name": name})
        assert laplacian.name == name
        assert laplacian.random == (name in {"directions", "coordinates"})
        found = estimate(laplacian, lambda z: z.square().sum(dim=1, keepdim=True), x, 0.5, generator())
        assert found.shape == (3, 1)
        if not isinstance(laplacian, Directions):
            assert torch.allclose(found, torch.full_like(found, 4.0))


@pytest.mark.parametrize("shape", [(2,), (2, 3), (2, 4, 2), (0, 2), (1, 2, 3, 2)])
def test_directions_that_do_not_fit(shape: tuple[int, ...]) -> None:
    with pytest.raises(
        InputError, match=r"^directions: got shape .* allowed: \(J, 2\) or \(J, 3, 2\), J ≥ 1"
    ):
        second_derivatives(lambda z: z, torch.zeros(3, 2), torch.zeros(shape))


def test_rows_that_are_refused() -> None:
    with pytest.raises(InputError, match=r"^rows: got 0"):
        second_derivatives(lambda z: z, torch.zeros(3, 2), torch.zeros(1, 2), rows=0)
    with pytest.raises(InputError, match=r"^rows: got 0"):
        Autodiff(rows=0)
