"""Specifications of the charts, the pictures of the gallery, and the PNG."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from heatproof._intervals import proportion
from heatproof.errors import InputError
from heatproof.report._style import RUN_COLOURS, legend_width, theme
from heatproof.report.charts import certified_chart, robust_charts
from heatproof.report.contents import CurvePoint, ReportContents, RobustPoint
from heatproof.report.images import gallery, png_address
from heatproof.report.picture import picture
from heatproof.report.planar import field_charts, field_pixels
from heatproof.report.summary import certified_accuracy
from heatproof.report.training_charts import accuracy_chart, loss_charts


def _values(spec: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the rows of the first data set in a specification whose rows have `key`."""
    views = [spec, *spec.get("layer", [])]
    sets = [view["data"]["values"] for view in views if "data" in view]
    return next(rows for rows in sets if rows and key in rows[0])


def _rgb(colour: str) -> list[int]:
    return [int(colour[place : place + 2], 16) for place in (1, 3, 5)]


def test_certified_chart_holds_the_exact_curve(image_contents: ReportContents) -> None:
    chart = certified_chart(image_contents)
    assert chart is not None
    run = image_contents.runs[2]
    rows = [row for row in _values(chart.spec, "share") if row["run"] == run.name]
    assert [row["radius"] for row in rows] == sorted(row["radius"] for row in rows)
    for row in rows[1:-1:17]:
        exact = certified_accuracy(run.certified, math.nextafter(row["radius"], math.inf))
        assert (row["share"], row["low"], row["high"]) == pytest.approx(
            (exact.value, exact.low, exact.high), abs=1e-5
        )
    assert rows[-1]["share"] == 0


def test_every_chart_gives_a_run_the_same_place_in_the_palette(image_contents: ReportContents) -> None:
    names = [run.name for run in image_contents.runs]
    charts = [certified_chart(image_contents), *robust_charts(image_contents), *loss_charts(image_contents)]
    charts.append(accuracy_chart(image_contents))
    for chart in charts:
        assert chart is not None
        text = json.dumps(chart.spec, ensure_ascii=False)
        assert json.dumps({"scale": {"domain": names}}, ensure_ascii=False)[1:-1] in text
        assert chart.spec["width"] == "container"
        assert "config" not in chart.spec


def test_robust_charts_begin_at_natural_accuracy(image_contents: ReportContents) -> None:
    euclidean, largest = robust_charts(image_contents)
    assert (euclidean.title, largest.title) == ("Robust accuracy, ℓ2", "Robust accuracy, ℓ∞")
    rows = [row for row in _values(largest.spec, "share") if row["run"] == "natural"]
    assert [row["radius"] for row in rows] == [0.0, 0.1, 0.2, 0.3]
    assert rows[0]["share"] == 488 / 500


def test_a_measured_radius_zero_is_not_doubled(image_contents: ReportContents) -> None:
    point = RobustPoint("l2", 0.0, proportion(3, 4), "none")
    contents = replace(image_contents, runs=(replace(image_contents.runs[0], robust=(point,)),))
    (chart,) = robust_charts(contents)
    assert [row["share"] for row in _values(chart.spec, "share")] == [0.75]


def test_losses_and_accuracies_part_ways(image_contents: ReportContents) -> None:
    charts = loss_charts(image_contents)
    assert [chart.title for chart in charts] == [run.name for run in image_contents.runs]
    parts = {row["part"] for row in _values(charts[2].spec, "part")}
    assert parts == {"total", "natural", "residual"}
    accuracies = accuracy_chart(image_contents)
    assert accuracies is not None
    assert {row["part"] for row in _values(accuracies.spec, "part")} == {
        "train accuracy",
        "validation accuracy",
    }


def test_the_loss_axis_is_logarithmic_only_where_it_can_be(image_contents: ReportContents) -> None:
    def kind(*totals: float) -> str:
        curves = tuple(CurvePoint(place, {"total": total}) for place, total in enumerate(totals))
        (chart,) = loss_charts(
            replace(image_contents, runs=(replace(image_contents.runs[0], curves=curves),))
        )
        return str(chart.spec["encoding"]["y"]["scale"]["type"])

    assert kind(10.0, 0.1) == "log"
    assert kind(1.0, 0.5) == "linear"
    assert kind(10.0, 0.0) == "linear"
    assert kind(10.0, float("nan"), float("inf"), 0.1) == "log"


def test_nothing_measured_gives_no_charts(empty_contents: ReportContents) -> None:
    assert certified_chart(empty_contents) is None
    assert accuracy_chart(empty_contents) is None
    assert robust_charts(empty_contents) == loss_charts(empty_contents) == field_charts(empty_contents) == ()
    assert gallery(empty_contents) == ()


def test_the_field_is_coloured_by_class_and_strong_where_sure(planar_contents: ReportContents) -> None:
    field = planar_contents.runs[0].decision_field
    assert field is not None
    pixels = field_pixels(field)
    assert pixels.shape == (*field.probabilities.shape[:2], 4)
    top = field.probabilities[-1]
    assert pixels[0, 0, :3].tolist() == _rgb("#4477aa" if top[0].argmax() == 0 else "#ee6677")
    unsure, sure = np.abs(top[:, 0] - 0.5).argmin(), np.abs(top[:, 0] - 0.5).argmax()
    assert pixels[0, unsure, 3] < pixels[0, sure, 3]


