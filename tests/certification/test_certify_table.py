"""What is said of a whole table: Holm's procedure, means, and the lines that a notebook shows."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import binom, binomtest, norm
from torch import Tensor

from heatproof._intervals import proportion
from heatproof.certification import (
    Certificate,
    Certificates,
    CertificationSettings,
    certify,
    make_certificate,
)
from heatproof.certification._bounds import threshold as needed
from heatproof.errors import InputError
from heatproof.noise import Laplace

FALSE_ALARM = 1e-6
Model = Callable[[Tensor], Tensor]
MakeSettings = Callable[..., CertificationSettings]

VOTES = (100, 99, 97, 95, 93, 90, 80, 60, 40)
RADIUS = 0.5
EDGE = float(norm.cdf(1.0))  # with noise_std 0.5; the lattice adds 10⁻⁴ to it


def _table(settings: CertificationSettings, votes: tuple[int, ...] = VOTES) -> Certificates:
    """Return certificates with these votes of 100 for class 0; the targets are 0, and 1 every third time."""
    return Certificates(
        make_certificate(
            settings,
            index=number,
            selection_counts=np.array([10, 0, 0]),
            estimation_counts=np.array([own, 100 - own, 0]),
            rounding=settings.unit,
            target=int(number % 3 == 2),
        )
        for number, own in enumerate(votes)
    )


def _by_hand(votes: tuple[int, ...], edge: float, alpha: float) -> list[bool]:
    """Return Holm's decisions, from p-values of the binomial test."""
    values = [binomtest(own, 100, edge, alternative="greater").pvalue for own in votes]
    certified = [False] * len(votes)
    for done, place in enumerate(sorted(range(len(votes)), key=lambda one: values[one])):
        if values[place] > alpha / (len(votes) - done):
            break
        certified[place] = True
    return certified


@pytest.mark.parametrize("alpha", [0.001, 0.01, 0.05, 0.3])
def test_holm_by_hand(make_settings: MakeSettings, alpha: float) -> None:
    table = _table(make_settings(alpha=alpha))
    found = table.holm(RADIUS)
    edge = needed(table.settings, RADIUS)
    assert EDGE < edge < EDGE + 1e-3
    by_hand = _by_hand(VOTES, edge, alpha)
    assert found.certified.tolist() == by_hand
    assert (found.radius, found.norm, found.alpha) == (RADIUS, "l2", alpha)
    right = [held and number % 3 != 2 for number, held in enumerate(by_hand)]
    assert found.fraction == proportion(sum(by_hand), 9)
    assert found.accuracy == proportion(sum(right), 9)
    assert 0 < sum(by_hand) < 9


def test_holm_certifies_what_the_union_bound_does_and_more(make_settings: MakeSettings) -> None:
    more = 0
    for alpha in (0.001, 0.01, 0.05, 0.2):
        for radius in (0.0, 0.2, 0.4, 0.6):
            holm = _table(make_settings(alpha=alpha)).holm(radius).certified
            union = make_settings(alpha=alpha, alpha_scope="table", inputs=len(VOTES))
            kept = [not one.abstained and one.radius >= radius for one in _table(union)]
            each = [not one.abstained and one.radius >= radius for one in _table(make_settings(alpha=alpha))]
            assert not (np.asarray(kept) & ~holm).any()
            assert not (holm & ~np.asarray(each)).any()  # never more than with alpha for each
            more += int(holm.sum()) - sum(kept)
    assert more > 0


def test_holm_pays_for_rounding_and_norm(make_settings: MakeSettings) -> None:
    """A threshold without the rounding would certify more at the edge."""
    coarse = make_settings(noise_std=0.5, dimension=10_000_000, unit=0.5 / 2**14)
    fine = make_settings()
    assert needed(coarse, RADIUS) > needed(fine, RADIUS) + 0.01
    votes = (95, 95, 95)
    assert _table(fine, votes).holm(0.5).certified.all()
    assert not _table(coarse, votes).holm(0.5).certified.any()
    linf = make_settings(norm="linf")  # of dimension 4: half the radius
    assert _table(linf, votes).holm(0.25).certified.all()
    assert not _table(linf, votes).holm(0.5).certified.any()


def test_holm_without_labels_and_beyond_reach(make_settings: MakeSettings) -> None:
    table = Certificates(dataclasses.replace(one, target=None) for one in _table(make_settings()))
    assert table.holm(RADIUS).accuracy is None
    beyond = table.holm(100.0)
    assert not beyond.certified.any()
    assert beyond.fraction.successes == 0


def test_holm_is_frozen(make_settings: MakeSettings) -> None:
    found = _table(make_settings()).holm(RADIUS)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.radius = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"radii": [0.1]}, "holm with method: got 'decision'; allowed: 'fixed'"),
        ({"method": "radius"}, "holm with method: got 'radius'; allowed: 'fixed'"),
        ({"vote": "soft"}, "holm with vote: got 'soft'; allowed: 'hard'"),
        ({"runner_up": "simultaneous"}, "holm with runner_up: got 'simultaneous'; allowed: 'complement'"),
        ({"alpha_scope": "table"}, "holm with alpha_scope: got 'table'; allowed: 'per input'"),
    ],
)
def test_holm_is_for_fixed_n(threshold: Model, options: dict[str, Any], words: str) -> None:
    found = certify(
        threshold,
        torch.tensor([[0.5]]),
        noise_std=0.5,
        pilot=False,
        selection_samples=8,
        estimation_samples=100,
        **options,
    )
    with pytest.raises(InputError, match=rf"^{words}"):
        found.holm(0.1)


