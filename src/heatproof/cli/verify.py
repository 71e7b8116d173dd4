"""`heatproof verify`: recompute every stored radius, compare with data and network, draw some noise again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["verify"]


def verify(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A certified run folder.")],
    redraw: Annotated[
        int,
        typer.Option(metavar="K", help="Draw the noise of K inputs of each certification again; 0: none."),
    ] = 2,
    fresh: Annotated[
        int | None,
        typer.Option(metavar="SEED", help="Draw a random K inputs with new noise instead, and compare."),
    ] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Let a factory network import your code.")] = False,
) -> None:
    """Recompute every radius with code of its own; exit 1 on any mismatch.

    Settings, labels and roundings are compared with the data, noise-free answers with the network, and the
    counts of K inputs with noise drawn again. Not checked: counts that were not drawn again, and inputs cut
    out together with their place in the plan.
    """
    from heatproof._check import check_whole
    from heatproof.cli._terminal import say
    from heatproof.errors import VerificationError
    from heatproof.runs.folder import RunFolder
    from heatproof.runs.identity import run_data
    from heatproof.runs.training import load_model
    from heatproof.runs.verify import verify_run

    check_whole("--redraw", redraw, at_least=0)
    if fresh is not None:
        check_whole("--fresh", fresh, at_least=0)
    folder = RunFolder.open(run)
    model = load_model(folder, trust=trust)
    result = verify_run(folder, model, run_data(folder), redraw=redraw, fresh=fresh)
    for line in result.mismatches:
        sys.stderr.write(f"heatproof: mismatch: {line}\n")
    missing = f", {result.missing} still to be certified" if result.missing else ""
    say(
        f"{result.checked} certificates recomputed, {result.redrawn} drawn again, "
        f"{len(result.mismatches)} mismatches{missing}"
    )
    if result.mismatches:
        text = f"{run}: {len(result.mismatches)} mismatches; do not rely on these certificates"
        raise VerificationError(text, mismatches=result.mismatches)
