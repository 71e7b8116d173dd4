"""The page in a real Chromium: offline, without complaint, every chart drawn, readable on a telephone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from heatproof.report.page import write

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from heatproof.report.contents import ReportContents

pytestmark = pytest.mark.browser

_CHARTS = """() => [...document.querySelectorAll(".chart")].map((place) => {
  const svg = place.querySelector("svg");
  const box = svg ? svg.getBoundingClientRect() : { width: 0, height: 0 };
  const marks = [...place.querySelectorAll(".role-mark path, .role-mark image, .role-mark line")]
    .map((mark) => mark.getBoundingClientRect())
    .filter((mark) => mark.width + mark.height > 1);
  const words = [...place.querySelectorAll("svg text")].map((word) => word.getBoundingClientRect().right);
  const right = Math.max(0, ...words);
  return { id: place.id, svgs: place.querySelectorAll("svg").length, width: box.width, height: box.height,
    marks: marks.length, right, room: place.getBoundingClientRect().right };
})"""
_SMALLEST_TEXT = """() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const sizes = [];
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    const hidden = ["SCRIPT", "STYLE", "NOSCRIPT"].includes(parent.tagName);
    if (hidden || !walker.currentNode.textContent.trim()) continue;
    sizes.push(parseFloat(getComputedStyle(parent).fontSize));
  }
  return Math.min(...sizes);
}"""

_HEIGHTS = "rows => rows.map((row) => row.getBoundingClientRect().height)"

Opener = Callable[..., AbstractContextManager["_Visit"]]


@dataclass
class _Visit:
    """An open page and everything that it said or asked for."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def listen(self) -> None:
        self.page.on("console", lambda line: self.said.append(f"{line.type}: {line.text}"))
        self.page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("dialog", self._dismiss)

    def _dismiss(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def charts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.page.evaluate(_CHARTS)
        return found

    def check_quiet(self) -> None:
        assert self.said == []
        assert self.dialogs == []
        outside = [url for url in self.asked if not url.startswith(("file:", "data:", "blob:"))]
        assert outside == []
        assert sum(url.startswith("file:") for url in self.asked) == 1


@pytest.fixture
def visit(browser: Browser, tmp_path: Path) -> Opener:
    """Return a way to write contents to a page and open it, drawn, at a width in light or dark."""

    @contextmanager
    def open_page(contents: ReportContents, width: int = 1280, scheme: str = "light") -> Iterator[_Visit]:
        path = write(contents, tmp_path / "report.html")
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if scheme == "dark" else "light",
            offline=True,
        )
        visited = _Visit(context.new_page())
        visited.page.set_default_timeout(120_000)  # a busy machine
        visited.listen()
        visited.page.goto(path.as_uri())
        visited.page.wait_for_selector(f"html[data-drawn={scheme}]", timeout=30_000)
        yield visited
        context.close()

    return open_page


@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (390, "dark"), (1280, "dark"), (390, "light")]
)
@pytest.mark.parametrize("name", ["image_contents", "planar_contents", "hostile_contents"])
def test_drawn_quiet_and_readable(
    request: pytest.FixtureRequest, visit: Opener, name: str, width: int, scheme: str
) -> None:
    count = {"image_contents": 7, "planar_contents": 10, "hostile_contents": 13}[name]
    with visit(request.getfixturevalue(name), width, scheme) as visited:
        charts = visited.charts()
        assert len(charts) == count
        for chart in charts:
            assert chart["svgs"] == 1, chart
            assert chart["width"] > 0.6 * min(width, 400), chart
            assert chart["height"] > 100, chart
            assert chart["marks"] >= 1, chart
            assert chart["right"] <= chart["room"] + 20, chart
        assert visited.page.evaluate("document.documentElement.scrollWidth") <= width
        assert visited.page.evaluate(_SMALLEST_TEXT) >= 12
        assert max(visited.page.locator("tbody tr").evaluate_all(_HEIGHTS)) <= 120
        visited.check_quiet()


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_measured_is_a_quiet_page_too(
    visit: Opener, empty_contents: ReportContents, width: int
) -> None:
    with visit(empty_contents, width) as visited:
        assert visited.charts() == []
        assert visited.page.evaluate("document.documentElement.scrollWidth") <= width
        assert visited.page.get_by_text("heatproof certify 'my runs/a'").is_visible()
        visited.check_quiet()


