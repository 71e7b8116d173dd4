"""Every axiom passes on operators that have it, and falls on one that lacks it and has all others."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from cases.evolutions import Sampled, Shifted, arena, ornstein_uhlenbeck
from heatproof.equation import FullDiffusion, LinearVelocity, Problem
from heatproof.errors import InputError, UnknownNameError
from heatproof.solvers import Evolution, FeynmanKac, RungeKuttaCharacteristics
from heatproof.theory.axioms import (
    AXIOMS,
    Arena,
    Effort,
    EvolutionOperator,
    ExplicitHeat,
    Finding,
    Function,
    JumpOperator,
    NetworkValues,
    comparison,
    constants,
    linearity,
    locality,
    markov,
    measure_axioms,
    rows,
    spatial_regularity,
    temporal_regularity,
)

ROTATION = LinearVelocity([[0.0, 1.0], [-1.0, 0.0]])


def _zero(x: Tensor) -> Tensor:
    return x[:, :1] * 0


def _by_axiom(
    operator: EvolutionOperator, where: Arena, axioms: Sequence[str] = AXIOMS
) -> dict[str, Finding]:
    return {one.axiom: one for one in measure_axioms(operator, where, axioms)}


TRUE: dict[str, tuple[EvolutionOperator, Arena, set[str]]] = {
    "exact": (ornstein_uhlenbeck(), arena(1), {"comparison", "linearity", "constants"}),
    "characteristics": (
        Evolution(RungeKuttaCharacteristics(time_step=0.25), Problem(_zero, ROTATION)),
        arena(),
        {"comparison", "linearity", "constants", "markov"},
    ),
    "paths": (
        Evolution(
            FeynmanKac(time_step=0.25, paths=64, antithetic=True),
            Problem(_zero, ROTATION, FullDiffusion([[0.2, 0.05], [0.05, 0.1]])),
        ),
        arena(),
        {"comparison", "linearity", "constants"},
    ),
}


@pytest.mark.parametrize("name", TRUE)
def test_true_operators_keep_all_axioms_and_say_which_by_construction(name: str) -> None:
    operator, where, constructed = TRUE[name]
    found = _by_axiom(operator, where)
    assert set(found) == set(AXIOMS)
    for axiom, one in found.items():
        assert one.holds, one
        assert (one.verdict == "holds by construction") == (axiom in constructed), one
        assert one.evaluations > 0


def test_jumps_lose_locality_alone_at_the_rate_that_they_have() -> None:
    places = torch.randn(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = _by_axiom(JumpOperator.to_places(places, rate=0.7), arena())
    assert [axiom for axiom, one in found.items() if one.verdict == "violated"] == ["locality"]
    local = found["locality"]
    assert local.numbers["rate"] == pytest.approx(1.0, abs=0.02)
    assert local.low <= local.size <= local.high
    assert 0.1 < local.size <= 0.7  # at most the rate of jumps: T f − T g ≤ (1 − e^{−0.7η}) times 1


def test_diffusion_is_local_faster_than_any_power() -> None:
    """P(|N(0, 2σ²η)| > ρ) is what is found at most, and nearly."""
    where = arena(1, radius=0.25)
    one = locality(ornstein_uhlenbeck(), where)
    assert one.holds
    assert one.numbers["rate"] > 5
    first, difference = one.curve[0]
    outside = math.erfc(0.25 / math.sqrt(2 * 2 * 0.1 * first) / math.sqrt(2))
    assert 0.01 * outside < difference < 4 * outside  # 4: the drift brings it nearer


@pytest.mark.parametrize(("ratio", "holds"), [(0.25, True), (0.5, True), (0.51, False), (0.6, False)])
def test_comparison_falls_above_the_bound_on_the_step(ratio: float, holds: bool) -> None:
    operator = ExplicitHeat(ratio, cells=32)
    where = arena(1, end=40 * operator.time_step, middle=20 * operator.time_step, step=operator.time_step)
    found = _by_axiom(operator, where, ("comparison", "linearity", "constants", "markov"))
    assert found.pop("comparison").holds == holds
    assert all(one.holds for one in found.values())


def test_explicit_heat_flow_is_heat_flow() -> None:
    operator = ExplicitHeat(0.4, cells=128, length=2.0, diffusivity=0.05)
    x = torch.linspace(0, 1.9, 7, dtype=torch.float64)[:, None]
    t = 200 * operator.time_step
    found = operator(lambda y: torch.cos(math.pi * y), x, t)
    exact = math.exp(-0.05 * math.pi**2 * t) * torch.cos(math.pi * x)
    assert float((found - exact).abs().max()) < 1e-3


def _squared(f: Function, x: Tensor, t: float, r: float | None = None) -> Tensor:
    del t, r
    return f(x) + 1e-6 * (1 - f(x).square())


def _leaking(f: Function, x: Tensor, t: float, r: float | None = None) -> Tensor:
    return math.exp(-1e-6 * (t - (r or 0.0))) * f(x)


def _of_the_batch(f: Function, x: Tensor, t: float, r: float | None = None) -> Tensor:
    del t, r
    return f(x + 1e-6 * x.mean(dim=0))


def _aging(x: Tensor, duration: float) -> Tensor:
    return x.new_full(x.shape, 0.1 * duration**2)


def _jumping_velocity(x: Tensor, duration: float) -> Tensor:
    return duration * torch.where(x[:, :1] > 0, 1.0, -1.0) * torch.ones_like(x)


def _rough(x: Tensor, duration: float) -> Tensor:
    return x.new_full(x.shape, 0.1 * math.sqrt(duration))


@pytest.mark.parametrize(
    ("axiom", "operator"),
    [
        (linearity, _squared),
        (constants, _leaking),
        (rows, _of_the_batch),
        (markov, Shifted(_aging)),
        (spatial_regularity, Shifted(_jumping_velocity)),
        (temporal_regularity, Shifted(_rough)),
    ],
)
def test_each_axiom_falls_on_an_operator_without_it(
    axiom: Callable[[EvolutionOperator, Arena], Finding], operator: EvolutionOperator
) -> None:
    where = arena()
    where = Arena(torch.cat([where.points, torch.zeros(1, 2, dtype=torch.float64)]), effort=Effort(4, 12))
    one = axiom(operator, where)
    assert one.verdict == "violated", one
    assert one.worst["point"]


def test_small_violations_are_found_at_their_size() -> None:
    """T f − f = 10⁻⁶(1 − f²): |T(αf + βg) − αTf − βTg| is at most 10⁻⁶(|1 − α − β| + …) ≤ 2·10⁻⁵."""
    one = linearity(_squared, arena())
    assert 1e-6 < one.size < 2e-5
    assert constants(_leaking, arena()).size == pytest.approx(3e-6, rel=0.1)


def test_the_rough_operator_is_regular_where_it_is_regular() -> None:
    """The same moves with η instead of √η, and with a velocity that is Lipschitz."""
    assert temporal_regularity(Shifted(lambda x, s: 0.1 * s * torch.ones_like(x)), arena()).holds
    one = spatial_regularity(Shifted(lambda x, s: s * x.tanh()), arena())
    assert one.holds
    assert 0 < one.low <= one.size <= one.high


def test_markov_of_sampled_operators_is_judged_by_fresh_draws() -> None:
    fair, biased = markov(Sampled(), arena()), markov(Sampled(bias=0.5), arena())
    assert fair.holds
    assert fair.low == 0.0
    assert "fresh seeds" in fair.note
    assert biased.verdict == "violated"
    assert biased.low > fair.high / 2 > 0


def test_a_statement_that_is_wrong_is_found_out() -> None:
    class Liar:
        constructions = frozenset({"constants"})

        def __call__(self, f: Function, x: Tensor, t: float, r: float | None = None) -> Tensor:
            return _leaking(f, x, t, r)

    one = constants(Liar(), arena())
    assert one.constructed
    assert one.verdict == "violated"


def test_a_network_passed_off_as_an_operator() -> None:
    network = NetworkValues(lambda x, t: torch.sigmoid(x.sum(dim=1, keepdim=True) + t))
    found = _by_axiom(network, arena(), ("comparison", "linearity", "constants", "markov"))
    assert [axiom for axiom, one in found.items() if one.verdict == "violated"] == ["linearity", "constants"]


def test_the_search_beats_sampling() -> None:
    """A weight of −0.1 on a place that random functions hardly see: ascent finds nearly all of it."""
    place = torch.tensor([[0.7, -0.4]], dtype=torch.float64)

    def operator(f: Function, x: Tensor, t: float, r: float | None = None) -> Tensor:
        del t, r
        return 1.1 * f(x) - 0.1 * f(x + place)

    sampled = comparison(operator, arena(effort=Effort(4, 0)))
    searched = comparison(operator, arena(effort=Effort(4, 60)))
    assert searched.verdict == "violated"
    assert searched.size > 5 * sampled.size
    assert 0.09 < searched.size <= 0.1


def test_operators_without_gradient_are_searched_too() -> None:
    def operator(f: Function, x: Tensor, t: float, r: float | None = None) -> Tensor:
        with torch.no_grad():
            return _leaking(f, x, t, r)

    one = constants(operator, arena())
    assert one.verdict == "violated"
    assert one.size == pytest.approx(3e-6, rel=0.1)


def test_values_that_are_not_finite_decide_nothing() -> None:
    def operator(f: Function, x: Tensor, t: float, r: float | None = None) -> Tensor:
        del t, r
        return f(x) / 0.0

    for one in measure_axioms(operator, arena()):
        assert one.verdict == "undecided", one
        assert one.to_mapping()["size"] is None or math.isfinite(one.to_mapping()["size"])


def test_measuring_twice_gives_the_same() -> None:
    operator = TRUE["characteristics"][0]
    axioms = ("comparison", "locality")
    assert measure_axioms(operator, arena(), axioms) == measure_axioms(operator, arena(), axioms)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"middle": 0.0}, "middle"),
        ({"end": 0.5}, "end"),
        ({"step": 2.0}, "step"),
        ({"radius": -1.0}, "radius"),
        ({"functions": 2}, "functions"),
        ({"halvings": 1}, "halvings"),
    ],
)
def test_bad_arenas_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        arena(**given)


def test_bad_points_efforts_and_names_are_refused() -> None:
    with pytest.raises(InputError, match="several points"):
        Arena(torch.zeros(1, 2))
    with pytest.raises(InputError, match="rate"):
        Effort(rate=0.0)
    with pytest.raises(UnknownNameError, match="locality"):
        measure_axioms(ornstein_uhlenbeck(), arena(1), ("localty",))
    with pytest.raises(InputError, match="whole number of steps"):
        ExplicitHeat(0.5)(_zero, torch.zeros(1, 1), 0.5 * ExplicitHeat(0.5).time_step)
    with pytest.raises(InputError, match="jumps"):
        JumpOperator(lambda x: x)(_zero, torch.zeros(1, 2), 1.0)
    with pytest.raises(InputError, match="rate"):
        JumpOperator(lambda x: x[:, None], rate=0.0)
