"""`heatproof solve`: the evolution of a problem with a known solution, on a page with a slider for time."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from heatproof.cli._words import settings_from

if TYPE_CHECKING:
    from heatproof.equation import SolvedProblem
    from heatproof.solvers import Solver
    from heatproof.solvers.frames import Frames

__all__ = ["solve"]


def solve(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A problem, or `list` for what there is.")],
    solver: Annotated[
        str | None,
        typer.Option(help="A solver and its fields: 'feynman_kac,paths=2000'. Left out: a usual one."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The page; solve-NAME.html, if left out.")] = None,
    frames: Annotated[int, typer.Option(help="How many times are shown.")] = 31,
    places: Annotated[int, typer.Option(help="Points an axis; 0: 201 on one axis, 61 on two.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, and no page.")] = False,
) -> None:
    """Solve a problem of the catalogue, compare with its exact solution, and draw both over time."""
    from heatproof.cli._terminal import bars, say

    if name == "list":
        _list(as_json=as_json)
        return
    from heatproof.equation.problems import find_problem
    from heatproof.report.shell import check_place, write_page
    from heatproof.solvers.frames import frames as solve_frames

    case = find_problem(name)
    chosen = _solver(solver, case)
    target = check_place(out or Path(f"solve-{name}.html"))
    _check_sizes(frames, places)
    with bars() as stages:
        found = solve_frames(chosen, case, count=frames, places=places, progress=stages(f"solve {name}"))
    if as_json:
        say(json.dumps(_mapping(case, chosen, found), allow_nan=False, ensure_ascii=False))
        return
    _refuse_holes(chosen, found)
    write_page(_page(case, chosen, found), target)
    for line in _lines(chosen, found):
        say(line)
    say(f"Page: {target}")


def _solver(words: str | None, case: SolvedProblem) -> Solver:
    from heatproof.solvers import build_solver, usual_solver

    if words is None:
        return usual_solver(case.problem)
    return build_solver(settings_from("--solver", words, "feynman_kac,paths=2000"))


def _check_sizes(frames: int, places: int) -> None:
    """Refuse what would fill the page, or the memory."""
    from heatproof._check import check_number

    check_number("--frames", frames, at_least=2, at_most=400)
    if places:
        check_number("--places", places, at_least=11, at_most=1000)


def _refuse_holes(solver: Solver, found: Frames) -> None:
    """Say why there is nothing to draw, where a solver came to no values."""
    import numpy as np

    from heatproof.errors import HeatproofError

    if not np.isfinite(found.found).all():
        raise HeatproofError(f"solve: {solver.name} found no values to draw: {found.sentence}")


def _largest_error(found: Frames) -> float:
    import numpy as np

    return float(np.abs(found.found - found.exact).max())


def _last_error(found: Frames) -> float:
    import numpy as np

    return float(np.abs(found.found[-1] - found.exact[-1]).max())


def _mapping(case: SolvedProblem, solver: Solver, found: Frames) -> dict[str, Any]:
    """Return what the page shows, as plain values."""
    import numpy as np

    errors = np.abs(found.found - found.exact).reshape(len(found.times), -1)
    noise = found.standard_error
    return {
        "problem": case.name,
        "equation": case.equation,
        "solver": solver.to_mapping(),
        "properties": list(solver.properties.words()),
        "times": found.times.tolist(),
        "largest_error": [_plain(error) for error in errors.max(axis=1)],
        "mean_error": [_plain(error) for error in errors.mean(axis=1)],
        "largest_standard_error": None if noise is None else _plain(noise.max()),
        "numbers": {key: _plain(value) for key, value in found.numbers.items()},
        "success": found.success,
        "sentence": found.sentence,
    }


def _plain(value: float) -> float | None:
    """Return a number that JSON can hold."""
    import math

    return float(value) if math.isfinite(value) else None


def _lines(solver: Solver, found: Frames) -> Iterator[str]:
    yield f"Solver: {solver.describe()}; {found.sentence}"
    yield f"It promises: {', '.join(solver.properties.words()) or 'nothing'}"
    yield f"Largest |found − exact| at the end: {_last_error(found):.3g}"
    yield f"Largest |found − exact| over {len(found.times)} times: {_largest_error(found):.3g}"
    if found.standard_error is not None:
        yield f"Largest standard error of the mean over paths: {float(found.standard_error.max()):.3g}"


def _page(case: SolvedProblem, solver: Solver, found: Frames) -> str:
    from heatproof.report.evolution import EvolutionContents, render_evolution

    numbers = ", ".join(f"{key} {value:.4g}" for key, value in found.numbers.items())
    words = [
        ("solver", solver.describe()),
        ("promises", ", ".join(solver.properties.words()) or "nothing"),
        ("outcome", found.sentence),
        ("numbers", numbers),
        ("exact solution", case.source),
    ]
    contents = EvolutionContents(
        title=case.name.replace("_", " "),
        equation=case.equation,
        lead=f"Solved by {solver.name}; largest error at the end {_last_error(found):.3g}, "
        f"over all times {_largest_error(found):.3g}.",
        times=found.times,
        axes=found.axes,
        found=found.found,
        exact=found.exact,
        standard_error=found.standard_error,
        words=tuple((name, text) for name, text in words if text),
    )
    return render_evolution(contents)


def _list(*, as_json: bool) -> None:
    from heatproof.cli._terminal import say
    from heatproof.equation.problems import find_problem, names
    from heatproof.solvers import SOLVERS

    cases = [find_problem(name) for name in names()]
    if as_json:
        problems = [{"name": case.name, "equation": case.equation} for case in cases]
        say(json.dumps({"problems": problems, "solvers": list(SOLVERS)}, ensure_ascii=False))
        return
    say("Problems:")
    for case in cases:
        say(f"    {case.name}: {case.equation}")
    say("Solvers:")
    for name, kind in SOLVERS.items():
        text = sys.modules[kind.__module__].__doc__ or ""
        say(f"    {name}: {text.strip().partition(chr(10))[0]}")
