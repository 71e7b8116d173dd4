"""`heatproof report`: one self-contained page from one or more runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["report"]


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders on the same data set.")],
    out: Annotated[
        Path | None, typer.Option(help="The page; RUN/report.html for one run, ./report.html for several.")
    ] = None,
    title: Annotated[str, typer.Option(help="Title of the page.")] = "heatproof report",
    trust: Annotated[bool, typer.Option("--trust", help="Let a factory network import your code.")] = False,
) -> None:
    """Write the table, the curves, the pictures and the settings of runs into one HTML file."""
    from heatproof.cli._terminal import print_results, say
    from heatproof.report.page import write
    from heatproof.runs.contents import check_same_data, collect
    from heatproof.runs.folder import RunFolder
    from heatproof.runs.identity import run_data
    from heatproof.runs.training import load_model

    _check_out(out)
    folders = [RunFolder.open(run) for run in runs]
    check_same_data(folders)
    pairs = [(folder, load_model(folder, trust=trust)) for folder in folders]
    contents = collect(pairs, run_data(folders[0]), title)
    target = out or (folders[0].report if len(folders) == 1 else Path("report.html"))
    write(contents, target)
    print_results(contents)
    say(f"Page: {target}")


def _check_out(out: Path | None) -> None:
    """Refuse a bad place for the page before anything is loaded."""
    from heatproof._check import message
    from heatproof.errors import InputError

    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise InputError(message("--out", repr(str(out)), "a file in a folder that exists"), name="out")
