"""What may be combined, and every mixture that may not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from heatproof.certification import (
    ABSTAIN,
    Certificate,
    Certificates,
    best_of,
    certify,
    certify_margin,
    certify_splitting,
    strongest,
)
from heatproof.errors import InputError
from heatproof.noise import Gaussian, Laplace, Uniform

X = torch.tensor([[0.4, 0.1, 0.0], [-0.3, 0.2, 0.1], [0.02, 0.0, 0.0]])


def _net(weight: float = 1.0) -> nn.Module:
    net = nn.Linear(3, 2)
    net.weight.data.copy_(torch.tensor([[-weight, 0.0, 0.0], [weight, 0.0, 0.0]]))
    net.bias.data.zero_()
    return net


NET = _net()


def _run(model: Any = NET, **options: Any) -> Certificates:
    values: dict[str, Any] = {"pilot": False, "estimation_samples": 200, "selection_samples": 16}
    if "noise" not in options:
        values["noise_std"] = 0.5
    return certify(model, X, **{**values, **options})


FIRST = _run()


def test_the_better_radius_at_the_sum_of_the_levels() -> None:
    second = _run(seed=1, alpha=0.01)
    for one, two, both in zip(FIRST, second, best_of(FIRST, second), strict=True):
        assert both.alpha == 0.001 + 0.01
        assert both.parts == (one, two)
        assert (both.index, both.norm) == (one.index, "l2")
        labels = {each.label for each in (one, two)} - {ABSTAIN}
        if len(labels) == 1:
            assert both.label in labels
            assert both.radius == max(one.radius, two.radius)


def test_other_procedures_and_levels_of_the_same_classifier_may_be_combined() -> None:
    for options in (
        {"method": "radius", "estimation_samples": 500},
        {"radii": [0.1, 0.2], "estimation_samples": 500},
        {"runner_up": "simultaneous"},
        {"alpha_scope": "table"},
        {"batch_size": 7},
    ):
        assert len(best_of(FIRST, _run(seed=1, **options))) == len(X)


def test_where_they_answer_differently_it_abstains() -> None:
    second = [
        dataclasses.replace(one, candidate=1 - one.candidate, settings=_run(seed=1).settings) for one in FIRST
    ]
    for one, both in zip(FIRST, best_of(FIRST, second), strict=True):
        if not one.abstained:
            assert (both.label, both.radius) == (ABSTAIN, 0.0)


def test_where_one_abstains_the_other_counts() -> None:
    settings = _run(seed=1).settings
    radii = dict.fromkeys(FIRST[0].radii, 0.0)
    second = [dataclasses.replace(one, abstained=True, radii=radii, settings=settings) for one in FIRST]
    assert [both.radius for both in best_of(FIRST, second)] == [one.radius for one in FIRST]
    both = best_of(second, [dataclasses.replace(one, settings=FIRST.settings) for one in second])
    assert {one.label for one in both} == {ABSTAIN}


OTHER_CLASSIFIERS: dict[str, Callable[[], Certificates]] = {
    "noise_std": lambda: _run(seed=1, noise_std=0.25),
    "noise": lambda: _run(seed=1, noise=Uniform(half_width=0.5), norm="l2"),
    "network": lambda: _run(_net(1.001), seed=1),
    "vote": lambda: _run(seed=1, vote="soft"),
    "precision": lambda: _run(seed=1, precision="bfloat16"),
    "lattice": lambda: _run(seed=1, grid_step=1 / 255),
    "function": lambda: _run(NET.forward, seed=1),
}


@pytest.mark.parametrize("name", OTHER_CLASSIFIERS)
def test_certificates_of_another_classifier_are_refused(name: str) -> None:
    with pytest.raises(
        InputError, match=r"^certificates: got certificates of two classifiers.*never the max"
    ):
        best_of(FIRST, OTHER_CLASSIFIERS[name]())


def test_two_functions_are_not_known_to_be_one() -> None:
    def model(z: torch.Tensor) -> torch.Tensor:
        return torch.cat([-z[:, :1], z[:, :1]], dim=1)

    with pytest.raises(InputError, match="or of functions"):
        best_of(_run(model), _run(model, seed=1))


def test_one_noise_written_twice_is_one_noise() -> None:
    assert best_of(FIRST, _run(seed=1, noise=Gaussian(noise_std=0.5)))
    assert best_of(
        _run(noise=Laplace(noise_scale=0.3)), _run(seed=1, noise=Laplace(noise_scale=0.3), alpha=0.1)
    )


def test_the_same_seed_twice_is_refused() -> None:
    with pytest.raises(InputError, match=r"^seed: got 0 twice; allowed: two different seeds"):
        best_of(FIRST, _run(estimation_samples=400))


def test_other_inputs_norms_and_numbers_are_refused() -> None:
    second = _run(seed=1)
    with pytest.raises(InputError, match=r"allowed: the same input and norm"):
        best_of(FIRST, second[::-1])
    with pytest.raises(InputError, match=r"in l2 and input .* in linf; allowed: the same input and norm"):
        best_of(FIRST, _run(seed=1, norm="linf"))
    with pytest.raises(InputError, match=r"^second: got 2 certificates; allowed: 3"):
        best_of(FIRST, second[:2])


def _split() -> list[Any]:
    images = torch.tensor([[[[0.0, 1.0]]], [[[1.0, 1.0]]], [[[0.2, 0.4]]]])

    def model(z: torch.Tensor) -> torch.Tensor:
        score = z.flatten(1)[:, :1]
        return torch.cat([-score, score], dim=1)

    return list(certify_splitting(model, images, half_width=0.4, grid_step=1 / 5))


def test_margins_and_splitting_are_never_mixed_with_samples() -> None:
    margins = certify_margin(NET, X)
    for mixed in ((FIRST, margins), (margins, FIRST), (margins, margins)):
        with pytest.raises(InputError, match=r"^certificates: got a MarginCertificate; .*another classifier"):
            best_of(*mixed)
    with pytest.raises(InputError, match=r"^certificates: got a SplittingCertificate"):
        best_of(FIRST, _split())


def test_the_strongest_is_of_one_network_without_noise() -> None:
    margins = certify_margin(NET, X)
    assert strongest(margins[0], dataclasses.replace(margins[0], radius=9.0)).radius == 9.0
    other = certify_margin(_net(2.0), X)
    for mixed in (
        (margins[0], FIRST[0]),
        (FIRST[0], FIRST[0]),
        (margins[0], other[0]),
        (margins[0], margins[1]),
        (margins[0], _split()[0]),
        (),
    ):
        with pytest.raises(InputError, match=r"^certificates: got certificates of: .*never their maximum"):
            strongest(*mixed)


def test_a_list_of_certificates_will_do() -> None:
    one: list[Certificate] = list(FIRST)
    assert best_of(one, tuple(_run(seed=1))) == best_of(FIRST, _run(seed=1))
