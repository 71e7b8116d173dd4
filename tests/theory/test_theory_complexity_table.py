"""The table: kinds, orders that theory guarantees, planted violations; and random labels."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from heatproof.errors import InputError, UnknownNameError
from heatproof.theory.complexity import (
    ComplexityRow,
    Estimate,
    Subject,
    base_rows,
    check_orderings,
    correlation,
    estimate_row,
    label_signs,
    mean_interval,
    orderings,
    random_label_value,
)

G = Subject("G", "S", 100)
CONSTANTS = {"weight_bound": 2.0, "input_bound": 0.5, "value_bound": 1.0}


def _clip(values: Tensor) -> Tensor:
    return values.clamp(-1.0, 1.0)


def _rows() -> tuple[ComplexityRow, ...]:
    return (
        ComplexityRow("exact", "exact", G, 0.2, 0.19, 0.21),
        ComplexityRow("bound", "Massart", G, 0.4, 0.4, 0.4, CONSTANTS),
        ComplexityRow("bound", "covering", G, 0.9, 0.9, 0.9, CONSTANTS),
        ComplexityRow("estimate", "search", G, 0.15, 0.1, None),
    )


def test_rows_in_order_have_no_violations() -> None:
    assert check_orderings(_rows()) == ()
    assert check_orderings(()) == ()
    found = list(orderings(_rows()))
    assert (
        len(found) == 2 + 2 + 1 + 2
    )  # exact ≤ bounds, estimate ≤ bounds, estimate ≤ exact, both ≤ min(b, …)
    assert sum(order.trivial for order in found) == 2


@pytest.mark.parametrize(
    ("place", "changes", "said"),
    [
        (1, {"value": 0.1, "low": 0.1, "high": 0.1}, "Massart"),
        (2, {"value": 0.15, "low": 0.15, "high": 0.15}, "covering"),
        (2, {"value": 1.1, "low": 1.1, "high": 1.1}, "min(b, b_w·b_x)"),
        (3, {"value": 0.5, "low": 0.3}, "search"),
        (3, {"value": 1.5, "low": 1.2}, "search"),
        (0, {"low": 0.205}, "exact of G on S, N = 100"),
        (0, {"value": -0.1, "low": -0.2, "high": 0.0}, "exact"),
        (1, {"low": 0.5}, "Massart"),
    ],
)
def test_planted_violations_are_found(place: int, changes: dict[str, Any], said: str) -> None:
    rows = list(_rows())
    rows[place] = replace(rows[place], **changes)
    found = check_orderings(rows)
    assert found
    assert any(said in line for line in found)


def test_two_exact_numbers_must_meet() -> None:
    other = ComplexityRow("exact", "all signs", G, 0.3, 0.3, 0.3)
    assert len(check_orderings((*_rows(), other))) == 1
    assert check_orderings((*_rows(), replace(other, value=0.205, low=0.205, high=0.205))) == ()


@pytest.mark.parametrize(
    "subject", [replace(G, of="H"), replace(G, sample="others"), replace(G, count=50)], ids=str
)
def test_rows_of_another_class_are_never_compared(subject: Subject) -> None:
    """An exact number above every bound, of something else."""
    other = ComplexityRow("exact", "exact", subject, 5.0, 5.0, 5.0)
    assert check_orderings((*_rows(), other)) == ()


def test_classes_of_one_name_and_two_sizes_are_refused() -> None:
    other = replace(_rows()[1], constants={**CONSTANTS, "weight_bound": 3.0})
    with pytest.raises(InputError, match="b_w = 2 and 3 in rows of"):
        check_orderings((*_rows(), other))


def test_a_row_within_its_interval_of_a_bound_is_no_violation() -> None:
    rows = (replace(_rows()[0], value=0.41, low=0.39, high=0.43), _rows()[1])
    assert check_orderings(rows) == ()
    (order,) = (one for one in orderings(rows) if not one.trivial)
    assert order.ratio == pytest.approx((0.39 / 0.4, 0.43 / 0.4))


def test_rows_survive_json() -> None:
    for row in _rows():
        assert ComplexityRow.from_mapping(row.to_mapping()) == row


def test_bad_rows_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="bound"):
        ComplexityRow.from_mapping({**_rows()[0].to_mapping(), "kind": "bond"})
    with pytest.raises(InputError, match="no high"):
        replace(_rows()[0], high=None)
    with pytest.raises(InputError, match="finite"):
        replace(_rows()[0], value=math.nan)
    with pytest.raises(InputError, match="count"):
        Subject("G", "S", 0)


@pytest.mark.parametrize("count", [5, 60])
def test_the_base_class_is_in_order(count: int) -> None:
    x = torch.randn(count, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    linear = base_rows(x, 2.0, subject=("w·x", "S"))
    cut = base_rows(x, 2.0, _clip, 1.0, subject=("clip(w·x)", "S"))
    assert [row.kind for row in linear] == ["exact", "bound", "bound"]
    assert [row.kind for row in cut] == ["bound", "bound", "bound", "estimate"]
    assert check_orderings((*linear, *cut)) == ()
    halved = [replace(row, value=0.0, low=0.0, high=0.0) if row.name == "Massart" else row for row in linear]
    assert check_orderings(halved)


def test_a_rho_that_is_not_0_at_0_changes_nothing() -> None:
    """A complexity does not see constants: ρ + ½ has the rows of ρ, up to the search."""
    x = torch.randn(30, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    plain = base_rows(x, 0.1, _clip, 1.0, subject=("G", "S"))
    raised = base_rows(x, 0.1, lambda z: _clip(z) + 0.5, 1.5, subject=("G", "S"))
    assert [row.value for row in plain] == pytest.approx([row.value for row in raised])


def test_rho_and_its_bound_come_together() -> None:
    x = torch.ones(3, 2)
    with pytest.raises(InputError, match="value_bound"):
        base_rows(x, 1.0, _clip, subject=("G", "S"))
    with pytest.raises(InputError, match="value_bound"):
        base_rows(x, 1.0, None, 1.0, subject=("G", "S"))


def test_an_estimate_says_nothing_from_above() -> None:
    found = Estimate(0.2, 0.1, 0.3, 10, 0.95, "t")
    assert estimate_row("estimate", "e", G, found, {}).high is None
    assert estimate_row("bound", "e", G, found, {}).high == 0.3


def test_labels_that_are_learnt_by_heart() -> None:
    """A training that returns its labels fits all; one that is half sure, half; a deaf one, none."""
    whole, found = random_label_value(lambda signs, _: signs, 50, draws=4)
    assert (whole.value, found) == (1.0, [1.0] * 4)
    assert whole.low == pytest.approx(1 - math.sqrt(2 * math.log(20) / 200))
    half, _ = random_label_value(lambda signs, _: signs / 2, 50, draws=4)
    assert half.value == pytest.approx(0.5)
    deaf, _ = random_label_value(lambda signs, _: torch.ones_like(signs), 400, draws=100)
    assert abs(deaf.value) <= 5 / math.sqrt(40_000)
    assert deaf.low < 0


def test_a_trained_linear_class_reaches_no_more_than_its_complexity() -> None:
    """Training is least squares with ‖w‖₁ ≤ 1: its estimate is below the exact number, and not far."""
    x = torch.randn(12, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)

    def fit(signs: Tensor, number: int) -> Tensor:
        del number
        weights = torch.linalg.lstsq(x, signs[:, None]).solution[:, 0]
        values: Tensor = x @ (weights / weights.abs().sum())
        return values

    exact = base_rows(x, 1.0, subject=("w·x", "S"))[0].value
    bound = float(x.abs().max())
    found, _ = random_label_value(fit, 12, draws=2000, value_bound=bound, confidence=1 - 1e-6)
    assert found.low <= exact
    assert 0.5 * exact <= found.value <= exact + bound * 5.5 / math.sqrt(12 * 2000)


def test_labels_depend_on_seed_and_number_only() -> None:
    first = label_signs(30, 0, 3)
    assert torch.equal(first, label_signs(30, 0, 3))
    assert not torch.equal(first, label_signs(30, 0, 4))
    assert not torch.equal(first, label_signs(30, 1, 3))
    assert set(first.tolist()) == {-1.0, 1.0}


def test_values_of_another_shape_are_refused() -> None:
    with pytest.raises(InputError, match="values"):
        correlation(label_signs(5, 0, 0), torch.zeros(4))
    with pytest.raises(InputError, match="values"):
        correlation(label_signs(5, 0, 0), torch.full((5,), math.nan))
    with pytest.raises(InputError, match="correlations"):
        random_label_value(lambda signs, _: 2 * signs, 5, draws=2)
    with pytest.raises(InputError, match="draws"):
        random_label_value(lambda signs, _: signs, 5, draws=0)


def test_the_interval_of_a_mean() -> None:
    found = mean_interval([1.0, 2.0, 3.0])
    assert found.value == 2.0
    assert found.low == pytest.approx(2 - 4.302653 / math.sqrt(3))
    with pytest.raises(InputError, match="values"):
        mean_interval([1.0])
    with pytest.raises(InputError, match="values"):
        mean_interval([1.0, math.inf])
