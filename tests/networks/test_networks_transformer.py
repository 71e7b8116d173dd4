"""The vision transformer: PyTorch's own blocks as the oracle, time as a token, derivatives, refusals."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from heatproof.equation.laplacian import Autodiff
from heatproof.errors import InputError, LipschitzError
from heatproof.lipschitz import lipschitz_bound
from heatproof.networks import (
    DiffusionChain,
    VisionTransformer,
    at_time,
    interior_diffusion,
    parameters,
)

EVENT = (2, 6, 4)
SMALL: dict[str, Any] = {"patch": 2, "width": 8, "depth": 2, "heads": 2, "hidden": 12}


def _build(event: tuple[int, ...] = EVENT, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    return VisionTransformer.from_mapping({**SMALL, **options}).build(event, 3).double().eval()


def _oracle(backbone: Any, layer: int) -> nn.TransformerEncoderLayer:
    """Return PyTorch's block with the weights of ours."""
    attention, dense = backbone.blocks[2 * layer].branch, backbone.blocks[2 * layer + 1].branch
    block = nn.TransformerEncoderLayer(
        8, 2, 12, dropout=0.0, activation="gelu", batch_first=True, norm_first=True, dtype=torch.float64
    )
    pairs = {
        "self_attn.in_proj_weight": attention.inputs.weight,
        "self_attn.in_proj_bias": attention.inputs.bias,
        "self_attn.out_proj.weight": attention.output.weight,
        "self_attn.out_proj.bias": attention.output.bias,
        "linear1.weight": dense.inner.weight,
        "linear1.bias": dense.inner.bias,
        "linear2.weight": dense.outer.weight,
        "linear2.bias": dense.outer.bias,
        "norm1.weight": attention.norm.weight,
        "norm1.bias": attention.norm.bias,
        "norm2.weight": dense.norm.weight,
        "norm2.bias": dense.norm.bias,
    }
    block.load_state_dict({name: value.detach() for name, value in pairs.items()})
    return block


@pytest.mark.parametrize("pooling", ["mean", "class_token"])
@pytest.mark.parametrize("timed", [False, True])
def test_equals_pytorchs_blocks_and_the_rest_written_out(pooling: str, *, timed: bool) -> None:
    model = _build(pooling=pooling, time_conditioned=timed)
    b: Any = model.backbone
    x, t = torch.randn(5, *EVENT, dtype=torch.float64), torch.rand(5, dtype=torch.float64)
    # (B, C, 3, 2, 2, 2): rows and columns of patches, and pixels in them
    cut = x.view(5, 2, 3, 2, 2, 2).permute(0, 2, 4, 1, 3, 5).reshape(5, 6, 8)
    tokens = cut @ b.patches.weight.view(8, 8).T + b.patches.bias + b.positions
    if timed:
        w1, b1, w2, b2 = (one.detach() for one in b.time.layers.parameters())
        hidden = t[:, None] @ w1.T + b1
        tokens = torch.cat([tokens, (hidden * torch.sigmoid(hidden) @ w2.T + b2)[:, None]], dim=1)
    if pooling == "class_token":
        tokens = torch.cat([tokens, b.class_token.expand(5, 1, 8)], dim=1)
    for layer in range(2):
        tokens = _oracle(b, layer)(tokens)
    state = nn.functional.layer_norm(tokens, (8,), b.norm.weight, b.norm.bias)
    pooled = state[:, :6].mean(dim=1) if pooling == "mean" else state[:, -1]
    expected = pooled @ b.head.weight.T + b.head.bias
    torch.testing.assert_close(model(x, t) if timed else model(x), expected, rtol=1e-9, atol=1e-9)


def test_positions_are_what_tells_patches_apart() -> None:
    model = _build()
    backbone: Any = model.backbone
    nn.init.normal_(backbone.positions)
    x = torch.randn(1, *EVENT, dtype=torch.float64)
    moved = x.flip(2).view(1, 2, 3, 2, 4).flip(3).reshape(1, *EVENT)  # rows of patches in reverse
    assert float((model(x) - model(moved)).detach().abs().max()) > 1e-3
    nn.init.zeros_(backbone.positions)
    torch.testing.assert_close(model(x), model(moved), rtol=1e-9, atol=1e-9)


