"""The study `complexity`: its claims come out, and planted faults are found out."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import t as student

from heatproof._types import no_progress
from heatproof.objectives import ConvectionDiffusion, GaussianAugmentation, Natural
from heatproof.studies import Complexity, Results, Verdict
from heatproof.studies.complexity import base, counter_example, flows, heads, labels
from heatproof.studies.complexity.charts import count_chart
from heatproof.studies.complexity.inputs import digits, pixels
from heatproof.studies.complexity.linear_flow import LinearFlow
from heatproof.studies.complexity.trainings import TRAININGS, trained
from heatproof.theory.complexity import ComplexityRow, Subject, measured_constants

STUDY = Complexity.quick().model_copy(
    update={
        "counts": (20, 40),
        "sign_draws": 400,
        "path_draws": 16,
        "rates": (-1.0, 2.0),
        "label_counts": (20,),
        "label_draws": 3,
        "budget": 4,
        "width": 8,
        "depth": 1,
    }
)
PARTS = (base, flows, counter_example, heads, labels)


def _results(part: Any) -> dict[str, Any]:
    found: dict[str, Any] = {cell.key: cell.run(no_progress) for cell in part.cells(STUDY)}
    return found


def _verdicts(part: Any, results: Results) -> list[Verdict]:
    return list(part.summarise(STUDY, results).verdicts)


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    """Return the results of all parts as JSON gives them back."""
    found = {key: value for part in PARTS for key, value in _results(part).items()}
    back: dict[str, Any] = json.loads(json.dumps(found, allow_nan=False))
    return back


def _copy(results: dict[str, Any]) -> dict[str, Any]:
    copied: dict[str, Any] = json.loads(json.dumps(results))
    return copied


@pytest.mark.parametrize("part", [base, flows, counter_example, heads])
def test_every_claim_comes_out_as_theory_says(part: Any, results: dict[str, Any]) -> None:
    for verdict in _verdicts(part, results):
        assert verdict.as_expected, verdict
        assert verdict.outcome == verdict.expected


def test_everything_is_in_the_summary(results: dict[str, Any]) -> None:
    summary = STUDY.summarise(results)
    assert len(summary.verdicts) == 8
    assert [section.title for section in summary.sections] == list(
        dict.fromkeys(section.title for section in summary.sections)
    )
    assert sum(len(section.charts) for section in summary.sections) == 3
    for section in summary.sections:
        for chart in section.charts:
            assert json.dumps(chart.spec, allow_nan=False)
    assert summary.answer.endswith("All are as theory says, which is silent on 3 of them.")


@pytest.mark.parametrize(
    ("part", "name", "factor"),
    [(base, "exact", 3.0), (base, "Massart", 0.3), (flows, "Jensen", 0.1), (flows, "covering", 0.05)],
)
def test_planted_faults_are_found_out(part: Any, name: str, factor: float, results: dict[str, Any]) -> None:
    planted = _copy(results)
    for cell in part.cells(STUDY):
        for row in planted[cell.key]:
            if row["name"] == name:
                row.update({end: factor * row[end] for end in ("value", "low", "high")})
    assert any(verdict.outcome == "refuted" for verdict in _verdicts(part, planted))
    assert any("broken" in verdict.evidence for verdict in _verdicts(part, planted))


def test_without_a_velocity_nothing_refutes_the_old_bound(results: dict[str, Any]) -> None:
    """The counter-example's claim falls by what was measured, not by name."""
    planted = _copy(results)
    rows = planted["counter-example"]
    still = next(row for row in rows if row["kind"] == "estimate" and "v = 5x" not in row["subject"]["of"])
    moved = next(row for row in rows if row["kind"] == "estimate" and "v = 5x" in row["subject"]["of"])
    moved.update({end: still[end] for end in ("value", "low", "high")})
    old, _ = _verdicts(counter_example, planted)
    assert old.outcome == "holds"
    assert not old.as_expected


def _labels(results: dict[str, Any], natural: float, others: float, spread: float) -> list[Verdict]:
    planted = _copy(results)
    for number in range(STUDY.label_draws):
        cell = planted[f"labels.n=20.draw={number}"]
        for key in cell:
            cell[key] = others
        cell["natural"] = natural + spread * (number - 1)
    return _verdicts(labels, planted)


