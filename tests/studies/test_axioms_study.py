"""The parts of the study `axioms`: claims come out as theory says, and a planted fault is found out."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from heatproof._types import no_progress
from heatproof.networks import ResidualMLP
from heatproof.networks.residual_mlp import ResidualMLPBackbone
from heatproof.networks.time import TimeConditioned
from heatproof.studies import Axioms, Results, Verdict
from heatproof.studies.axioms import catalogue, controls, recovered, solved, trained, values
from heatproof.studies.axioms.judging import all_hold, excess
from heatproof.studies.axioms.networks import KINDS, Trained
from heatproof.theory.axioms import LinearEvolution

STUDY = Axioms.quick().model_copy(
    update={"points": 3, "ascents": 6, "starts": 2, "functions": 3, "paths": 32, "recipes": ("toy",)}
)


@pytest.fixture(scope="module")
def network() -> Trained:
    """Return a network that was not trained, on points in the plane."""
    torch.manual_seed(0)
    model = ResidualMLP(width=8, depth=3, time_conditioned=True).build((2,), 2).double()
    assert isinstance(model, TimeConditioned)
    assert isinstance(model.backbone, ResidualMLPBackbone)
    x = torch.randn(3, 2, dtype=torch.float64)
    return Trained(model.requires_grad_(requires_grad=False), model.backbone, x, 0.5, 0.25)


def _results(part: Any) -> dict[str, Any]:
    return {cell.key: cell.run(no_progress) for cell in part.cells(STUDY)}


def _verdicts(part: Any, results: Results) -> dict[str, Verdict]:
    return {verdict.claim: verdict for verdict in part.summarise(STUDY, results).verdicts}


@pytest.fixture(scope="module")
def true_operators() -> Results:
    """Return what is found of the true operators."""
    return _results(solved)


@pytest.mark.parametrize("part", [solved, controls, catalogue])
def test_every_claim_comes_out_as_theory_says(part: Any, true_operators: Results) -> None:
    verdicts = _verdicts(part, true_operators if part is solved else _results(part))
    assert len(verdicts) >= 3
    for verdict in verdicts.values():
        assert verdict.as_expected, verdict


def test_a_fault_planted_in_a_true_operator_is_found_out(
    true_operators: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An evolution that leaks 10⁻⁹ of everything: constants and, through them, the claim."""
    honest = LinearEvolution.__call__

    def leaking(self: Any, f: Any, x: Any, t: float, r: float | None = None) -> Any:
        return (1 - 1e-9) * honest(self, f, x, t, r)

    results = dict(true_operators)
    monkeypatch.setattr(LinearEvolution, "__call__", leaking)
    key = "operator.ornstein-uhlenbeck"
    results[key] = next(cell.run(no_progress) for cell in solved.cells(STUDY) if cell.key == key)
    found = _verdicts(solved, results)
    wrong = [verdict for verdict in found.values() if verdict.outcome == "refuted"]
    assert [verdict.claim for verdict in wrong] == [
        "All axioms hold for the exact Ornstein–Uhlenbeck evolution"
    ]


def test_wrong_coefficients_are_found_out() -> None:
    results = _results(catalogue)
    results["recovery.catalogue"]["problems"][0]["matrix_error"] = 1e-3
    found = _verdicts(catalogue, results)
    assert found["v and A are recovered from the evolution alone, on the catalogue"].outcome == "refuted"


def test_the_evolution_of_a_network_is_the_network(network: Trained) -> None:
    assert trained._difference(network, STUDY) < 1e-12
    moved = Trained(network.model, network.backbone, network.x + 0.1, 0.5, 0.25)
    assert trained._difference(moved, STUDY) < 1e-12
    with torch.no_grad():
        changed = (moved.probabilities(moved.x, 1.0) - network.probabilities(network.x, 1.0)).abs().max()
    assert float(changed) > 1e-4


def test_recovered_diffusion_covers_the_formula_and_no_other(network: Trained) -> None:
    one = {"recovered": recovered.measured(STUDY, network)}
    assert {row["kind"] for row in one["recovered"]["rows"]} == set(KINDS[1:])
    assert one["recovered"]["silent"] < 1e-12
    summary = recovered.summarise({"toy": one})
    assert [verdict.outcome for verdict in summary.verdicts][1] == "refuted"
    assert all(row["low"] <= row["stated"] <= row["high"] for row in one["recovered"]["rows"])
    for row in one["recovered"]["rows"]:
        row["stated"] *= 3
    assert recovered.summarise({"toy": one}).verdicts[0].outcome == "refuted"


def test_untrained_networks_are_no_heat_flow(network: Trained) -> None:
    found = {"toy": {"values": values.measured(STUDY, network)}}
    verdicts = values.summarise(found).verdicts
    outcomes = {verdict.claim.removeprefix("toy: "): verdict.outcome for verdict in verdicts}
    assert outcomes == {
        "class probabilities of g(x, t) stay in [0, 1]": "holds",
        "logits of g(x, t) stay in [0, 1]": "refuted",
        "g(·, t) is the heat flow of g(·, 0)": "refuted",
        "g is an operator on functions: linear, constants stay": "refuted",
        "Exact heat flow on the inputs of toy: range, consistency and equation hold": "holds",
    }


def _finding(**given: Any) -> dict[str, Any]:
    plain = {
        "axiom": "comparison",
        "verdict": "holds (measured)",
        "size": 1e-13,
        "threshold": 1e-12,
        "low": -9e-13,
        "high": 1.1e-12,
        "evaluations": 7,
        "numbers": {},
    }
    return {**plain, **given}


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        ({}, "holds"),
        ({"size": 3e-12, "verdict": "violated"}, "refuted"),
        ({"size": 0.05, "low": 0.0, "high": 0.1}, "holds"),
        ({"size": 0.05, "low": 0.01, "high": 0.09, "verdict": "violated"}, "refuted"),
        ({"size": None, "verdict": "undecided"}, "undecided"),
        ({"axiom": "locality", "numbers": {}}, "holds"),
        ({"axiom": "locality", "numbers": {"rate": 3.0, "rate_high": None}}, "holds"),
        ({"axiom": "locality", "numbers": {"rate": 1.0, "rate_high": 1.0}, "verdict": "violated"}, "refuted"),
        ({"size": 2.0, "threshold": None, "numbers": {"growth": 0.01}}, "holds"),
        ({"size": 2.0, "threshold": None, "numbers": {"growth": 0.5}, "verdict": "violated"}, "refuted"),
    ],
)
def test_findings_become_outcomes(given: dict[str, Any], outcome: str) -> None:
    found = _finding(**given)
    low, high = excess(found)
    assert low <= high
    assert all_hold("claim", [_finding(), found]).outcome == outcome
