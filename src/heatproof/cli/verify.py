"""`heatproof verify`: recompute every stored radius with the independent checker."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["verify"]


def verify(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A certified run folder.")],
    trust: Annotated[bool, typer.Option("--trust", help="Let a factory network import your code.")] = False,
) -> None:
    """Recompute every radius from the stored counts with code of its own; exit 1 on any mismatch."""
    from heatproof.cli._terminal import say
    from heatproof.errors import VerificationError
    from heatproof.runs.certify import verify_run
    from heatproof.runs.folder import RunFolder
    from heatproof.runs.training import load_model

    folder = RunFolder.open(run)
    result = verify_run(folder, load_model(folder, trust=trust))
    for line in result.mismatches:
        sys.stderr.write(f"heatproof: mismatch: {line}\n")
    missing = f", {result.missing} still to be certified" if result.missing else ""
    say(f"{result.checked} certificates recomputed, {len(result.mismatches)} mismatches{missing}")
    if result.mismatches:
        text = f"{run}: {len(result.mismatches)} mismatches; do not rely on these certificates"
        raise VerificationError(text, mismatches=result.mismatches)
