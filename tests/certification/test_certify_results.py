"""The certificates as one object: a list, numbers over inputs, tables, pictures."""

from __future__ import annotations

import builtins
import copy
import dataclasses
import itertools
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heatproof._intervals import proportion
from heatproof.certification import (
    Certificate,
    CertificationSettings,
    export_certificates,
    guarantee,
    make_certificate,
)
from heatproof.certification._chart import certified_steps
from heatproof.certification._view import as_html, round_radii
from heatproof.certification.results import Certificates
from heatproof.errors import DependencyError, InputError, UnknownNameError


@pytest.fixture
def certificates(some_certificates: list[Certificate]) -> Certificates:
    """Return six, of which the fourth abstained, with labels 0, 1, 2, 0, 1, 2."""
    return Certificates(some_certificates)


@pytest.fixture
def unlabelled(some_certificates: list[Certificate]) -> Certificates:
    return Certificates(dataclasses.replace(one, target=None) for one in some_certificates)


def _with_radii(radii: Sequence[float]) -> Certificates:
    """Return certificates of these ℓ2 radii, all answered right."""
    settings = CertificationSettings.from_mapping(
        {
            "noise": {"name": "gaussian", "noise_std": 0.5},
            "estimation_samples": 90,
            "selection_samples": 1,
            "unit": 1e-5,
            "dimension": 4,
        }
        | {"classes": 2}
    )
    one = make_certificate(
        settings,
        index=0,
        selection_counts=np.asarray([1, 0]),
        estimation_counts=np.asarray([90, 0]),
        rounding=0.0,
        target=0,
    )
    return Certificates(
        dataclasses.replace(one, index=number, radii={"l2": radius, "l1": radius})
        for number, radius in enumerate(radii)
    )


class TestList:
    def test_it_is_a_list(self, certificates: Certificates, some_certificates: list[Certificate]) -> None:
        assert len(certificates) == 6
        assert list(certificates) == some_certificates
        assert certificates[2] is some_certificates[2]
        assert certificates[-1] is some_certificates[-1]
        assert some_certificates[3] in certificates
        assert certificates.index(some_certificates[3]) == 3
        assert [one.index for one in reversed(certificates)] == [50, 40, 30, 20, 10, 0]
        with pytest.raises(IndexError):
            certificates[6]

    def test_slices_are_certificates(self, certificates: Certificates) -> None:
        assert isinstance(certificates[1:3], Certificates)
        assert certificates[1:3] == certificates[:3][1:]
        assert len(certificates[9:]) == 0

    def test_equality(self, certificates: Certificates, some_certificates: list[Certificate]) -> None:
        assert certificates == Certificates(iter(some_certificates))
        assert certificates == some_certificates
        assert certificates == tuple(some_certificates)
        assert certificates != certificates[:5]
        assert certificates != "six"
        assert copy.deepcopy(certificates) == certificates
        with pytest.raises(TypeError, match="unhashable"):
            hash(certificates)

    def test_it_cannot_be_changed(self, certificates: Certificates) -> None:
        with pytest.raises(TypeError):
            certificates[0] = certificates[1]  # type: ignore[index]
        with pytest.raises(AttributeError):
            certificates.extra = 1  # type: ignore[attr-defined]

    def test_of_one_certification_only(self, some_certificates: list[Certificate]) -> None:
        other = some_certificates[0].settings.model_copy(update={"alpha": 0.5})
        mixed = [*some_certificates, dataclasses.replace(some_certificates[0], settings=other)]
        with pytest.raises(InputError, match=r"^certificates: got several settings"):
            Certificates(mixed)


