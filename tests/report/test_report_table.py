"""The table that the page and the terminal share."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heatproof._intervals import proportion
from heatproof.errors import InputError
from heatproof.report.cells import NOT_MEASURED, format_norm, format_radius, share_cell
from heatproof.report.contents import CertifiedInput, ReportContents
from heatproof.report.summary import average_radius, certified_accuracy
from heatproof.report.table import missing_parts, table

NAMES = [
    *("natural accuracy", "0.5", "1", "1.5", "2", "0.1", "0.2", "0.3"),
    *("0", "0.5", "1", "1.5", "2", "ACR", "abstentions", "agreement", "noise_std"),
    *("train", "attack", "certify"),
]


def test_columns_and_cells_stand_in_one_order(image_contents: ReportContents) -> None:
    result = table(image_contents)
    names = [name for group in result.groups for name in group.columns]
    assert names == NAMES
    assert [len(row.cells) for row in result.rows] == [len(NAMES)] * 3
    assert [row.label for row in result.rows] == [run.name for run in image_contents.runs]
    assert [row.number for row in result.rows] == [0, 1, 2]


def test_cells_hold_the_numbers_of_the_summary(image_contents: ReportContents) -> None:
    run = image_contents.runs[1]
    cells = dict(zip(NAMES[8:], table(image_contents).rows[1].cells[8:], strict=True))
    exact = certified_accuracy(run.certified, 0.5)
    assert (cells["0.5"].value, cells["0.5"].low, cells["0.5"].high) == (exact.value, exact.low, exact.high)
    assert cells["ACR"].value == average_radius(run.certified).value
    assert cells["abstentions"].value == sum(one.abstained for one in run.certified)
    assert cells["abstentions"].detail == "of 300"
    assert cells["noise_std"].text == "0.75"
    assert cells["train"].text == "30.4"
    natural = share_cell(run.natural)
    assert run.natural is not None
    detail = f"{natural.detail}, n = {run.natural.trials}"
    assert table(image_contents).rows[1].cells[0] == replace(natural, detail=detail)


def test_parts_split_by_classifier_and_lose_nothing(image_contents: ReportContents) -> None:
    whole = table(image_contents)
    parts = whole.parts()
    assert [len(part.rows[0].cells) for _, part in parts] == [8, 9, 3]
    assert "in one pass" in parts[0][0]
    assert "smoothed" in parts[1][0]
    for place, row in enumerate(whole.rows):
        assert tuple(cell for _, part in parts for cell in part.rows[place].cells) == row.cells
    assert sum(map(sum, (whole.starts,))) == len(whole.groups) - 1


def test_nothing_measured_says_so(empty_contents: ReportContents) -> None:
    cells = [cell for row in table(empty_contents).rows for cell in row.cells]
    assert {cell.text for cell in cells} == {NOT_MEASURED}
    assert all(cell.value is None for cell in cells)
    commands = [(part.run, part.command) for part in missing_parts(empty_contents)]
    assert commands == [
        ("a", "heatproof attack 'my runs/a'"),
        ("a", "heatproof certify 'my runs/a'"),
        ("b", "heatproof attack 'my runs/b'"),
        ("b", "heatproof certify 'my runs/b'"),
    ]


def test_only_what_is_missing_is_named(image_contents: ReportContents) -> None:
    assert missing_parts(image_contents) == ()
    first = replace(image_contents.runs[0], robust=(), folder="")
    (found,) = missing_parts(replace(image_contents, runs=(first,)))
    assert (found.what, found.command) == ("robust accuracy", "heatproof attack RUN")
    bare = replace(image_contents.runs[0], natural=None)
    (found,) = missing_parts(replace(image_contents, runs=(bare,)))
    assert found.what == "natural and robust accuracy"


def test_no_answers_have_no_agreement(image_contents: ReportContents) -> None:
    silent = tuple(replace(one, abstained=True) for one in image_contents.runs[0].certified)
    contents = replace(image_contents, runs=(replace(image_contents.runs[0], certified=silent),))
    assert table(contents).rows[0].cells[NAMES.index("agreement")].text == "no answers"


def test_one_input_has_an_average_without_interval(image_contents: ReportContents) -> None:
    one = (CertifiedInput(0, 1, 1, abstained=False, radius=0.25, agrees=True),)
    contents = replace(image_contents, runs=(replace(image_contents.runs[0], certified=one),))
    cell = table(contents).rows[0].cells[NAMES.index("ACR")]
    assert (cell.text, cell.detail, cell.low) == ("0.250", "", None)


def test_bad_contents_are_refused(image_contents: ReportContents) -> None:
    with pytest.raises(InputError, match="runs: got none"):
        table(replace(image_contents, runs=()))
    with pytest.raises(InputError, match=r"radii: got -1\.0"):
        table(replace(image_contents, radii=(-1.0,)))


def test_writing() -> None:
    assert share_cell(proportion(1, 3)).text == "33.3 %"
    assert share_cell(proportion(1, 3)).detail == "0.8 – 90.6"
    assert [format_norm(name) for name in ("l2", "Linf", "2", "new")] == ["ℓ2", "ℓ∞", "ℓ2", "new"]


@pytest.mark.parametrize(
    ("radius", "text"),
    [
        (0.0, "0.000"),
        (0.29, "0.290"),
        (0.31999, "0.319"),
        (1.9999999, "1.999"),
        (1e-9, "0.000"),
        (12, "12.000"),
    ],
)
def test_a_radius_is_rounded_down(radius: float, text: str) -> None:
    assert format_radius(radius) == text


@given(st.floats(0, 1e6))
def test_a_printed_radius_is_never_more_than_proved(radius: float) -> None:
    assert radius - 0.001 - 1e-9 <= float(format_radius(radius)) <= radius
