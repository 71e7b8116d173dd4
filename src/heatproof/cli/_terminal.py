"""What the subcommands show: progress bars, tables, and a hint how to go on after an interruption."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from heatproof._types import Progress
    from heatproof.report.contents import ReportContents
    from heatproof.report.table import Table

__all__ = ["Bars", "Interrupted", "bars", "print_results", "resumable", "say"]


class Interrupted(Exception):  # noqa: N818 - Ctrl-C is no error
    """Ctrl-C, with what is safe and how to go on; ends with 130."""


def say(text: str) -> None:
    """Print one line to standard output; a reader that has gone away changes nothing else."""
    with _unread_is_fine():
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


@contextlib.contextmanager
def _unread_is_fine() -> Iterator[None]:
    """Send the rest to nowhere once the pipe is closed, so that work and exit code stay what they are."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Bars:
    """Progress bars on standard error, one for each stage that begins; under them its live table, if any.

    A note "name: value | name: value" is drawn as a table of two rows, any other note behind its bar.
    """

    def __init__(self) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._bars = _bars_and_table(
            TextColumn("{task.description:<42}", markup=False),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bars.stop()

    def __call__(self, name: str) -> Progress:
        """Begin a stage and return what tells its bar."""
        tasks: list[Any] = []  # one, when there is something to tell: a bar before an error only confuses

        def tell(done: int, total: int, note: str = "") -> None:
            if not tasks:
                tasks.append(self._bars.add_task(name, total=None, note="", table=""))
            table = " | " in note
            self._bars.update(
                tasks[0], completed=done, total=total, note="" if table else note, table=note if table else ""
            )

        return tell


def _bars_and_table(*columns: Any) -> Any:
    """Return rich's progress display, with the live table of the newest stage under its bars."""
    from rich.console import Console
    from rich.progress import Progress as RichProgress
    from rich.table import Table as RichTable

    class BarsAndTable(RichProgress):
        def get_renderables(self) -> Iterator[Any]:
            yield self.make_tasks_table(self.tasks)
            note = self.tasks[-1].fields["table"] if self.tasks else ""
            if note and not self.finished:
                cells = [part.partition(": ") for part in note.split(" | ")]
                shown = RichTable(*(name for name, _, _ in cells), box=None, padding=(0, 2))
                shown.add_row(*(value.replace("[", "\\[") for _, _, value in cells))
                yield shown

    return BarsAndTable(*columns, console=Console(stderr=True))


def bars() -> Bars:
    """Return progress bars, for a `with` block."""
    return Bars()


@contextlib.contextmanager
def resumable(command: str, started: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """On Ctrl-C, say what is safe and how to go on, and end with 130.

    `started` says whether there is anything yet to go on with.
    """
    try:
        yield
    except KeyboardInterrupt:
        done = f"finished work is stored. Go on with: {command}" if started() else "nothing was stored."
        raise Interrupted(f"interrupted; {done}") from None


def print_results(contents: ReportContents) -> None:
    """Print the table of the page, one part under the other, and the guarantee of each certification."""
    from rich.console import Console

    from heatproof.report.table import table

    text = io.StringIO()
    terminal = sys.stdout.isatty()
    console = Console(file=text, width=Console().width if terminal else 150, force_terminal=terminal)
    for title, part in table(contents).parts():
        console.print(_rich(title, part))
    for sentence in dict.fromkeys(run.guarantee for run in contents.runs if run.guarantee):
        console.print(f"Guarantee: {sentence}", markup=False, highlight=False)
    say(text.getvalue().rstrip())


def _rich(title: str, part: Table) -> object:
    from rich.markup import escape
    from rich.table import Table as RichTable

    shown = RichTable(title=escape(title), title_justify="left", title_style="bold", expand=False)
    shown.add_column("run", no_wrap=True)
    for group in part.groups:
        for column in group.columns:
            shown.add_column(escape(f"{group.title}\n{column}".strip()), justify="right", overflow="fold")
    for row in part.rows:
        cells = (
            f"{escape(cell.text)}\n[dim]{escape(cell.detail)}[/dim]" if cell.detail else escape(cell.text)
            for cell in row.cells
        )
        shown.add_row(escape(row.label), *cells)
    return shown