@pytest.mark.parametrize(
    ("natural", "others", "spread", "outcome"),
    [(0.9, 0.2, 0.01, "holds"), (0.2, 0.9, 0.01, "refuted"), (0.5, 0.45, 0.4, "undecided")],
)
def test_random_labels_can_come_out_either_way(
    results: dict[str, Any], natural: float, others: float, spread: float, outcome: str
) -> None:
    for verdict in _labels(results, natural, others, spread):
        assert verdict.outcome == outcome
        assert verdict.low <= verdict.value <= verdict.high
        assert verdict.expected is None
        assert verdict.as_expected


def test_lower_limits_of_smoothed_networks_pay_for_the_draws_of_noise(results: dict[str, Any]) -> None:
    """64 draws an input, fresh for each draw of labels: 1/(M·N) becomes (1 + 1/64)/(M·N)."""
    table = labels.summarise(STUDY, results).sections[0].tables[0]
    width = math.sqrt(2 * math.log(20) / (3 * 20))
    for suffix, factor in (("", 1.0), (", smoothed", 1 + 1 / 64)):
        (row,) = (row for row in table.rows if row[0] == f"networks by natural training{suffix}")
        key = "natural.smoothed" if suffix else "natural"
        mean = sum(results[f"labels.n=20.draw={number}"][key] for number in range(3)) / 3
        assert row[5] == f"{mean - width * math.sqrt(factor):.3g} … ?"


class _Line(torch.nn.Module):
    """Logits (0, x): p₁ = 1/(1 + e^−x)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([torch.zeros_like(x), x], dim=1)


def test_what_is_correlated_is_the_difference_of_the_probabilities() -> None:
    x = torch.linspace(-3, 3, 7)[:, None]
    p = _Line()(x).softmax(dim=1)
    torch.testing.assert_close(labels._margin(_Line(), x), p[:, 1] - p[:, 0])


def test_smoothed_is_the_mean_over_noise_at_the_input() -> None:
    """E tanh((2 + 2ξ)/2) over 500 × 64 draws, within 5.5 standard errors; without noise it is 0.76."""
    z, weight = np.polynomial.hermite_e.hermegauss(60)
    exact = float((weight * np.tanh(1 + z)).sum() / weight.sum())
    found = float(labels._smoothed(_Line(), torch.full((500, 1), 2.0), 2.0, 3).mean())
    assert abs(found - exact) <= 5.5 / math.sqrt(500 * 64)
    assert math.tanh(1) - exact > 0.1


def test_smoothing_draws_are_not_those_of_the_weights() -> None:
    """The weights come from a generator with the seed itself; their numbers must not return as noise."""
    seen: list[torch.Tensor] = []

    class Watch(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x)
            return torch.cat([x, -x], dim=1)

    labels._smoothed(Watch(), torch.zeros(4, 1), 1.0, 7)
    own = torch.randn(4, 1, generator=torch.Generator().manual_seed(7))
    assert len(seen) == 64
    assert not torch.equal(seen[0], own)


def test_bars_of_a_chart_are_whole_intervals() -> None:
    about = Subject("G", "S", 50)
    row = ComplexityRow("exact", "exact", about, 0.3, 0.2, 0.4)
    estimate = ComplexityRow("estimate", "search", about, 0.1, -0.1, None)
    for logarithmic, low in ((True, 1e-6), (False, -0.1)):
        chart = count_chart([row, estimate], "t", "c", logarithmic=logarithmic)
        values = (
            [one for layer in chart.spec["datasets"].values() for one in layer]
            if ("datasets" in chart.spec)
            else chart.spec["data"]["values"]
        )
        assert [(one["low"], one["high"]) for one in values] == [(0.2, 0.4), (low, 0.1)]


def test_trivial_bounds_are_called_so(results: dict[str, Any]) -> None:
    (found,) = base.summarise(STUDY, results).sections[0].tables
    kinds = {(row[0], row[3]): row[2] for row in found.rows}
    assert kinds["clip(w·x)", "covering"] == "bound, trivial"
    assert kinds["w·x", "Massart"] == "bound"


def test_each_training_is_judged_by_its_own_fits_at_all_n_together() -> None:
    """Differences 0.1 ± 0.01 at N = 20 and 0.2 at N = 40: Student's interval of three at 1 − 0.05/2."""
    words = {one.key: 0.1 * place for place, one in enumerate(TRAININGS)}
    found = {
        count: [
            {key: 0.9 - scale * less + 0.01 * number * (key != "natural") for key, less in words.items()}
            for number in (-1, 0, 1)
        ]
        for count, scale in ((20, 1.0), (40, 2.0))
    }
    half = student.ppf(1 - 0.025 / 2, 2) * 0.01 / math.sqrt(3)
    for one in TRAININGS[1:]:
        verdict = labels._less(STUDY, one, found)
        assert verdict.value == pytest.approx(words[one.key])
        assert verdict.low == pytest.approx(words[one.key] - half)
        assert verdict.high == pytest.approx(words[one.key] + half)


