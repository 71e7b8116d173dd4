"""The page of a study in a real Chromium: offline, quiet, every chart drawn, readable on a telephone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from heatproof._types import no_progress
from heatproof.studies import Radius, Summary, run_study
from heatproof.studies.radius import drift, half_spaces, regions

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

_MARKS = """() => [...document.querySelectorAll(".chart")].map(
  (place) => place.querySelectorAll("svg .role-mark path, svg .role-mark line").length)"""

_STUBS = """() => [...document.querySelectorAll("tbody .stub")].map((cell) => cell.offsetWidth)"""


@pytest.fixture(scope="module")
def summary() -> Summary:
    """Return the parts of `radius` that are quick and have charts."""
    changes = {
        "dimensions": (1, 64),
        "sigmas": (0.25,),
        "plane_points": 12,
        "rates": (1.0,),
        "grid_cells": 40,
    }
    study = Radius.quick().model_copy(update=changes)
    parts = [
        part.summarise(study, {cell.key: cell.run(no_progress) for cell in part.cells(study)})
        for part in (half_spaces, regions, drift)
    ]
    return Summary(
        tuple(verdict for part in parts for verdict in part.verdicts),
        tuple(section for part in parts for section in part.sections),
    )


@pytest.fixture
def written(squares: Any, summary: Summary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a page with these parts."""
    monkeypatch.setattr(squares, "summarise", lambda *_: summary)
    return run_study(squares(), tmp_path / "s").folder.page


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_drawn_quiet_and_readable(
    browser: Browser, written: Path, summary: Summary, width: int, scheme: Any
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    page, said, asked = context.new_page(), [], []
    page.set_default_timeout(120_000)  # a busy machine
    page.on("console", lambda line: said.append(line.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(written.as_uri())
    page.wait_for_selector(f"html[data-drawn={scheme}]", timeout=60_000)
    marks = page.evaluate(_MARKS)
    assert len(marks) == sum(len(section.charts) for section in summary.sections) >= 4
    assert min(marks) >= 5, marks
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".verdict").count() == len(summary.verdicts)
    assert min(page.evaluate(_STUBS)) >= 100  # a name is not broken after every letter
    assert page.locator("table").count() == sum(len(section.tables) for section in summary.sections)
    for one in page.locator("summary").all():
        one.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    context.close()
