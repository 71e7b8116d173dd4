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
    from heatproof.runs.contents import collect
    from heatproof.runs.folder import RunFolder
    from heatproof.runs.training import load_data, load_model

    folders = [RunFolder.open(run) for run in runs]
    data = load_data(folders[0].config)
    contents = collect([(folder, load_model(folder, trust=trust)) for folder in folders], data, title)
    target = out or (folders[0].report if len(folders) == 1 else Path("report.html"))
    write(contents, target)
    print_results(contents)
    say(f"Page: {target}")