def test_cells_are_the_same_twice(results: dict[str, Any]) -> None:
    for part in (base, counter_example, labels):
        cell = list(part.cells(STUDY))[-1]
        assert json.loads(json.dumps(cell.run(no_progress))) == results[cell.key]


def test_every_training_of_a_draw_sees_the_same_labels_and_weights() -> None:
    """No budget to speak of, and a learning rate of nothing: the weights are those that the seed names."""
    data = digits()
    first = trained(STUDY.model_copy(update={"budget": 4}), TRAININGS[0], data, 3)
    second = trained(STUDY.model_copy(update={"budget": 4}), TRAININGS[0], data, 3)
    other = trained(STUDY.model_copy(update={"budget": 4}), TRAININGS[0], data, 4)
    values = [torch.cat([p.flatten() for p in network.parameters()]) for network in (first, second, other)]
    assert torch.equal(values[0], values[1])
    assert not torch.equal(values[0], values[2])


def test_objectives_are_those_of_the_settings() -> None:
    assert [one.objective(STUDY) for one in TRAININGS] == [
        Natural(),
        GaussianAugmentation(noise_std=0.25),
        *[ConvectionDiffusion(noise_std=0.25, weight=30.0)] * 2,
    ]


def test_heads_are_measured_on_test_images(results: dict[str, Any]) -> None:
    network, x = trained(STUDY, TRAININGS[0], digits(), STUDY.seed), digits().test.x[:40]
    assert results["heads.natural"]["measured"]["input_bound"] == measured_constants(network, x).input_bound


def test_as_many_epochs_is_as_many_steps() -> None:
    dimension = 64
    natural, plain, long = TRAININGS[0], TRAININGS[2], TRAININGS[3]
    assert natural.budget(STUDY, dimension) == plain.budget(STUDY, dimension) == 4
    each = long.objective(STUDY).evaluations(dimension)
    assert each == 4
    assert long.budget(STUDY, dimension) == 4 * each


@pytest.mark.parametrize("rate", [-2.0, 0.0, 0.7])
def test_the_linear_flow_is_its_equation(rate: float) -> None:
    """dm/dT = Λm and ds²/dT = 2Λs² + 2σ², by central differences of the closed form."""
    step, time = 1e-4, 0.8
    before, here, after = (LinearFlow(rate, 0.3, t) for t in (time - step, time, time + step))
    assert (after.growth - before.growth) / (2 * step) == pytest.approx(rate * here.growth, abs=1e-6)
    change = (after.spread**2 - before.spread**2) / (2 * step)
    assert change == pytest.approx(2 * rate * here.spread**2 + 2 * 0.3, rel=1e-6)


def test_the_linear_flow_draws_what_it_says() -> None:
    """Mean and standard deviation of 40,000 draws, within 5.5 standard errors."""
    flow, x = LinearFlow(1.0, 0.2), torch.tensor([[0.5, -1.0]], dtype=torch.float64)
    ends = flow(x, 40_000, torch.Generator().manual_seed(0))[0]
    near = 5.5 * flow.spread / math.sqrt(40_000)
    assert bool(((ends.mean(dim=0) - flow.growth * x[0]).abs() <= near).all())
    assert bool(((ends.std(dim=0) - flow.spread).abs() <= near).all())


def test_pixels_fill_the_box() -> None:
    x = pixels(30)
    assert x.shape == (30, 64)
    assert (float(x.min()), float(x.max())) == (-1.0, 1.0)