class TestNumbers:
    def test_by_hand(self, certificates: Certificates) -> None:
        right = [one for one in certificates if one.correct]
        assert 0 < len(right) < 6
        assert certificates.certified_accuracy(0.0) == proportion(len(right), 6)
        assert certificates.certified_fraction(0.0) == proportion(5, 6)
        assert certificates.abstained == proportion(1, 6)
        mean = sum(one.radii["l2"] for one in right) / 6
        assert certificates.average_certified_radius() == pytest.approx(mean, rel=1e-12)
        assert certificates.average_certified_radius("linf") == pytest.approx(mean / 2, rel=1e-12)  # d = 4
        assert certificates.radii()[3] == 0.0

    @given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.5]), min_size=1, max_size=12))
    def test_an_input_counts_up_to_its_radius_and_no_further(self, radii: list[float]) -> None:
        found = _with_radii(radii)
        for radius in (0.0, 0.25, 0.3, 0.5, math.nextafter(0.5, 1), 2.0):
            kept = sum(own >= radius for own in radii)
            assert found.certified_accuracy(radius).successes == kept
            assert found.certified_fraction(radius, "l1") == found.certified_accuracy(radius)

    def test_wrong_answers_count_nowhere(self, certificates: Certificates) -> None:
        wrong = Certificates(dataclasses.replace(one, target=one.candidate + 1) for one in certificates)
        assert wrong.certified_accuracy(0.0).successes == 0
        assert wrong.average_certified_radius() == 0.0
        assert wrong.certified_fraction(0.0).successes == 5

    def test_without_labels(self, unlabelled: Certificates) -> None:
        assert not unlabelled.has_labels
        assert unlabelled.certified_fraction(0.0).successes == 5
        with pytest.raises(InputError, match=r"^certified_accuracy: got 6 of 6 inputs without their label"):
            unlabelled.certified_accuracy(0.0)
        with pytest.raises(InputError, match=r"^average_certified_radius: .*radii\(\)\.mean\(\)"):
            unlabelled.average_certified_radius()

    def test_labels_of_some_are_labels_of_none(
        self, certificates: Certificates, unlabelled: Certificates
    ) -> None:
        mixed = Certificates([*certificates[:2], *unlabelled[2:]])
        with pytest.raises(InputError, match=r"got 4 of 6 inputs without their label"):
            mixed.certified_accuracy(0.0)
        assert "answered right" not in str(mixed)

    def test_wrong_calls(self, certificates: Certificates) -> None:
        with pytest.raises(UnknownNameError, match=r"^norm: got 'l3'; allowed: l1, l2, linf"):
            certificates.certified_accuracy(0.1, norm="l3")
        for radius in (-0.1, math.nan, math.inf):
            with pytest.raises(InputError, match=r"^radius: got"):
                certificates.certified_accuracy(radius)

    def test_none(self) -> None:
        none = Certificates()
        assert str(none) == "no certificates"
        assert none._repr_html_() == "<p>no certificates</p>"
        for call in (
            lambda: none.settings,
            lambda: none.guarantee,
            lambda: none.abstained,
            none.radii,
            lambda: none.certified_accuracy(0.0),
            lambda: none.certified_fraction(0.0),
            none.average_certified_radius,
            none.plot,
        ):
            with pytest.raises(InputError, match=r"^certificates: got none; allowed: at least one"):
                call()

    def test_all_abstained(self, some_certificates: list[Certificate]) -> None:
        only = Certificates([some_certificates[3]] * 3)
        assert only.abstained.value == 1.0
        assert only.average_certified_radius() == 0.0
        assert "radius ≥" not in str(only)
        assert only.plot().to_dict()
        assert only._repr_html_()

    def test_what_they_promise(self, certificates: Certificates) -> None:
        assert certificates.settings is certificates[0].settings
        assert certificates.guarantee == guarantee(certificates.settings)


