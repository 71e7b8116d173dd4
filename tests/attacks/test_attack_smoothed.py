"""The adapted attack and its judge: true certificates stand, wrong ones fall."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from heatproof._types import Classifier
from heatproof.attacks import attack_smoothed, break_certificates, judge_smoothed
from heatproof.errors import DataError, GradientMaskingWarning, InputError, ModelError
from heatproof.noise import Gaussian, Lattice

STD = 0.5


def _half_spaces(slope: float, dimension: int = 10) -> tuple[Classifier, Tensor, Tensor, Tensor]:
    """Return a half-space classifier, inputs, their classes and the exact smoothed radii (distances)."""
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(dimension, generator=generator)
    weight = weight / weight.norm()
    distance = torch.linspace(0.35, 1.2, 24)
    sign = torch.where(torch.arange(24) % 2 == 0, 1.0, -1.0)
    x = torch.randn(24, dimension, generator=generator)
    x = x - (x @ weight)[:, None] * weight + (sign * distance - 0.2)[:, None] * weight

    def model(points: Tensor) -> Tensor:
        score = slope * (points @ weight + 0.2)
        return torch.stack([-score, score], dim=1)

    return model, x, (sign > 0).long(), distance


@pytest.mark.parametrize("slope", [0.1, 20.0, 1e5])
def test_true_certificates_stand_and_certificates_a_fifth_too_large_fall(slope: float) -> None:
    """False alarm 1e-6 a certificate, 24 certificates.

    At 1.2 R the probability of the label is Φ(−.2 R/s) ≤ .444, eleven deviations below ½ with 10,000 votes.
    """
    model, x, label, exact = _half_spaces(slope)
    sound = break_certificates(model, x, label, 0.98 * exact, noise_std=STD, seed=3)
    assert (sound.attacked, sound.refuted) == (24, 0)
    wrong = break_certificates(model, x, label, 1.2 * exact, noise_std=STD, seed=3)
    assert (wrong.attacked, wrong.refuted) == (24, 24)
    assert bool((wrong.distance <= 1.2 * exact.double()).all())
    assert bool((wrong.distance > exact.double()).all())


def test_the_attack_goes_straight_to_the_plane() -> None:
    model, x, label, exact = _half_spaces(20.0)
    reached = 1.2 * exact.double()
    found = attack_smoothed(model, x, label, noise_std=STD, radii=reached)
    before = attack_smoothed(model, x, label, noise_std=STD, radii=0.0)
    assert torch.equal(before.last, x)
    assert bool((before.gain < 0).all())
    assert bool((found.gain > 0).all())
    torch.testing.assert_close(found.distance, reached, rtol=1e-3, atol=0)
    assert bool((found.distance <= (1 - 1e-6) * reached).all())


@pytest.mark.parametrize("dimension", [2, 3])
def test_a_curved_boundary_is_found_too(dimension: int) -> None:
    """Class 1 is a ball of radius 1.5: s·Φ⁻¹(p_A) holds there (p_A less .01, six deviations) but is not
    tight, so the wrong certifier returns three times as much.
    """

    def model(points: Tensor) -> Tensor:
        score = 3 * (points.square().sum(dim=1) - 1.5**2)
        return torch.stack([score, -score], dim=1)

    generator = torch.Generator().manual_seed(4)
    x = 0.2 * torch.randn(12, dimension, generator=generator)
    draws = STD * torch.randn(20_000, dimension, generator=generator)
    inside = (model(x[:, None].add(draws).flatten(0, 1)).argmax(dim=1)).double().unflatten(0, (12, -1))
    radius = STD * torch.special.ndtri((inside.mean(dim=1) - 0.01).clamp(0.5, 0.999))
    assert bool((radius > 0.1).all())
    label = torch.ones(12, dtype=torch.int64)
    assert break_certificates(model, x, label, 0.98 * radius, noise_std=STD).refuted == 0
    assert break_certificates(model, x, label, 3 * radius, noise_std=STD).refuted >= 10


def test_several_classes_and_images() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(16, 40), nn.ReLU(), nn.Linear(40, 5))
        x = torch.rand(10, 1, 4, 4)
    network.train()
    noise = 0.1 * torch.randn(10, 2000, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    votes = network((x[:, None] + noise).flatten(0, 1)).detach().argmax(dim=1).unflatten(0, (10, 2000))
    label = votes.mode(dim=1).values
    result = break_certificates(
        network, x, label, torch.full((10,), 3.0), noise_std=0.1, input_range=(0.0, 1.0)
    )
    assert result.refuted >= 9
    assert bool(((result.points >= 0) & (result.points <= 1)).all())
    assert network.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in network.parameters())


def test_batch_size_and_order_do_not_matter() -> None:
    _, x, label, exact = _half_spaces(2.0)
    x, exact = x.double(), exact.double()
    weight = torch.randn(10, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))

    def curved(points: Tensor) -> Tensor:
        return (points @ weight).sin()

    label = curved(x).argmax(dim=1)
    index = torch.arange(24)
    order = torch.randperm(24, generator=torch.Generator().manual_seed(1))
    whole = attack_smoothed(curved, x, label, noise_std=0.1, radii=exact, index=index)
    part = attack_smoothed(
        curved, x[order], label[order], noise_std=0.1, radii=exact[order], index=index[order], batch_size=70
    )
    torch.testing.assert_close(part.best, whole.best[order], rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(part.gain, whole.gain[order], rtol=1e-7, atol=1e-7)
    judged = judge_smoothed(curved, whole.best, label, noise_std=0.1, samples=300, level=0.01, index=index)
    again = judge_smoothed(
        curved,
        whole.best[order],
        label[order],
        noise_std=0.1,
        samples=300,
        level=0.01,
        index=index[order],
        batch_size=1300,
    )
    assert torch.equal(again, judged[order])
    assert int(judged.sum()) > 0
    other = attack_smoothed(curved, x, label, noise_std=0.1, radii=exact, index=index, seed=1)
    assert not torch.equal(other.last, whole.last)


def test_the_judge_keeps_its_level_where_the_claim_is_barely_true_and_sees_what_is_false() -> None:
    """P(label) = ½ exactly: at most Bin(400, .05) refutations; more than 45 have probability 1e-6."""
    weight = torch.tensor([0.6, 0.8])

    def model(points: Tensor) -> Tensor:
        score = points @ weight
        return torch.stack([-score, score], dim=1)

    plane = torch.randn(400, generator=torch.Generator().manual_seed(0))[:, None] * torch.tensor([-0.8, 0.6])
    label = torch.ones(400, dtype=torch.int64)
    common: dict[str, Any] = {"noise_std": STD, "samples": 1000, "level": 0.05, "index": torch.arange(400)}
    false_alarms = int(judge_smoothed(model, plane, label, **common).sum())
    assert false_alarms <= 45
    beyond = plane - 0.2 * weight  # P(label) = Φ(−.4) = .345
    assert bool(judge_smoothed(model, beyond, label, **common).all())
    assert not bool(judge_smoothed(model, plane + 0.2 * weight, label, **common).any())


def test_the_judge_needs_no_gradients_and_counts_exactly_the_samples_asked_for() -> None:
    seen = 0

    def hard(points: Tensor) -> Tensor:
        nonlocal seen
        seen += len(points)
        assert not torch.is_grad_enabled()
        return nn.functional.one_hot((points[:, 0] > 0).long(), 2).float()

    points = torch.tensor([[9.0], [-9.0], [9.0]])
    label = torch.tensor([1, 1, 0])
    verdict = judge_smoothed(hard, points, label, noise_std=1.0, samples=700)
    assert seen == 3 * 700
    assert verdict.tolist() == [False, True, True]
    few = judge_smoothed(hard, points, label, noise_std=1.0, samples=19)
    assert few.tolist() == [False, False, False]  # (1e-6)^(1/19) = .483 < ½: too few votes to be sure
    assert judge_smoothed(hard, points, label, noise_std=1.0, samples=20).tolist() == [False, True, True]


def test_search_and_judgement_use_different_noise() -> None:
    """The best of the search's own values is biased upwards; the judge's share at the same points is not."""
    seen: list[Tensor] = []

    def model(points: Tensor) -> Tensor:
        seen.append(points.detach().clone())
        return torch.stack([points[:, 0], -points[:, 0]], dim=1)

    x = torch.zeros(1, 1)
    label = torch.zeros(1, dtype=torch.int64)
    index = torch.zeros(1, dtype=torch.int64)
    attack_smoothed(model, x, label, noise_std=1.0, radii=0.0, steps=2, samples=100, index=index)
    first, second, third = seen
    seen.clear()
    judge_smoothed(model, x, label, noise_std=1.0, samples=100, index=index)
    draws = torch.cat([first, second, third, seen[0]])
    assert len(torch.unique(draws)) == 400


def test_abstentions_are_left_out() -> None:
    model, x, label, exact = _half_spaces(20.0)
    radius = 1.2 * exact
    radius[:20] = 0.0
    label[:20] = -1
    seen: list[tuple[int, int]] = []

    def tell(done: int, total: int, note: str = "") -> None:
        assert note
        seen.append((done, total))

    result = break_certificates(model, x, label, radius, noise_std=STD, progress=tell)
    assert (result.attacked, result.refuted) == (4, 4)
    assert torch.equal(result.certified, torch.arange(24) >= 20)
    assert torch.equal(result.broken, result.certified)
    assert torch.equal(result.points[:20], x[:20])
    assert float(result.distance[:20].max()) == 0.0
    assert seen[-1] == (12, 12)
    assert seen == sorted(seen)
    none = break_certificates(model, x, label, torch.zeros(24), noise_std=STD)
    assert (none.attacked, none.refuted) == (0, 0)


BAD: list[tuple[dict[str, Any], type[InputError], str]] = [
    ({"noise_std": 0.0}, InputError, r"noise_std: got 0\.0; allowed: a finite number > 0"),
    ({"noise_std": math.nan}, InputError, "noise_std: got nan"),
    ({"level": 1.0}, InputError, r"level: got 1\.0; allowed: a finite number > 0 and < 1"),
    ({"judgement_samples": 0}, InputError, "samples: got 0"),
    ({"samples": 0}, InputError, "samples: got 0"),
    ({"steps": 0}, InputError, "steps: got 0"),
    ({"batch_size": 0}, InputError, "batch_size: got 0"),
    (
        {"radius": torch.full((24,), -1.0)},
        InputError,
        "radius: .*with values outside; allowed: one number ≥ 0",
    ),
    ({"radius": torch.full((24,), math.inf)}, InputError, "radius: .*with values outside"),
    ({"radius": torch.ones(3)}, InputError, r"radius: got torch.float32 of shape \(3,\)"),
    ({"label": torch.full((24,), -1)}, DataError, "label: got 24 labels outside"),
    ({"label": torch.zeros(3, dtype=torch.int64)}, DataError, "label: got"),
    ({"label": torch.full((24,), 2)}, ModelError, "labels go up to 2"),
    ({"x": torch.full((24, 10), math.nan)}, DataError, "x: got 24 of 24 rows"),
    ({"index": torch.arange(3)}, DataError, "index: got"),
    ({"input_range": (0.0, 0.1)}, DataError, "inside input_range"),
]


@pytest.mark.parametrize(("change", "kind", "words"), BAD)
def test_bad_input_is_refused_in_words(change: dict[str, Any], kind: type[InputError], words: str) -> None:
    model, x, label, exact = _half_spaces(1.0)
    request: dict[str, Any] = {"x": x, "label": label, "radius": exact, "noise_std": STD} | change
    with pytest.raises(kind, match=words):
        break_certificates(model, **request)


def test_a_model_without_gradients_is_refused_and_one_with_none_but_zeros_is_called_masked() -> None:
    model, x, label, exact = _half_spaces(1.0)
    with pytest.raises(ModelError, match="logits without gradient"):
        attack_smoothed(lambda points: model(points).detach(), x, label, noise_std=STD, radii=exact)
    with pytest.warns(GradientMaskingWarning, match="exactly 0 at 24 of 24"):
        attack_smoothed(
            lambda points: model(points).sign() + 0 * points[:, :1], x, label, noise_std=STD, radii=exact
        )


def test_it_works_in_inference_mode() -> None:
    model, x, label, exact = _half_spaces(1.0)
    wanted = break_certificates(model, x, label, 1.2 * exact, noise_std=STD)
    with torch.inference_mode():
        found = break_certificates(model, x.clone(), label.clone(), 1.2 * exact, noise_std=STD)
    assert torch.equal(found.points, wanted.points)


def test_the_judge_votes_with_the_certified_classifier() -> None:
    """A model that tells lattice points from others: plain float noise would judge another classifier."""
    lattice = Lattice.for_noise(Gaussian(noise_std=STD), 1 / 255)
    points = torch.randint(0, 256, (5, 4), generator=torch.Generator().manual_seed(1)) / 255

    def on_the_lattice(x: Tensor) -> Tensor:
        off = (x.double() / lattice.unit - torch.round(x.double() / lattice.unit)).abs().amax(dim=1)
        inside = torch.lt(off, 1e-2).float()
        return torch.stack([inside, 1 - inside], dim=1)

    label = torch.zeros(5, dtype=torch.int64)
    common: dict[str, Any] = {"noise_std": STD, "samples": 400, "level": 1e-6}
    assert not judge_smoothed(on_the_lattice, points, label, grid_step=1 / 255, **common).any()
    assert judge_smoothed(on_the_lattice, points, 1 - label, grid_step=1 / 255, **common).all()
