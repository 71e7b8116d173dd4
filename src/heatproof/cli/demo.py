"""`heatproof demo`: the main job on real data, from training to the page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["demo"]


def demo(
    out: Annotated[
        Path | None,
        typer.Option(help="New folder for the runs and the page; demo, or demo-2, … if left out."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer epochs, inputs and samples.")] = False,
) -> None:
    """Train three ways at equal cost on handwritten digits, attack all, certify all, show one page."""
    from heatproof.cli._terminal import bars, print_results, resumable, say
    from heatproof.errors import VerificationError
    from heatproof.runs.demo import QUICK, run_demo

    target = _free(Path("demo")) if out is None else _vacant(out)
    say(f"Writing to {target}/")
    onwards = (
        "the same command (it begins again, in a new folder), "
        f"or one run: heatproof train --resume {target}/NAME"
    )
    with resumable(onwards), bars() as stages:
        result = run_demo(target, QUICK if quick else (), stages, challenged=20 if quick else 40)
    print_results(result.contents)
    say(f"Certificates recomputed by the checker: {result.verified}, mismatches: {result.mismatches}.")
    say(f"Certificates attacked inside their radii: {result.attacked}, refuted: {result.refuted}.")
    say(f"Runs: {target}/*; picture: {result.picture}; page: {result.page}")
    if result.mismatches or result.refuted:
        raise VerificationError("demo: a certificate did not hold; see the lines above. Please report it.")


def _vacant(out: Path) -> Path:
    """Refuse a folder that holds something: nothing is overwritten."""
    from heatproof._check import message
    from heatproof.errors import RunFolderError

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunFolderError(
            message(str(out), "a place that is taken", "a new folder", "Choose another --out.")
        )
    return out


def _free(out: Path) -> Path:
    """Return `out`, or the first of out-2, out-3, … that holds no demo yet: nothing is overwritten."""
    target, number = out, 2
    while target.exists() and (not target.is_dir() or any(target.iterdir())):
        target, number = out.with_name(f"{out.name}-{number}"), number + 1
    return target
