"""The margin certificate: exact where it should be, never broken by an attack, never mixed with another."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from heatproof.attacks import attack
from heatproof.certification import MarginCertificate, certify_margin, strongest
from heatproof.errors import InputError, LipschitzError, ModelError
from heatproof.lipschitz import lipschitz_bound
from heatproof.networks import MLP, DiffusionChain, LeNet, PotentialFlow, ResNet


def _linear(seed: int, features: int, classes: int) -> nn.Linear:
    torch.manual_seed(seed)
    return nn.Linear(features, classes, dtype=torch.float64)


def _nearest(model: nn.Linear, x: torch.Tensor) -> float:
    """Return the distance from x to the nearest boundary of a linear classifier's cell, from projections."""
    logits = model(x[None])[0].detach()
    a = int(logits.argmax())
    w = model.weight.detach()
    return min(float((logits[a] - logits[j]) / (w[a] - w[j]).norm()) for j in range(len(logits)) if j != a)


@settings(max_examples=60)
@given(seed=st.integers(0, 999), features=st.integers(1, 9), classes=st.integers(2, 6))
def test_is_exact_for_linear_classifiers(seed: int, features: int, classes: int) -> None:
    model = _linear(seed, features, classes)
    x = torch.randn(4, features, dtype=torch.float64)
    for row, certificate in zip(x, certify_margin(model, x), strict=True):
        assert certificate.radius == pytest.approx(_nearest(model, row), rel=1e-5, abs=1e-6)
    for row, certificate in zip(x, certify_margin(nn.Sequential(nn.Flatten(), model), x), strict=True):
        assert certificate.radius == pytest.approx(_nearest(model, row), rel=1e-5, abs=1e-6)


def test_two_opposite_rows_make_the_plain_form_exact() -> None:
    """(z_A − z_B)/(√2·Λ) with rows w and −w: Λ = √2‖w‖ and the distance is (z_A − z_B)/(2‖w‖)."""
    model, w = nn.Linear(3, 2, dtype=torch.float64), torch.tensor([1.0, -2.0, 0.5]).double()
    with torch.no_grad():
        model.weight.copy_(torch.stack([w, -w]))
    x = torch.randn(5, 3, dtype=torch.float64)
    given = certify_margin(model, x, lipschitz=math.sqrt(2) * float(w.norm()))
    for row, certificate in zip(x, given, strict=True):
        assert certificate.vouched
        assert certificate.radius == pytest.approx(_nearest(model, row), rel=1e-5, abs=1e-6)


def _trained(seed: int) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """Return a network trained for a moment on three clouds of points, and points."""
    torch.manual_seed(seed)
    y = torch.arange(3).repeat(40)
    x = torch.tensor([[2.0, 0, 0, 1], [0, 2, 1, 0], [-1, -1, 2, 0]])[y] + 0.6 * torch.randn(120, 4)
    model = nn.Sequential(PotentialFlow(4, 8), PotentialFlow(4, 8, "tanh"), nn.Linear(4, 3))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(60):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimiser.step()
    return model.eval(), x, y


@pytest.mark.parametrize("seed", range(2))
def test_no_attack_succeeds_inside_and_a_radius_too_large_is_broken(seed: int) -> None:
    """Each input is attacked at 0.999 of its radius, and, the negative control, at three times as much."""
    model, x, y = _trained(seed)
    certificates = certify_margin(model, x, y)
    assert sum(bool(one.correct) for one in certificates) > 80
    tried = [i for i, one in enumerate(certificates) if one.correct and one.radius > 1e-3][:10]
    broken = {0.999: 0, 3.0: 0}
    for factor in broken:
        for i in tried:
            radius = factor * certificates[i].radius
            broken[factor] += int(attack(model, x[i : i + 1], y[i : i + 1], radius=radius).success.sum())
    assert broken[0.999] == 0
    assert broken[3.0] > 0


def test_a_constant_that_is_too_small_is_refuted() -> None:
    """The negative control Λ/1.3 on a linear classifier: the point it certifies is on the other side."""
    model = _linear(0, 5, 2)
    with torch.no_grad():
        model.weight[1] = -model.weight[0]
    bound = lipschitz_bound(model, (5,)).value
    x = torch.randn(20, 5, dtype=torch.float64)
    direction = model.weight[0] / model.weight[0].norm()
    for value, wrong in ((bound, False), (bound / 1.3, True)):
        for row, one in zip(x, certify_margin(model, x, lipschitz=value), strict=True):
            sign = -1 if one.label == 0 else 1
            moved = row + sign * 0.999 * one.radius * direction.detach()
            assert (int(model(moved[None]).argmax()) != one.label) is wrong


def test_pairs_are_never_worse_than_the_plain_form() -> None:
    for settings_, shape in (
        (MLP(widths=(16,)), (6,)),
        (LeNet(), (1, 16, 16)),
        (ResNet(depth=8, width=2), (3, 8, 8)),
    ):
        torch.manual_seed(0)
        model = settings_.build(shape, 5, 0.5, 0.5)
        x = torch.rand(6, *shape)
        for one in certify_margin(model, x):
            plain = one.margin / (math.sqrt(2) * one.lipschitz)
            assert plain * (1 - 1e-9) <= one.radius <= math.sqrt(2) * 50 * plain
        assert model.training  # the mode is given back
        assert one.lipschitz == pytest.approx(lipschitz_bound(model.eval(), shape).value, rel=1e-12)


