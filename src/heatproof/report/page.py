"""One self-contained HTML page: it opens without network, and asks for nothing but itself.

Every word from outside (names, labels, configuration) is escaped; data stands in JSON blocks with `<`
escaped; a content security policy with the hashes of the page's own scripts lets nothing else run.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from heatproof._check import message
from heatproof.errors import InputError, StorageError
from heatproof.report._style import RUN_COLOURS, Chart, theme
from heatproof.report.charts import certified_chart, robust_charts
from heatproof.report.contents import ReportContents
from heatproof.report.images import gallery
from heatproof.report.planar import field_charts
from heatproof.report.sentences import headline, promises
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
    libraries, drawing = _libraries(), _own("draw.js")
    page: str = _template().render(
        contents=contents,
        headline=headline(contents),
        parts=table(contents).parts(),
        missing=missing_parts(contents),
        promises=promises(contents),
        sections=_sections(contents),
        gallery=gallery(contents),
        runs=list(zip(run_labels(contents), contents.runs, strict=True)),
        themes={name: theme(name) for name in RUN_COLOURS},
        run_colours=RUN_COLOURS,
        libraries=libraries,
        drawing=drawing,
        policy=_policy(libraries, drawing),
        style=_own("style.css"),
    )
    return page


def write(contents: ReportContents, path: str | os.PathLike[str]) -> Path:
    """Write the page to `path` at once: readers see the old file or the whole new one. Return the path.

    Errors: those of `render`; `InputError` if the folder does not exist or `path` is a folder;
    `StorageError` if it cannot be written, which leaves an older page as it was.
    """
    target = Path(path)
    if target.is_dir() or not target.parent.is_dir():
        raise InputError(message("path", str(target), "a file in a folder that exists"), name="path")
    text = render(contents)
    waiting = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")
    try:
        with waiting.open("x", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        waiting.replace(target)
    except OSError as error:
        advice = "Choose another file: --out on the command line."
        raise StorageError(f"path: {target} cannot be written ({error.strerror}). {advice}") from error
    finally:
        with contextlib.suppress(OSError):
            waiting.unlink(missing_ok=True)
    return target


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


def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_own),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return environment.get_template("template.html")


def _own(name: str) -> str:
    """Return a text file of this folder; a script's hash is taken of exactly this text."""
    return files("heatproof.report").joinpath(name).read_text(encoding="utf-8")


@functools.cache
def _libraries() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script, in the version that altair writes for."""
    import altair as alt
    import vl_convert

    wanted = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    known = vl_convert.get_vegalite_versions()
    script = "window.vegaEmbed = vegaEmbed;"
    bundle: str = vl_convert.javascript_bundle(script, vl_version=wanted if wanted in known else None)
    return bundle.replace("</script", "<\\/script").replace("\r\n", "\n")


def _policy(*scripts: str) -> str:
    """Return a content security policy: own scripts by hash, pictures from data addresses, nothing else.

    Vega compiles its expressions with `Function`, hence 'unsafe-eval'; the hashes still keep out every
    script and event handler that a name might smuggle in.
    """
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    rules: Mapping[str, str] = {
        "default-src": "'none'",
        "script-src": f"{hashes} 'unsafe-eval'",
        "style-src": "'unsafe-inline'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())