def test_holm_of_what_is_none_or_no_radius(make_settings: MakeSettings) -> None:
    with pytest.raises(InputError, match=r"^certificates: got none"):
        Certificates().holm(0.1)
    for radius in (-0.1, float("nan"), float("inf")):
        with pytest.raises(InputError, match=r"^radius: got"):
            _table(make_settings()).holm(radius)


def test_all_of_a_table_by_holm_are_right_together_and_alpha_for_each_is_not_enough(threshold: Model) -> None:
    """Tables of 8 inputs with p just below the threshold: P(any certified) ≤ α, through the engine."""
    tables, inputs, alpha = 60, 8, 0.2
    allowed = int(binom.isf(FALSE_ALARM, tables, alpha))
    x = torch.full((inputs, 1), 0.4)
    false = each = 0
    for seed in range(tables):
        found = certify(
            threshold,
            x,
            noise_std=0.5,
            alpha=alpha,
            seed=seed,
            pilot=False,
            selection_samples=16,
            estimation_samples=128,
            index=torch.arange(inputs),
        )
        false += bool(found.holm(0.4001).certified.any())
        each += any(one.radius > 0.4001 for one in found)
    assert false <= allowed
    assert each > allowed


# Means, norms, and what is shown


def _shown(found: Certificates) -> tuple[str, list[tuple[str, str]], str]:
    """Return headline, rows and note of the HTML, which are those of the text."""
    root = ET.fromstring(f"<div>{found._repr_html_()}</div>")
    rows = [("".join(line[0].itertext()), "".join(line[1].itertext())) for line in root.iter("tr")]
    (caption,), (note,) = root.iter("caption"), root.iter("small")
    lines = str(found).splitlines()
    assert lines[0] == caption.text
    assert lines[-1] == note.text == found.guarantee
    assert [line.split("  ")[1].strip() for line in lines[1:-1]] == [what for what, _ in rows]
    return str(caption.text), rows, str(note.text)


def _run(model: Model, **options: Any) -> Certificates:
    x = torch.tensor([[0.9, 0.0], [0.4, 0.0], [0.02, 0.0], [-0.7, 0.0]])
    values: dict[str, Any] = {"alpha": 0.01, "estimation_samples": 500, "selection_samples": 16}
    if "noise" not in options:
        values["noise_std"] = 0.5
    return certify(
        model, x, torch.tensor([1, 1, 1, 1]), pilot=False, index=torch.arange(4), **{**values, **options}
    )


def test_what_is_shown_of_decisions(threshold: Model) -> None:
    found = _run(threshold, radii=[0.0, 0.25, 0.4])
    headline, rows, _ = _shown(found)
    mean = sum(one.samples for one in found) / 4
    assert found.mean_samples == mean
    assert headline == (
        f"4 inputs, decisions, {mean:,.0f} draws an input, alpha 0.01 per input; 95 % intervals over inputs"
    )
    assert [what for what, _ in rows] == [
        "answered right",
        "abstained",
        "answered right, ℓ2 radius ≥ 0.25",
        "answered right, ℓ2 radius ≥ 0.4",
    ]
    assert [value for _, value in rows[2:]] == [str(found.certified_accuracy(r)) for r in (0.25, 0.4)]
    assert found.certified_accuracy(0.3) == found.certified_accuracy(0.4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "radius"}, "full radii, "),
        ({}, "fixed n, 516 draws an input, alpha 0.01 per input;"),
        ({"alpha_scope": "table"}, "fixed n, 516 draws an input, alpha 0.01 for the table;"),
    ],
)
def test_what_is_shown_of_other_methods(threshold: Model, options: dict[str, Any], words: str) -> None:
    headline, rows, _ = _shown(_run(threshold, **options))
    assert words in headline
    assert any(what.startswith("average certified radius, ℓ2") for what, _ in rows)


def test_the_norm_is_that_of_the_settings(threshold: Model) -> None:
    found = _run(threshold, noise=Laplace(noise_scale=0.4))
    assert found.settings.norm == "l1"
    assert (found.radii() == found.radii("l1")).all()
    assert (found.radii() > found.radii("l2")).any()
    assert found.certified_accuracy(0.1) == found.certified_accuracy(0.1, "l1")
    assert found.certified_fraction(0.3) == found.certified_fraction(0.3, "l1")
    assert found.average_certified_radius() == found.average_certified_radius("l1")
    assert found.average_certified_radius() > found.average_certified_radius("l2") > 0
    assert "ℓ1 radius" in str(found)
    assert "ℓ1 radius" in str(found.plot().to_dict())
    assert "ℓ2 radius" in str(found.plot("l2").to_dict())


def test_mean_samples(some_certificates: list[Certificate]) -> None:
    assert Certificates(some_certificates).mean_samples == 110.0
    with pytest.raises(InputError, match="got none"):
        _ = Certificates().mean_samples
