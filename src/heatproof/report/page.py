"""One self-contained HTML page: it opens without network, and asks for nothing but itself.

Every word from outside (names, labels, configuration) is escaped; data stands in JSON blocks with `<`
escaped; a content security policy with the hashes of the page's own scripts lets nothing else run.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from heatproof.report._style import Chart
from heatproof.report.charts import certified_chart, robust_charts
from heatproof.report.contents import ReportContents
from heatproof.report.images import gallery
from heatproof.report.planar import field_charts
from heatproof.report.sentences import headline, promises
from heatproof.report.shell import check_place, render_template, write_page
from heatproof.report.summary import run_labels
from heatproof.report.table import missing_parts, table
from heatproof.report.training_charts import accuracy_chart, loss_charts

__all__ = ["render", "write"]


@dataclass(frozen=True)
class _Section:
    """Charts under one heading, or the sentence that says why there are none."""

    name: str
    title: str
    text: str
    charts: tuple[Chart, ...]
    absent: str

    @property
    def across(self) -> int:
        """How many charts stand in a row on a wide screen: 1, 2 or 3, so that no row holds one alone."""
        count = len(self.charts)
        return 2 if count == 4 else max(1, min(3, count))


def render(contents: ReportContents) -> str:
    """Return the page as one HTML document (about 0.95 MB, nearly all of it the Vega libraries).

    It holds the table, what is proved and of which classifier, the charts, the gallery or the decision
    field where there is one, and for each run its configuration and surroundings. Parts that are missing
    say so, with the command that measures them.

    Cost: about two seconds for three runs of 500 inputs. Errors: `InputError` for no runs, and for numbers
    that `table`, `field_charts` or `gallery` refuse.
    """
    return render_template(
        "report.html",
        contents=contents,
        headline=headline(contents),
        parts=table(contents).parts(),
        missing=missing_parts(contents),
        promises=promises(contents),
        sections=_sections(contents),
        gallery=gallery(contents),
        runs=list(zip(run_labels(contents), contents.runs, strict=True)),
    )


def write(contents: ReportContents, path: str | os.PathLike[str]) -> Path:
    """Write the page to `path` at once: readers see the old file or the whole new one. Return the path.

    Errors: those of `render`; `InputError` if the folder does not exist or `path` is a folder;
    `StorageError` if it cannot be written, which leaves an older page as it was.
    """
    target = check_place(path)
    return write_page(render(contents), target)


def _sections(contents: ReportContents) -> tuple[_Section, ...]:
    certified = certified_chart(contents)
    accuracies = accuracy_chart(contents)
    fields = field_charts(contents)
    proved = _Section(
        "proved", "Proved", "", (certified,) if certified else (), "Certified accuracy: not measured."
    )
    attacked = _Section(
        "attacked", "Under attack", "", robust_charts(contents), "Robust accuracy: not measured."
    )
    decided = _Section(
        "field",
        "Decision field",
        "The network in one pass over the plane: colour is the class, strength its probability; the dots "
        "are training points.",
        fields,
        "",
    )
    trained = _Section(
        "trained",
        "Training",
        "The loss and its parts by epoch, a chart a run; accuracies of all runs together.",
        (*loss_charts(contents), *((accuracies,) if accuracies else ())),
        "Training curves: not recorded.",
    )
    return (proved, attacked, *((decided,) if fields else ()), trained)