def test_open_details_do_not_widen_the_page(visit: Opener, hostile_contents: ReportContents) -> None:
    with visit(hostile_contents, 390) as visited:
        for summary in visited.page.locator("summary").all():
            summary.click()
        assert visited.page.locator("details[open] pre").count() == 4
        assert visited.page.evaluate("document.documentElement.scrollWidth") <= 390
        assert visited.page.evaluate(_SMALLEST_TEXT) >= 12
        visited.check_quiet()


def test_hostile_names_are_shown_and_never_run(visit: Opener, hostile_contents: ReportContents) -> None:
    with visit(hostile_contents) as visited:
        page = visited.page
        assert page.evaluate("document.title") == hostile_contents.title
        assert page.locator("h1").inner_text() == hostile_contents.title
        for text in (hostile_contents.runs[0].name, hostile_contents.class_names[0]):
            assert page.locator("svg text", has_text=text).count() > 0
        assert page.locator("img:not([src^='data:image/png'])").count() == 0
        page.locator("#chart-2-3 .mark-symbol.role-mark path").nth(1).hover(force=True)
        page.wait_for_selector("#vg-tooltip-element.visible")
        assert hostile_contents.runs[0].name in page.locator("#vg-tooltip-element").inner_text()
        page.locator("#chart-3-1 .mark-symbol.role-mark path").last.hover(force=True)
        page.wait_for_selector("#vg-tooltip-element.visible td >> text=alert")
        assert page.locator("#vg-tooltip-element img, #vg-tooltip-element script").count() == 0
        visited.check_quiet()


def test_a_smuggled_script_is_stopped_by_the_policy(visit: Opener, empty_contents: ReportContents) -> None:
    """The negative control: even markup put in behind the escaping does not run."""
    with visit(empty_contents) as visited:
        visited.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=alert(1)>')")
        visited.page.evaluate(
            "document.body.appendChild(Object.assign(document.createElement('script'), {text: 'alert(2)'}))"
        )
        visited.page.wait_for_timeout(200)
        assert visited.dialogs == []
        assert any("Content Security Policy" in line for line in visited.said)


def test_charts_follow_the_theme_and_the_width(visit: Opener, image_contents: ReportContents) -> None:
    with visit(image_contents) as visited:
        page = visited.page
        page.emulate_media(color_scheme="dark")
        page.wait_for_selector("html[data-drawn=dark]", timeout=30_000)
        line = page.locator("#chart-1-1 .mark-line path").first
        assert line.get_attribute("stroke") == "#56a8e0"
        before = visited.charts()[0]["width"]
        page.set_viewport_size({"width": 600, "height": 900})
        page.wait_for_function(
            "before => document.querySelector('.chart svg')?.getBoundingClientRect().width < before / 2 + 120"
            " && document.documentElement.dataset.drawn",
            arg=before,
            timeout=30_000,
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= 600
        visited.check_quiet()


def test_the_table_scrolls_in_its_own_box_under_a_fixed_first_column(
    visit: Opener, image_contents: ReportContents
) -> None:
    with visit(image_contents, 390) as visited:
        box = visited.page.locator(".scroll").first
        stub = visited.page.locator(".scroll tbody .stub").first
        assert box.evaluate("box => box.scrollWidth > box.clientWidth")
        assert stub.evaluate("cell => cell.getBoundingClientRect().width") < 0.45 * 390
        left = stub.evaluate("cell => cell.getBoundingClientRect().left")
        box.evaluate("box => { box.scrollLeft = 200; }")
        assert box.evaluate("box => box.scrollLeft") == 200
        assert abs(stub.evaluate("cell => cell.getBoundingClientRect().left") - left) <= 1


def test_pointing_at_the_certified_curve_shows_its_numbers(
    visit: Opener, image_contents: ReportContents
) -> None:
    with visit(image_contents) as visited:
        visited.page.locator("#chart-1-1 svg").scroll_into_view_if_needed()
        box = visited.page.locator("#chart-1-1 svg").bounding_box()
        assert box is not None
        visited.page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
        visited.page.mouse.move(box["x"] + box["width"] / 3 + 4, box["y"] + box["height"] / 2 + 2)
        visited.page.wait_for_selector("#vg-tooltip-element.visible")
        text = visited.page.locator("#vg-tooltip-element").inner_text()
        assert "accuracy" in text
        assert "radius" in text
        visited.check_quiet()
