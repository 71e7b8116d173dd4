"""Attacks at several radii."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from heatproof.attacks import attack, attack_radii
from heatproof.errors import InputError


def _case() -> tuple[nn.Module, Tensor, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        first = nn.Linear(4, 20)
        nn.init.normal_(first.weight, std=1.0)
        network = nn.Sequential(first, nn.Tanh(), nn.Linear(20, 3))
        x = torch.rand(50, 4)
    y = network(x).detach().argmax(dim=1)
    y[:3] = (y[:3] + 1) % 3
    return network, x, y


RADII = (0.4, 0.05, 0.1, 0.2)


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("input_range", [None, (0.0, 1.0)])
def test_results_ascend_and_a_broken_input_stays_broken(
    norm: str, input_range: tuple[float, float] | None
) -> None:
    network, x, y = _case()
    results = attack_radii(network, x, y, norm=norm, radii=RADII, steps=10, input_range=input_range)
    assert [result.radius for result in results] == sorted(RADII)
    for smaller, larger in itertools.pairwise(results):
        assert not bool((smaller.success & ~larger.success).any())
        assert torch.equal(smaller.natural_correct, larger.natural_correct)
        kept = smaller.success
        assert torch.equal(smaller.adversarial[kept], larger.adversarial[kept])
    for result in results:
        assert bool((result.distance <= result.radius).all())
        assert torch.equal(result.label, network(result.adversarial).argmax(dim=1))
        assert torch.equal(result.success, result.label != y)
    assert results[0].robust_accuracy.value > results[-1].robust_accuracy.value


def test_the_sweep_is_about_as_strong_as_an_attack_at_each_radius() -> None:
    network, x, y = _case()
    for result in attack_radii(network, x, y, radii=RADII):
        alone = attack(network, x, y, radius=result.radius)
        assert result.robust_accuracy.value <= alone.robust_accuracy.value + 0.04


def test_batch_size_and_identities_pass_through() -> None:
    network, x, y = _case()
    network, x = network.double(), x.double()
    index = torch.arange(50) + 7
    whole = attack_radii(network, x, y, radii=RADII, steps=5, restarts=2, index=index)
    split = attack_radii(network, x, y, radii=RADII, steps=5, restarts=2, index=index, batch_size=9)
    for one, other in zip(whole, split, strict=True):
        torch.testing.assert_close(one.adversarial, other.adversarial, rtol=1e-6, atol=1e-6)


def test_when_all_is_broken_the_larger_radii_cost_nothing() -> None:
    network, x, y = _case()
    calls = 0

    def counted(points: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        logits: Tensor = network(points)
        return logits

    first, second = attack_radii(counted, x, y, radii=[50.0, 100.0])
    assert bool(first.success.all())
    spent, calls = calls, 0
    attack_radii(counted, x, y, radii=[50.0])
    assert spent == calls
    assert second.radius == 100.0
    assert torch.equal(first.adversarial, second.adversarial)


def test_progress_rises_to_the_total() -> None:
    network, x, y = _case()
    seen: list[int] = []

    def tell(done: int, total: int, note: str = "") -> None:
        assert total == 100
        assert "radius" in note
        seen.append(done)

    attack_radii(network, x, y, radii=[0.05, 0.1], steps=2, batch_size=20, progress=tell)
    assert seen == sorted(seen)
    assert seen[-1] == 100


@pytest.mark.parametrize(
    ("radii", "words"),
    [
        ([], "radii: got .*non-empty"),
        ([0.1, 0.0], r"radii\[1\]: got 0\.0"),
        ([math.nan], r"radii\[0\]: got nan"),
    ],
)
def test_bad_radii_are_refused(radii: Any, words: str) -> None:
    network, x, y = _case()
    with pytest.raises(InputError, match=words):
        attack_radii(network, x, y, radii=radii)


def test_it_works_in_inference_mode() -> None:
    network, x, y = _case()
    wanted = attack_radii(network, x, y, radii=RADII, steps=5)
    with torch.inference_mode():
        found = attack_radii(network, x.clone(), y.clone(), radii=RADII, steps=5)
    for one, other in zip(wanted, found, strict=True):
        assert torch.equal(one.adversarial, other.adversarial)
