"""Figure 2: robust and natural accuracy over λ × σ², and what larger values buy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from heatproof.studies._study import Cell, Results, Section, StudyTable, Summary
from heatproof.studies._verdict import Verdict, from_interval
from heatproof.studies.half_moons.cells import cells as _cells
from heatproof.studies.half_moons.charts import heat_map
from heatproof.studies.half_moons.contestants import Candidate, found_of
from heatproof.studies.half_moons.trainings import Training
from heatproof.studies.half_moons.words import number, percent, share
from heatproof.theory.complexity import mean_interval

if TYPE_CHECKING:
    from heatproof.report._style import Chart
    from heatproof.studies.half_moons.study import HalfMoons

__all__ = ["cells", "summarise"]

_Square = tuple[float, float]


def cells(study: HalfMoons) -> Iterator[Cell]:
    """Yield a cell for each training of each repeat."""
    return _cells(study)


def summarise(study: HalfMoons, results: Results) -> Summary:
    """Return what larger λ and σ² buy, the maps and the tables."""
    text = (
        "The objective in the paper's form (probabilities, τ = 1, one Gaussian direction, h at the stability "
        "bound), from the same weights and on the same data over the whole grid. λ = 0: the residual has no "
        "part, and σ² none in one pass. σ² = 0: the residual asks for g(x, 1) = g(x, 0) only. Robust: under "
        f"attack at ℓ2 radius {number(study.radius)}, half the distance between the moons without noise."
    )
    parts = []
    for smoothed in (False, True):
        name = "smoothed, u(·, T)" if smoothed else "in one pass, g(·, 1)"
        where = (
            text
            if not smoothed
            else (
                "The equation's own classifier u(x, T) = E g(x + sξ, 0), s = √(2σ²), on the same trainings: "
                "evaluated on a grid to near-exactness, not sampled. λ = 0 is plain smoothing."
            )
        )
        charts = tuple(_map(study, results, what, smoothed=smoothed) for what in ("robust", "natural"))
        table = _table(study, results, smoothed=smoothed)
        parts.append(Section(f"Over λ × σ², {name}", where, (table,), charts))
    return Summary((*_trade_offs(study, results), _longer(study, results)), tuple(parts))


def _squares(study: HalfMoons, *, smoothed: bool) -> list[_Square]:
    rows = study.diffusivities if smoothed else (0.0, *study.diffusivities)
    return [(weight, each) for each in rows for weight in (0.0, *study.weights)]


def _candidate(square: _Square, *, smoothed: bool) -> Candidate:
    weight, diffusivity = square
    training = Training("equation", weight, diffusivity) if weight else Training("equation")
    return Candidate(training, diffusivity if smoothed else None)


def _over_repeats(
    study: HalfMoons, results: Results, square: _Square, what: str, *, smoothed: bool = False
) -> list[float]:
    one = _candidate(square, smoothed=smoothed)
    return [float(found_of(results, one, repeat)[what]) for repeat in range(study.repeats)]


def _map(study: HalfMoons, results: Results, what: str, *, smoothed: bool) -> Chart:
    values = {
        square: _mean(_over_repeats(study, results, square, what, smoothed=smoothed))
        for square in _squares(study, smoothed=smoothed)
    }
    named = {"robust": f"Robust accuracy at {number(study.radius)}, %", "natural": "Natural accuracy, %"}
    caption = f"Mean over {study.repeats} repeats, darker is more accurate."
    return heat_map(values, named[what], caption, (min(values.values()), max(values.values())))


def _table(study: HalfMoons, results: Results, *, smoothed: bool) -> StudyTable:
    weights = (0.0, *study.weights)
    rows = study.diffusivities if smoothed else (0.0, *study.diffusivities)
    said = [
        (
            number(each),
            *(
                share(_over_repeats(study, results, (weight, each), "robust", smoothed=smoothed))
                for weight in weights
            ),
        )
        for each in rows
    ]
    return StudyTable(
        f"Robust accuracy, {'smoothed' if smoothed else 'one pass'}",
        ("σ²", *(f"λ = {number(weight)}" for weight in weights)),
        tuple(said),
        "In per cent, mean over repeats ± half of Student's 95 % interval, each square on its own.",
    )


def _trade_offs(study: HalfMoons, results: Results) -> Iterator[Verdict]:
    """Yield, for λ and for σ², whether the largest costs accuracy and buys robustness."""
    weights, rows = study.weights, study.diffusivities
    ends: dict[str, tuple[Callable[[float], list[_Square]], float, float]] = {
        "λ": (lambda end: [(end, each) for each in rows], weights[0], weights[-1]),
        "σ²": (lambda end: [(weight, end) for weight in weights], rows[0], rows[-1]),
    }
    for name, (squares, low, high) in ends.items():
        for what, word, claim, sign in (
            ("natural", "lost", f"In one pass, a larger {name} costs natural accuracy", -1),
            ("robust", "won", f"In one pass, a larger {name} buys robust accuracy", 1),
        ):
            small, large = (_averaged(study, results, squares(end), what) for end in (low, high))
            yield _difference(
                claim,
                [sign * (b - a) for a, b in zip(small, large, strict=True)],
                f"{what} accuracy {word} from {name} = {number(low)} to {number(high)}",
                f"{percent(_mean(small))} % and {percent(_mean(large))} %, means over the rest of the grid",
            )


def _averaged(study: HalfMoons, results: Results, squares: Sequence[_Square], what: str) -> list[float]:
    """Return the mean over squares, for each repeat."""
    found = [_over_repeats(study, results, square, what) for square in squares]
    return [_mean(column) for column in zip(*found, strict=True)]


def _longer(study: HalfMoons, results: Results) -> Verdict:
    """Judge whether the accuracy that the largest λ loses is for want of training."""
    weight, each = study.weights[-1], study.middle
    long = Candidate(Training("equation", weight, each, study.longer))
    accuracy = [float(found_of(results, long, repeat)["natural"]) for repeat in range(study.repeats)]
    short = _over_repeats(study, results, (weight, each), "natural")
    zero = _over_repeats(study, results, (0.0, each), "natural")
    return _difference(
        f"The natural accuracy lost at λ = {number(weight)} is for want of training: {study.longer} times "
        "the budget win back half of it",
        [a - (b + c) / 2 for a, b, c in zip(accuracy, short, zero, strict=True)],
        "natural accuracy above half-way between that budget's and λ = 0",
        f"at σ² = {number(each)} {percent(_mean(short))} %, with the longer budget "
        f"{percent(_mean(accuracy))} %; λ = 0 {percent(_mean(zero))} %",
    )


def _difference(claim: str, values: Sequence[float], quantity: str, evidence: str) -> Verdict:
    found = mean_interval(values)
    ends = (found.value, found.low, 2 * found.value - found.low)
    said = f"{evidence}; {len(values)} repeats, Student's interval"
    return from_interval(claim, ends, quantity=quantity, evidence=said)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