def test_the_field_keeps_its_shape_and_thins_its_points(planar_contents: ReportContents) -> None:
    field = planar_contents.runs[0].decision_field
    assert field is not None
    many = replace(field, points=np.tile(field.points, (9, 1)), labels=np.tile(field.labels, 9))
    contents = replace(planar_contents, runs=(replace(planar_contents.runs[0], decision_field=many),))
    (chart,) = field_charts(contents)
    assert chart.aspect == pytest.approx(3.5 / 4.5)
    assert len(_values(chart.spec, "class")) == 675
    assert {row["class"] for row in _values(chart.spec, "class")} == {"upper moon", "lower moon"}


@pytest.mark.parametrize("what", ["nan", "label", "line"])
def test_a_bad_field_is_refused(planar_contents: ReportContents, what: str) -> None:
    field = planar_contents.runs[0].decision_field
    assert field is not None
    bad = {
        "nan": replace(field, probabilities=np.full_like(field.probabilities, np.nan)),
        "label": replace(field, labels=field.labels + 2),
        "line": replace(field, horizontal=np.zeros_like(field.horizontal)),
    }[what]
    with pytest.raises(InputError, match="decision_field: got "):
        field_charts(replace(planar_contents, runs=(replace(planar_contents.runs[0], decision_field=bad),)))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures_keep_their_pixels(channels: int) -> None:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, channels), dtype=np.uint8)
    address = png_address(pixels, 20)
    head, _, data = address.partition(",")
    assert head == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.size == (32, 20)
        found = np.asarray(image).reshape(20, 32, channels)
    assert (found[::4, ::4] == pixels).all()
    assert (found[3::4, 3::4] == pixels).all()


@pytest.mark.parametrize("shape", [(8, 8, 2), (0, 8, 1), (8, 0, 3)])
def test_other_shapes_are_no_pictures(shape: tuple[int, int, int]) -> None:
    with pytest.raises(InputError, match=r"pixels: got .* 1, 3 or 4 channels"):
        png_address(np.zeros(shape, dtype=np.uint8))


def test_a_card_gathers_the_runs(image_contents: ReportContents) -> None:
    cards = gallery(image_contents)
    assert [card.index for card in cards] == list(range(10))
    assert [verdict.text for verdict in cards[3].verdicts] == [
        "abstained",
        "3, radius 0.819",
        "3, radius 1.019",
    ]
    assert [verdict.remark for verdict in cards[7].verdicts] == ["wrong"] * 3
    assert [verdict.remark for verdict in cards[3].verdicts] == [""] * 3
    assert [verdict.number for verdict in cards[0].verdicts] == [0, 1, 2]


def test_different_pixels_are_different_cards(image_contents: ReportContents) -> None:
    first, second = image_contents.runs[:2]
    other = tuple(replace(image, pixels=255 - image.pixels) for image in second.gallery)
    contents = replace(image_contents, runs=(first, replace(second, gallery=other)))
    assert len(gallery(contents)) == 20


def test_the_picture_is_a_png_with_the_runs_colours(image_contents: ReportContents) -> None:
    from PIL import Image

    with Image.open(io.BytesIO(picture(image_contents, scale=1.0))) as image:
        assert image.format == "PNG"
        width, height = image.size
        colours = {colour for _, colour in image.convert("RGB").getcolors(width * height) or []}
    assert width > 2 * height > 600
    for colour in RUN_COLOURS["light"][:3]:
        assert tuple(_rgb(colour)) in colours


def test_no_picture_of_nothing(empty_contents: ReportContents) -> None:
    with pytest.raises(InputError, match="contents: got nothing measured"):
        picture(empty_contents)


def _luminance(colour: str) -> float:
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in _rgb(colour))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(("name", "ground"), [("light", "#ffffff"), ("dark", "#161b22")])
def test_colours_stand_out_from_the_ground(name: str, ground: str) -> None:
    """Contrast at least 3 for lines and 4.5 for words (WCAG 2.2, 1.4.11 and 1.4.3)."""

    def contrast(colour: str) -> float:
        dark, light = sorted((_luminance(colour), _luminance(ground)))
        return (light + 0.05) / (dark + 0.05)

    assert min(map(contrast, RUN_COLOURS[name])) >= 3.0
    assert len(set(RUN_COLOURS[name])) == 8
    axis = theme(name)["axis"]
    assert min(contrast(axis["labelColor"]), contrast(axis["titleColor"])) >= 4.5
    assert min(axis["labelFontSize"], theme(name)["legend"]["labelFontSize"]) >= 12


def test_legend_entries_are_measured_up_to_their_limit() -> None:
    assert legend_width(["a", "abcd"]) == 4 * 8 + 36
    assert legend_width(["x" * 500]) == 250 + 36


@pytest.mark.parametrize("radii", [(0.25, 0.5, 0.75), (0.05, 0.1), (8 / 255, 16 / 255)])
def test_the_axis_of_an_attack_names_its_radii_exactly(
    image_contents: ReportContents, radii: tuple[float, ...]
) -> None:
    """A tick at 0.25 that says 0.3 would be a wrong number on the page."""
    import vl_convert

    points = tuple(RobustPoint("l2", radius, proportion(40, 50), "PGD") for radius in radii)
    run = replace(image_contents.runs[0], robust=points)
    (chart,) = robust_charts(replace(image_contents, runs=(run,)), interactive=False)
    picture = vl_convert.vegalite_to_svg({**chart.spec, "width": 400})
    words = set(re.findall(r">([^<>]+)</text>", picture))
    assert {f"{radius:.6g}" for radius in radii} <= words
