"""`heatproof study`: one question, answered by one command, with a verdict for each claim."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from heatproof.studies import StudyResult, Summary

__all__ = ["study"]


def study(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A study, or `list` for what there is.")],
    quick: Annotated[bool, typer.Option("--quick", help="Under a minute: all parts, fewer cases.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of all that is drawn.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder; study-NAME, or study-NAME-quick, if left out.")
    ] = None,
    figures: Annotated[bool, typer.Option("--figures", help="Write each chart as PNG as well.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print study.json and nothing else.")] = False,
) -> None:
    """Run a study and print its verdicts; interrupted, the same command goes on.

    A refuted claim is a result: the exit code is 0.
    """
    if name == "list":
        _list(as_json=as_json)
        return
    from heatproof.cli._terminal import bars, resumable, say
    from heatproof.studies import find_study, run_study, write_figures

    kind = find_study(name)
    chosen = kind.quick(seed=seed) if quick else kind(seed=seed)
    target = out or Path(f"study-{name}{'-quick' if quick else ''}")
    if not as_json:
        say(f"{chosen.title}. Writing to {target}/")
    onwards = f"the same command, into {shlex.quote(str(target))}"
    with resumable(onwards, lambda: any(target.glob("cells/*.json"))), bars() as stages:
        result = run_study(chosen, target, progress=stages(f"study {name}"))
    drawn = write_figures(result.summary, result.folder.figures) if figures else []
    if as_json:
        say(json.dumps(result.folder.read(), ensure_ascii=False))
    else:
        _print(result)
        for file in drawn:
            say(f"Figure: {file}")


def _list(*, as_json: bool) -> None:
    from heatproof.cli._terminal import say
    from heatproof.studies import STUDIES

    if as_json:
        fields = ("name", "title", "question", "duration")
        say(json.dumps([{field: getattr(kind, field) for field in fields} for kind in STUDIES]))
        return
    for kind in STUDIES:
        say(f"{kind.name}: {kind.title}")
        say(f"    {kind.question}")
        say(f"    {kind.duration}")


def _print(result: StudyResult) -> None:
    from heatproof.cli._terminal import say

    say(_text(result.summary))
    cells, before = len(result.seconds), result.resumed
    earlier = f" ({before} from before)" if before else ""
    say(f"{result.summary.answer}")
    say(f"{cells} cells{earlier}, {result.total_seconds:.0f} s. Data: {result.folder.document}")
    say(f"Page: {result.folder.page}")


def _text(summary: Summary) -> str:
    """Return tables and verdicts as they stand on the terminal."""
    import io
    import sys

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    text = io.StringIO()
    terminal = sys.stdout.isatty()
    console = Console(file=text, width=Console().width if terminal else 150, force_terminal=terminal)
    for table in (table for section in summary.sections for table in section.tables):
        shown = Table(title=escape(table.title), title_justify="left", title_style="bold")
        for place, column in enumerate(table.columns):
            shown.add_column(escape(column), justify="right" if place else "left", overflow="fold")
        for row in table.rows:
            shown.add_row(*map(escape, row))
        console.print(shown)
    shown = Table(title="Verdicts", title_justify="left", title_style="bold", show_lines=True)
    for column in ("claim", "verdict", "number that decided, with interval"):
        shown.add_column(column, overflow="fold")
    for verdict in summary.verdicts:
        remark = "" if verdict.as_expected and verdict.expected else f"\n({verdict.remark})"
        number = f"{verdict.quantity}: {verdict.interval}\n{verdict.evidence}"
        shown.add_row(escape(verdict.claim), f"{verdict.outcome}{remark}", escape(number))
    console.print(shown)
    return text.getvalue().rstrip()
