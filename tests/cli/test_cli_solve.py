"""`heatproof solve`: the list, a page, JSON, and wrong words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from heatproof.equation.problems import names
from heatproof.solvers import SOLVERS

Runner = Callable[..., tuple[int, str, str]]
Check = Callable[[tuple[int, str, str]], str]

SMALL = ("--frames", 3, "--places", 11)


def test_the_list_names_problems_and_solvers(heatproof: Runner) -> None:
    code, out, _ = heatproof("solve", "list")
    assert code == 0
    for name in (*names(), *SOLVERS):
        assert f"    {name}: " in out
    code, out, _ = heatproof("solve", "list", "--json")
    assert code == 0
    found = json.loads(out)
    assert [one["name"] for one in found["problems"]] == list(names())
    assert found["solvers"] == list(SOLVERS)


def test_a_page_is_written_and_the_error_said(heatproof: Runner, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    code, out, err = heatproof("solve", "rotation_transport", *SMALL, "--out", page)
    assert code == 0, err
    assert "Largest |found − exact| at the end: " in out
    assert "Largest |found − exact| over 3 times: " in out
    assert f"Page: {page}" in out
    text = page.read_text(encoding="utf-8")
    assert "rotation transport" in text
    assert text.count("data:image/png;base64,") == 6


def test_json_holds_what_the_page_shows(heatproof: Runner, tmp_path: Path) -> None:
    words = "feynman_kac,paths=64,time_step=0.1"
    code, out, err = heatproof("solve", "rotating_gaussian", *SMALL, "--solver", words, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["solver"]["paths"] == 64
    assert found["times"] == [0, 0.5, 1]
    assert found["largest_error"][0] == 0
    assert 0 < found["largest_error"][2] < 0.5
    assert found["success"] is True
    assert list(tmp_path.iterdir()) == []


def test_a_solver_of_its_own_choice_is_near_the_truth(heatproof: Runner) -> None:
    code, out, err = heatproof("solve", "heat_cosine", *SMALL, "--json")
    assert code == 0, err
    assert max(json.loads(out)["largest_error"]) < 0.1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("heat_kosine",), "Did you mean 'heat_cosine'?"),
        (("heat_cosine", "--solver", "characteristics"), "diffus"),
        (("heat_cosine", "--solver", "feynman_kak"), "Did you mean 'feynman_kac'?"),
        (("heat_cosine", "--solver", "feynman_kac,paths"), "--solver: got 'feynman_kac,paths'"),
        (("heat_cosine", "--solver", "feynman_kac,pats=3"), "Did you mean 'paths'?"),
        (("heat_cosine", "--solver", "feynman_kac,paths=0"), "paths"),
        (("heat_cosine", "--frames", 1), "--frames: got 1"),
        (("heat_cosine", "--places", 10), "--places: got 10"),
        (("heat_cosine", "--solver", "feynman_kac,paths=10000000000"), "paths"),
        (("heat_cosine", "--places", 100_000), "--places"),
        (("heat_cosine", "--out", "/nowhere/at/all.html"), "a file in a folder that exists"),
        (("heat_half_space", "--solver", "learned"), "smooth"),
    ],
)
def test_wrong_words_are_one_line(
    heatproof: Runner, refused: Check, tmp_path: Path, words: tuple[object, ...], said: str
) -> None:
    assert said in refused(
        heatproof("solve", *words, *(() if "--out" in words else ("--out", tmp_path / "x")))
    )
    assert list(tmp_path.iterdir()) == []


def test_a_solver_that_comes_to_no_values_says_why(heatproof: Runner, tmp_path: Path) -> None:
    words = ("solve", "sine_transport", *SMALL, "--solver", "adaptive,most_evaluations=10")
    code, _, err = heatproof(*words, "--out", tmp_path / "page.html")
    assert code == 1
    assert "adaptive found no values to draw: the adaptive steps came to no end (more than 10" in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []
    code, out, _ = heatproof(*words, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["success"] is False
    assert found["largest_error"] == [0, None, None]
    assert found["equation"] == "u_t = 1·sin(x)·u_x, f = cos x"
    assert "·" in out
