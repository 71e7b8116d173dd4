"""The page of an evolution: its figures, its slider in a real browser, and contents that are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from heatproof.errors import InputError
from heatproof.report.evolution import EvolutionContents, render_evolution

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TIMES = np.linspace(0.0, 1.0, 5)
X, Y = np.linspace(-2, 2, 21), np.linspace(-1, 1, 11)


@pytest.fixture
def line() -> EvolutionContents:
    exact = np.exp(-TIMES[:, None]) * np.cos(X)[None]
    words = (("solver", "<b>bold</b>"),)
    return EvolutionContents("Heat", "u_t = u_xx", "lead", TIMES, (X,), exact + 0.01, exact, words=words)


@pytest.fixture
def plane() -> EvolutionContents:
    exact = np.exp(-((X[:, None] - TIMES[:, None, None]) ** 2) - 4 * Y[None, None, :] ** 2)
    return EvolutionContents("Wind", "u_t = −u_x", "lead", TIMES, (X, Y), 0.9 * exact, exact)


def test_errors_are_the_largest_at_each_time(line: EvolutionContents, plane: EvolutionContents) -> None:
    assert line.errors == pytest.approx([0.01] * 5)
    assert plane.errors == pytest.approx([0.1 * plane.exact[i].max() for i in range(5)])


def test_words_from_outside_are_escaped(line: EvolutionContents) -> None:
    page = render_evolution(line)
    assert "<b>bold</b>" not in page
    assert "&lt;b&gt;bold&lt;/b&gt;" in page


def test_the_standard_error_is_said(line: EvolutionContents) -> None:
    assert "standard error of the mean over paths is 0.02" in render_evolution(
        replace(line, standard_error=np.full(line.found.shape, 0.02))
    )


@pytest.mark.parametrize(
    "change",
    [
        {"times": TIMES[:1], "found": np.ones((1, 21)), "exact": np.ones((1, 21))},
        {"axes": (X, Y)},
        {"found": np.full((5, 21), np.nan)},
    ],
)
def test_contents_that_do_not_fit_are_refused(line: EvolutionContents, change: dict[str, object]) -> None:
    with pytest.raises(InputError, match="evolution: got"):
        replace(line, **change)  # type: ignore[arg-type]


@pytest.mark.browser
@pytest.mark.parametrize(("name", "width"), [("line", 1200), ("plane", 390)])
def test_slider_and_button_move_the_charts(
    browser: Browser, request: pytest.FixtureRequest, tmp_path: Path, name: str, width: int
) -> None:
    contents = request.getfixturevalue(name)
    (tmp_path / "page.html").write_text(render_evolution(contents), encoding="utf-8")
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
    page, said = context.new_page(), list[str]()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_selector("html[data-drawn]", timeout=60_000)
    drawn = "() => [...document.querySelectorAll('#evolution svg')].map((svg) => svg.outerHTML).join()"
    first = page.evaluate(drawn)
    page.locator("input[type=range]").fill("0.5")
    page.wait_for_function(f"(first) => ({drawn})() !== first", arg=first)
    assert page.locator("output").text_content() == "0.500"
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("document.querySelector('input[type=range]').value === '1'")
    page.get_by_role("button", name="Play").wait_for()  # it has stopped by itself
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert said == []
    context.close()
