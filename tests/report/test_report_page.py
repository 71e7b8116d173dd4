"""The page as text: whole, self-contained, escaped, and written at once."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from heatproof.errors import InputError, StorageError
from heatproof.report.contents import ReportContents
from heatproof.report.page import render, write
from heatproof.report.sentences import headline, promises
from heatproof.report.table import table

_VOID = {"meta", "img", "br", "link", "input", "hr"}


class _Reader(HTMLParser):
    """Collects tags, attributes and texts, and checks that every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        elif data.strip():
            self.texts.append(data.strip())

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))


def test_the_page_holds_the_table(image_contents: ReportContents) -> None:
    reader = _Reader(render(image_contents))
    for row in table(image_contents).rows:
        assert row.label in reader.text
        for cell in row.cells:
            assert cell.text in reader.texts
            assert not cell.detail or cell.detail in reader.texts


def test_the_page_says_which_classifier_is_certified(image_contents: ReportContents) -> None:
    text = _Reader(render(image_contents)).text
    assert "Measured under attack: the network in one pass" in text
    assert "Proved: the smoothed classifier" in text
    assert "A radius says nothing of the network in one pass" in text
    assert image_contents.runs[0].classifier in text
    assert image_contents.runs[0].guarantee in text


def test_each_run_shows_its_surroundings(image_contents: ReportContents) -> None:
    reader = _Reader(render(image_contents))
    assert sum(tag == "details" for tag, _ in reader.tags) == 3
    for run in image_contents.runs:
        assert run.config_yaml.strip() in reader.texts
        assert all(value in reader.text for pair in run.environment.items() for value in pair)
        assert all(note in reader.text for note in run.notes)


def test_charts_are_json_and_the_libraries_come_once(image_contents: ReportContents) -> None:
    page = render(image_contents)
    reader = _Reader(page)
    blocks = [text for attributes, text in reader.scripts if attributes.get("type") == "application/json"]
    specs = [json.loads(block) for block in blocks]
    charts = [spec for spec in specs if "$schema" in spec]
    places = {attributes.get("id") for _, attributes in reader.tags if attributes.get("class") == "chart"}
    named = {a.get("data-chart") for a, _ in reader.scripts if a.get("class") == "specification"}
    assert len(charts) == len(places) == 7
    assert places == named
    assert page.count("window.vegaEmbed = vegaEmbed") + page.count("window.vegaEmbed=") == 1


def test_nothing_points_outside(image_contents: ReportContents, planar_contents: ReportContents) -> None:
    for contents in (image_contents, planar_contents):
        reader = _Reader(render(contents))
        for tag, attributes in reader.tags:
            assert tag not in {"link", "iframe", "object", "embed", "base"}
            for name in ("src", "href", "action", "srcset", "data"):
                assert (attributes.get(name) or "data:").startswith("data:image/png;base64,") or (
                    name not in attributes
                )


def test_the_policy_names_exactly_the_pages_scripts(image_contents: ReportContents) -> None:
    reader = _Reader(render(image_contents))
    policy = next(
        a["content"] or "" for tag, a in reader.tags if a.get("http-equiv") == "Content-Security-Policy"
    )
    own = [text for attributes, text in reader.scripts if "type" not in attributes]
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(t.encode()).digest()).decode()}'" for t in own]
    assert len(own) == 2
    assert re.findall(r"'sha256-[^']*'", policy) == hashes
    assert "default-src 'none'" in policy
    assert "script-src" in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]


def test_names_and_texts_cannot_leave_their_place(hostile_contents: ReportContents) -> None:
    reader = _Reader(render(hostile_contents))
    assert len(reader.scripts) == 2 + 1 + sum(a.get("class") == "specification" for a, _ in reader.scripts)
    assert not any("alert" in text for a, text in reader.scripts if "type" not in a)
    for tag, attributes in reader.tags:
        assert not any(name.startswith("on") for name in attributes)
        assert tag not in {"b", "i"} or set(attributes) <= {"class"}
        assert tag != "img" or (attributes.get("src") or "").startswith("data:image/png")
    for word in (hostile_contents.title, hostile_contents.runs[0].name, hostile_contents.runs[0].guarantee):
        assert word in reader.text
    assert "{{ 7 * 7 }}<b>" in reader.text
    for attributes, text in reader.scripts:
        if attributes.get("type") == "application/json":
            assert "<" not in text
            json.loads(text)


def test_missing_parts_say_how_to_measure_them(empty_contents: ReportContents) -> None:
    reader = _Reader(render(empty_contents))
    assert "heatproof attack 'my runs/a'" in reader.texts
    assert "heatproof certify 'my runs/b'" in reader.texts
    assert "No run is certified, so nothing is proved here." in reader.texts
    assert "Certified accuracy: not measured." in reader.texts
    assert "not recorded" in reader.texts


def test_the_headline_names_the_best_and_doubts_where_intervals_meet(image_contents: ReportContents) -> None:
    first, second = headline(image_contents)
    assert first.startswith("Three classifiers side by side")
    assert "that of convection–diffusion: 1.406 in ℓ2, over 300 test inputs" in second
    assert "overlap" not in second
    same = replace(image_contents.runs[2], name="twin")
    assert "overlap" in headline(replace(image_contents, runs=(same, image_contents.runs[2])))[1]
    alone = headline(replace(image_contents, runs=image_contents.runs[:1]))
    assert alone[0].startswith("One classifier:")
    assert alone[1].startswith("The average certified radius of natural is 0.614")
    bare = replace(image_contents.runs[0], certified=())
    assert headline(replace(image_contents, runs=(bare,)))[1] == "Nothing is certified yet."


def test_one_promise_for_each_classifier(image_contents: ReportContents) -> None:
    other = replace(image_contents.runs[1], classifier="the equation's own heat flow")
    bare = replace(image_contents.runs[2], certified=())
    found = promises(replace(image_contents, runs=(image_contents.runs[0], other, bare)))
    assert [promise.runs for promise in found] == [(("natural", 0),), (("gaussian augmentation", 1),)]
    assert len(promises(image_contents)) == 1


def test_no_runs_make_no_page(image_contents: ReportContents) -> None:
    with pytest.raises(InputError, match="runs: got none"):
        render(replace(image_contents, runs=()))


def test_writing_replaces_at_once(empty_contents: ReportContents, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_text("old", encoding="utf-8")
    assert write(empty_contents, target) == target
    assert target.read_text(encoding="utf-8") == render(empty_contents)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_failed_write_keeps_the_old_page(
    empty_contents: ReportContents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "report.html"
    target.write_text("old", encoding="utf-8")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="cannot be written \\(No space left on device\\)"):
        write(empty_contents, target)
    assert target.read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_page_needs_a_place(empty_contents: ReportContents, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "report.html"):
        with pytest.raises(InputError, match=r"path: got .* a file in a folder that exists"):
            write(empty_contents, path)