class TestTables:
    def test_pandas(self, certificates: Certificates) -> None:
        pytest.importorskip("pandas")
        table = certificates.to_pandas()
        assert list(table.columns[:5]) == ["input", "target", "one_pass", "label", "correct"]
        assert {"radius_l1", "radius_l2", "radius_linf", "p_lower", "noise_std", "alpha"} <= {*table.columns}
        assert table["input"].tolist() == [0, 10, 20, 30, 40, 50]
        assert table["label"].tolist() == [one.label for one in certificates]
        assert table["radius_l2"].tolist() == certificates.radii().tolist()
        assert len(Certificates().to_pandas()) == 0

    def test_without_pandas(self, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
        really = builtins.__import__

        def refuse(name: str, *rest: Any, **named: Any) -> Any:
            if name == "pandas":
                raise ImportError(name)
            return really(name, *rest, **named)

        monkeypatch.setattr(builtins, "__import__", refuse)
        with pytest.raises(DependencyError, match=r"^to_pandas: .*pip install 'heatproof\[pandas\]'"):
            certificates.to_pandas()

    def test_export(self, certificates: Certificates, tmp_path: Path) -> None:
        certificates.export(str(tmp_path / "own.parquet"))
        export_certificates(list(certificates), tmp_path / "other.parquet")
        read = [pyarrow.parquet.read_table(tmp_path / f"{name}.parquet") for name in ("own", "other")]
        assert read[0].equals(read[1])
        with pytest.raises(InputError, match=r"^export: got 'own\.xlsx'"):
            certificates.export("own.xlsx")

    def test_text(self, certificates: Certificates) -> None:
        lines = str(certificates).splitlines()
        assert lines[0] == (
            "6 inputs, fixed n, 110 draws an input, alpha 0.01 per input; 95 % intervals over inputs"
        )
        assert lines[1].split() == ["answered", "right", *str(certificates.certified_accuracy(0.0)).split()]
        assert lines[2].split()[0] == "abstained"
        assert lines[3].startswith("  average certified radius, ℓ2  ")
        assert f"{certificates.average_certified_radius():.3f} [" in lines[3]
        assert all("answered right, ℓ2 radius ≥ 0." in line for line in lines[4:-1])
        assert 2 <= len(lines[4:-1]) <= 4
        assert lines[-1] == certificates.guarantee
        assert repr(certificates) == "Certificates(6 inputs)"
        assert str(certificates[:1]).startswith("1 input,")

    def test_html_is_the_same_table(self, certificates: Certificates, unlabelled: Certificates) -> None:
        for shown in (certificates, unlabelled):
            root = ET.fromstring(f"<div>{shown._repr_html_()}</div>")
            rows = [tuple("".join(cell.itertext()) for cell in line) for line in root.iter("tr")]
            text = str(shown)
            assert len(rows) == len(text.splitlines()) - 2
            assert all(what in text and value in text for what, value in rows)
            (note,) = root.iter("small")
            assert note.text == shown.guarantee
            assert {element.tag for element in root.iter()} <= {
                *("div", "table", "caption", "tbody", "tr", "th", "td", "p", "small")
            }

    def test_html_is_escaped(self) -> None:
        page = as_html("<script>1</script>", [("<b>", "a & b")], 'say "<i>"')
        assert "<script>" not in page
        assert "<b>" not in page
        assert "<i>" not in page
        assert "a &amp; b" in page

    @given(st.lists(st.floats(0, 1e6), min_size=1, max_size=9))
    def test_round_radii(self, reach: list[float]) -> None:
        found = round_radii(np.asarray(reach, dtype=np.float64))
        assert len(found) <= 4
        assert list(found) == sorted(set(found))
        assert all(0 < radius <= max(reach) * (1 + 1e-6) for radius in found)
        assert bool(found) or max(reach) == 0

    def test_round_radii_of_what_has_no_end(self) -> None:
        assert round_radii(np.asarray([0.9, math.inf])) == (0.25, 0.5, 0.75)
        assert round_radii(np.asarray([math.inf])) == ()


class TestPicture:
    def test_a_notebook_can_show_it(self, certificates: Certificates) -> None:
        chart = certificates.plot("linf")
        assert hasattr(chart, "_repr_mimebundle_")
        text = json.dumps(chart.to_dict(), ensure_ascii=False)
        assert "ℓ∞ radius" in text
        assert "certified accuracy" in text

    def test_without_labels(self, unlabelled: Certificates) -> None:
        assert "certified fraction" in json.dumps(unlabelled.plot().to_dict())
        with pytest.raises(UnknownNameError):
            unlabelled.plot("l7")

    def test_it_can_be_drawn(self, certificates: Certificates, tmp_path: Path) -> None:
        certificates.plot().save(str(tmp_path / "chart.svg"))
        assert (tmp_path / "chart.svg").read_text(encoding="utf-8").startswith("<svg")

    @given(st.lists(st.floats(0, 5, allow_subnormal=False), max_size=30), st.integers(0, 9))
    def test_steps_are_the_curve(self, kept: list[float], others: int) -> None:
        trials = max(1, len(kept) + others)
        points = certified_steps(np.asarray(kept, dtype=np.float64), trials)
        assert points[0]["radius"] == 0
        assert points[-1]["share"] == 0 or not kept
        for before, point in itertools.pairwise(points):
            assert before["radius"] < point["radius"]
            for radius in (math.nextafter(before["radius"], math.inf), point["radius"]):
                share = sum(own >= radius for own in kept) / trials
                assert point["share"] == pytest.approx(share, abs=1e-5)
        assert all(point["low"] <= point["share"] <= point["high"] for point in points)

    def test_many_steps_are_thinned_from_below(self) -> None:
        kept = np.random.default_rng(0).random(3_001)
        points = certified_steps(kept, 4_000)
        assert len(points) <= 403
        for before, point in itertools.pairwise(points):
            middle = (before["radius"] + point["radius"]) / 2
            true = float((kept >= middle).mean()) * 3_001 / 4_000
            assert point["share"] <= true + 1e-5
            assert point["share"] > true - 20 / 4_000
