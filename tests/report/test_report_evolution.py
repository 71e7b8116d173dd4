"""The page of an evolution: its figures, its slider in a real browser, and contents that are refused."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from heatproof.errors import InputError
from heatproof.report.evolution import EvolutionContents, _pixels, render_evolution

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


def test_pictures_have_the_first_axis_to_the_right_and_the_second_upwards() -> None:
    frame = np.zeros((3, 2))  # (x₁, x₂)
    frame[2, 1] = 1.0  # to the right, above
    pixels = _pixels(frame, 0.0, 1.0)
    assert pixels.shape == (2, 3, 4)  # rows from above, columns from the left
    brightest = np.unravel_index(pixels[..., 0].argmax(), (2, 3))
    assert tuple(map(int, brightest)) == (0, 2)
    assert pixels[0, 2, :3].tolist() == [253, 231, 37]
    assert pixels[1, 0, :3].tolist() == [68, 1, 84]


def test_at_any_time_one_frame_is_shown(line: EvolutionContents) -> None:
    """The page keeps the frames within half a step of the slider: one, or two where it stands between."""
    page = render_evolution(line)
    found = re.search(r"abs\(datum\.t - time\) (?:<|\\u003c)= ([0-9.]+)", page)
    assert found is not None
    reach = float(found.group(1))
    for time in np.linspace(0, 1, 41):
        shown = int((np.abs(TIMES - time) <= reach).sum())
        assert shown == 1 or (shown == 2 and round(8 * time) % 2 == 1)


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
    page.set_default_timeout(120_000)  # a busy machine
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