def test_record() -> None:
    model = _linear(1, 4, 3)
    x, y = torch.randn(6, 4, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1, 2])
    first, again = certify_margin(model, x, y), certify_margin(model, x, y, batch_size=2)
    assert first == again
    for i, one in enumerate(first):
        assert one.label == int(model(x[i : i + 1]).argmax())
        assert one.correct == (one.label == int(y[i]))
        assert one.radii() == {"l1": one.radius, "l2": one.radius, "linf": one.radius / 2}
        assert not one.vouched
        assert "Linear" in one.how
        assert one.classifier == "network without noise"
    assert all(one.correct is None for one in certify_margin(model, x))


def test_ties_have_no_radius_and_a_constant_network_has_every() -> None:
    model = _linear(1, 2, 3)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    x = torch.ones(1, 2, dtype=torch.float64)
    assert certify_margin(model, x)[0].radius == 0
    nn.init.constant_(model.bias[:1], 1.0)
    assert certify_margin(model, x)[0].radius == math.inf


def test_what_has_no_bound_is_refused_unless_vouched_for() -> None:
    model = nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 3))
    with pytest.raises(LipschitzError, match="LayerNorm"):
        certify_margin(model, torch.randn(2, 4))
    with pytest.raises(LipschitzError, match="Module itself"):
        certify_margin(lambda rows: rows, torch.randn(2, 4))
    vouched = certify_margin(lambda rows: 2 * rows, torch.eye(4), lipschitz=2.0)
    assert all(one.vouched and "not proved" in one.how for one in vouched)
    assert [one.radius for one in vouched] == pytest.approx([2 / (2 * math.sqrt(2))] * 4)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.inf, math.nan])
def test_numbers_that_are_no_constant(bad: float) -> None:
    with pytest.raises(InputError, match="lipschitz"):
        certify_margin(_linear(0, 4, 3), torch.randn(2, 4), lipschitz=bad)


def test_a_network_with_noise_is_not_this_classifier() -> None:
    chain = DiffusionChain([nn.Identity()], (1.0,), nn.Linear(4, 3))
    with pytest.raises(LipschitzError, match="DiffusionChain"):
        certify_margin(chain, torch.randn(2, 4))
    with pytest.raises(ModelError):
        certify_margin(chain, torch.randn(2, 4), lipschitz=1.0)


class _Smoothed:
    """Stands for a certificate of a smoothed classifier: larger, and of something else."""

    classifier = "network"
    radius = 10.0


def test_maxima_are_taken_within_one_classifier_only() -> None:
    model, x = _linear(0, 4, 3), torch.randn(2, 4, dtype=torch.float64)
    proved = certify_margin(model, x)[0]
    loose = certify_margin(model, x, lipschitz=10 * proved.lipschitz)[0]
    assert strongest(loose, proved) == proved
    other_input, other_network = certify_margin(model, x)[1], certify_margin(_linear(1, 4, 3), x)[0]
    function = certify_margin(lambda rows: rows @ torch.ones(4, 3), x.float(), lipschitz=9.0)[0]
    for wrong in ((proved, _Smoothed()), (proved, other_input), (proved, other_network), (function,), ()):
        with pytest.raises(InputError, match="never their maximum"):
            strongest(*wrong)
    with pytest.raises(TypeError):
        max([proved, loose])  # type: ignore[type-var]
    assert isinstance(proved, MarginCertificate)


def _pair(bias: tuple[float, float], kind: torch.dtype = torch.float64) -> nn.Linear:
    """Return x ↦ (x + b_0, −x + b_1)."""
    model = nn.Linear(1, 2, dtype=kind)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0], [-1.0]]))
        model.bias.copy_(torch.tensor(bias, dtype=torch.float64))
    return model


@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [0.0, 1.0, 1e3, 1e6, 1e12])
@pytest.mark.parametrize("place", [0.032, 0.7, 3.3])
def test_large_logits_are_not_rounded_for_the_sake_of_the_radius(
    kind: torch.dtype, size: float, place: float
) -> None:
    """The label changes at 0: no radius may reach it, whatever the logits are rounded to."""
    x = torch.tensor([[place]], dtype=torch.float64)
    one = certify_margin(_pair((size, size), kind), x)[0]
    assert one.radius <= place
    if kind is torch.float64 and size <= 1e6:
        assert one.radius == pytest.approx(place, rel=1e-6)


@pytest.mark.parametrize(("size", "step"), [(1e8 + 2.0, 1.0), (100.000002, 1e-6)])
def test_inputs_in_double_precision_are_not_rounded(size: float, step: float) -> None:
    model, x = _pair((-size, size)), torch.tensor([[size + step]], dtype=torch.float64)
    one = certify_margin(model, x)[0]
    assert one.label == int(model(x).argmax()) == 0
    assert 0 < one.radius <= float(x) - size


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_what_a_coarser_network_sees_is_no_more_than_the_radius_away(kind: torch.dtype) -> None:
    """Certified is the ball around the input given, of which the network sees the nearest number it has."""
    for value in (100.000003, 1.005, 0.1):
        x = torch.tensor([[value]], dtype=torch.float64)
        one = certify_margin(_pair((0.0, 0.0), kind), x)[0]
        assert 0 < one.radius <= value
        moved = abs(value - float(x.to(kind)))
        assert one.radius <= float(x.to(kind)) - moved
