"""The parts of the study: their claims hold or fall as they should, and a planted fault is found out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import ndtr

from heatproof._intervals import lower_bounds
from heatproof._types import no_progress
from heatproof.studies import Radius, Results, Verdict
from heatproof.studies.radius import controls, drift, half_spaces, regions
from heatproof.studies.radius.attacked import Attack, Certified
from heatproof.studies.radius.wrong_forms import WRONG_FORMS, WrongForm, refute

STUDY = Radius.quick().model_copy(update={"dimensions": (1, 64), "sigmas": (0.25,), "rates": (-1.0, 1.0)})


def _results(part: Any) -> dict[str, Any]:
    return {cell.key: cell.run(no_progress) for cell in part.cells(STUDY)}


def _verdicts(part: Any, results: Results) -> dict[str, Verdict]:
    return {verdict.claim: verdict for verdict in part.summarise(STUDY, results).verdicts}


@pytest.mark.parametrize("part", [half_spaces, regions, drift, controls])
def test_every_claim_comes_out_as_theory_says(part: Any) -> None:
    for verdict in _verdicts(part, _results(part)).values():
        assert verdict.as_expected or (part is half_spaces and verdict.outcome == "undecided"), verdict


def test_certified_radii_of_half_spaces_that_are_too_large_are_found_out() -> None:
    results = _results(half_spaces)
    for key, rows in results.items():
        if key != "half-space.exact":
            for row in rows:
                row["radius"] = 1.2 * row["distance"]
    found = _verdicts(half_spaces, results)
    sampled = next(verdict for claim, verdict in found.items() if "Sampled certificates" in claim)
    assert sampled.outcome == "refuted"


@pytest.mark.parametrize(("part", "name"), [(regions, "heat"), (drift, "claimed")])
def test_formulas_that_are_too_large_by_a_fifth_are_found_out(part: Any, name: str) -> None:
    results = _results(part)
    for rows in results.values():
        for row in rows["rows"] if isinstance(rows, dict) and "rows" in rows else rows:
            if isinstance(row, dict) and name in row:
                row[name] *= 1.2
    assert any(verdict.outcome == "refuted" for verdict in _verdicts(part, results).values())


def test_the_probability_of_a_false_certificate_is_that_of_drawing() -> None:
    """The exact sum against 200,000 draws of the counts, within 5.5 standard errors, at α = 0.2."""
    study = STUDY.model_copy(update={"alpha": 0.2, "estimation_samples": 50, "selection_samples": 11})
    share, draws = 0.3, 200_000
    p_a = float(ndtr(share))
    generator = np.random.default_rng(0)
    right = generator.binomial(11, p_a, draws) > 5
    bounds = lower_bounds(np.arange(51), 50, 0.2)
    of_a = bounds[generator.binomial(50, p_a, draws)] > p_a
    of_b = bounds[generator.binomial(50, 1 - p_a, draws)] > 0.5
    false = np.where(right, of_a, of_b).mean()
    exact = half_spaces._false_probability(study, share)
    assert abs(false - exact) <= 5.5 * math.sqrt(exact * (1 - exact) / draws)


@pytest.mark.parametrize("form", WRONG_FORMS, ids=lambda form: form.key)
def test_every_wrong_form_falls_by_a_point_that_anybody_can_check(form: WrongForm) -> None:
    rows = refute(form, 0, no_progress)
    refuted = [row for row in rows if row["refuted"]]
    assert refuted
    for row in refuted:
        assert row["x"] - row["distance"] == pytest.approx(row["point"])
        assert row["distance"] < row["claimed"]
        assert row["p_there"] < 0.5 < row["p_here"]
    shown = [row for row in refuted if "simulated_there" in row]
    assert len(shown) >= len(form.flows)
    for row in shown:
        assert row["simulated_there"][0] <= row["p_there"] <= row["simulated_there"][1] < 0.5
        assert row["simulated_here"][0] <= row["p_here"] <= row["simulated_here"][1]


def test_the_published_counter_examples() -> None:
    """Digest form at d = 1, σ = .5, a = .05: 12.5. With drift v = 10x, σ = 1, x = .3: .465 against .300."""
    by_key = {form.key: refute(form, 0, no_progress) for form in WRONG_FORMS}
    first = by_key["inverted-margin"][0]
    assert (first["dimension"], first["sigma"], first["x"]) == (1, 0.5, 0.05)
    assert first["claimed"] == pytest.approx(12.5, abs=0.05)
    second = by_key["margin-with-drift"][0]
    assert (second["rate"], second["x"]) == (10.0, 0.3)
    assert second["claimed"] == pytest.approx(0.465, abs=0.001)


def _certified(scale: float) -> Certified:
    """Return a half-space in the plane with its exact radii, times `scale`."""
    distance = torch.tensor([0.1, 0.2, 0.3])
    x = torch.stack([distance, torch.tensor([0.4, 0.5, 0.6])], dim=1)
    return Certified(
        model=lambda points: torch.stack([20 * points[:, 0], -20 * points[:, 0]], dim=1),
        noise_std=0.25,
        grid_step=None,
        x=x,
        label=torch.zeros(3, dtype=torch.int64),
        radius=scale * distance.double(),
        index=torch.arange(3),
    )


def test_the_attack_stays_outside_true_radii_and_comes_close() -> None:
    rows = Attack(STUDY, _certified(0.999)).rows(no_progress, no_progress)
    for row in rows:
        assert not row["violated"]
        assert row["attacked"] is not None
        assert 1.0 <= row["attacked"] / row["radius"] < 2.0


def test_the_attack_finds_out_radii_that_are_too_large() -> None:
    """The negative control: 1.7 times the truth, where a vote of 1,000 is clear."""
    rows = Attack(STUDY, _certified(1.7)).rows(no_progress, no_progress)
    assert all(row["violated"] for row in rows[1:])


def test_nothing_certified_is_undecided() -> None:
    empty = _certified(1.0)
    none = Certified(empty.model, 0.25, None, empty.x[:0], empty.label[:0], empty.radius[:0], empty.index[:0])
    assert Attack(STUDY, none).rows(no_progress, no_progress) == []