def test_sines_differ_from_place_to_place_and_are_not_trained() -> None:
    model = _build((1, 16, 12), positions="sines")
    backbone: Any = model.backbone
    places = backbone.fixed[0]
    assert places.shape == (48, 8)
    assert float(torch.cdist(places, places).fill_diagonal_(9).min()) > 0.1
    row, column = places[5 * 6 + 2], places[5 * 6 + 3]
    assert torch.equal(row[:4], column[:4])  # one row: the first half
    five = torch.tensor(5.0, dtype=torch.float64)
    torch.testing.assert_close(row[[0, 2]], torch.stack([five.sin(), five.cos()]), rtol=1e-6, atol=1e-6)
    assert parameters(_build((1, 16, 12))) - parameters(model) == 48 * 8
    assert "backbone.fixed" not in model.state_dict()


def test_time_is_one_token_and_costs_no_pixel() -> None:
    plain, timed = (
        VisionTransformer.from_mapping(SMALL),
        VisionTransformer.from_mapping({**SMALL, "time_conditioned": True}),
    )
    more = parameters(timed.build(EVENT, 3)) - parameters(plain.build(EVENT, 3))
    assert more == (1 * 8 + 8) + (8 * 8 + 8)
    model = _build(time_conditioned=True)
    assert model.backbone.patches.weight.shape[1] == EVENT[0]  # type: ignore[union-attr, index]


@pytest.mark.parametrize("timed", [False, True])
def test_exact_laplacians_and_second_derivatives_in_training(*, timed: bool) -> None:
    model = _build((1, 4, 2), time_conditioned=timed)
    x = torch.randn(2, 1, 4, 2, dtype=torch.float64)
    found = Autodiff().estimate(model, x)

    def score(flat: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = model(flat.view(1, 1, 4, 2))[0]
        return out

    expected = torch.stack(
        [torch.func.hessian(score)(row.flatten()).diagonal(dim1=1, dim2=2).sum(1) for row in x]
    )
    torch.testing.assert_close(found.detach(), expected.detach(), rtol=1e-6, atol=1e-8)
    x.requires_grad_()
    (slope,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
    slope.square().sum().backward()
    grads = [one.grad for one in model.parameters() if one.grad is not None]
    assert all(bool(torch.isfinite(one).all()) for one in grads)
    assert len(grads) >= sum(1 for _ in model.parameters()) - 3


def test_no_lipschitz_bound_and_it_says_why() -> None:
    says = r"VisionTransformer.*attention \(Kim et al\. 2021\) and layer normalisation have none"
    model, timed = _build(), _build(time_conditioned=True)
    for one in (model, timed, at_time(timed, 0.0), nn.Sequential(model, nn.Linear(3, 3))):
        with pytest.raises(LipschitzError, match=says):
            lipschitz_bound(one, EVENT)
    with pytest.raises(LipschitzError, match=says):
        interior_diffusion(DiffusionChain([model], [0.1], nn.Linear(3, 2).double()), EVENT)


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ((2, 6, 5), r"event_shape: got \(2, 6, 5\).*multiples of patch = 4\. Use mlp"),
        ((2, 6, 9), "A patch that divides 3 fits"),
        ((24,), "multiples of patch"),
    ],
)
def test_images_that_do_not_divide_are_refused(event: tuple[int, ...], says: str) -> None:
    with pytest.raises(InputError, match=says):
        VisionTransformer().build(event, 3)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"heads": 3}, "width: got 64; allowed: a multiple of heads = 3"),
        (
            {"width": 6, "heads": 2, "positions": "sines"},
            "width: got 6; allowed: a multiple of 4, for positions",
        ),
        ({"patch": 0}, "patch: got 0"),
        ({"positions": "learnt"}, "Did you mean 'learned'"),
        ({"pooling": "max"}, "pooling: got 'max'"),
        ({"noise_layers": {"name": "stochastic_dept", "survival": 0.5}}, "Did you mean 'stochastic_depth'"),
    ],
)
def test_bad_settings_are_named(values: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        VisionTransformer.from_mapping(values)


def test_learns_digits() -> None:
    images, labels = load_digits(return_X_y=True)
    x = torch.as_tensor(images, dtype=torch.float32).view(-1, 1, 8, 8) / 16
    y = torch.as_tensor(labels)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
    learn, judge = order[:1300], order[1300:]
    torch.manual_seed(0)
    model = VisionTransformer(patch=2, width=32, depth=2, hidden=64).build((1, 8, 8), 10)
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(10):
        for rows in learn[torch.randperm(len(learn))].split(64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimiser.step()
    assert float((model.eval()(x[judge]).argmax(1) == y[judge]).float().mean()) > 0.9
