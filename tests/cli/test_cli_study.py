"""`heatproof study`: the list, bad names, resuming, refusal, Ctrl-C, and the quick version of each study."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cases.processes import started, wait_until
from heatproof.studies import STUDIES, Study

Runner = Callable[..., tuple[int, str, str]]
Check = Callable[[tuple[int, str, str]], str]
Words = Callable[..., list[str]]


def test_the_list_names_every_study_with_its_question(heatproof: Runner) -> None:
    code, out, _ = heatproof("study", "list")
    assert code == 0
    for kind in STUDIES:
        assert f"{kind.name}: {kind.title}" in out
        assert kind.question in out
    code, out, _ = heatproof("study", "list", "--json")
    assert code == 0
    assert [one["name"] for one in json.loads(out)] == [kind.name for kind in STUDIES]


def test_a_misspelt_name_is_put_right(heatproof: Runner, refused: Check) -> None:
    assert "Did you mean 'radius'?" in refused(heatproof("study", "radios"))


def test_a_taken_folder_is_refused(heatproof: Runner, refused: Check, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    assert "other files" in refused(heatproof("study", "radius", "--quick", "--out", tmp_path))


def test_a_bad_seed_is_refused(heatproof: Runner, refused: Check, tmp_path: Path) -> None:
    assert "seed" in refused(heatproof("study", "radius", "--seed", -1, "--out", tmp_path / "s"))
    assert not (tmp_path / "s").exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", STUDIES, ids=lambda kind: kind.name)
def test_the_quick_version_comes_out_as_theory_says_after_an_interruption(
    kind: type[Study], tmp_path: Path, command: Words, heatproof: Runner, refused: Check
) -> None:
    """Ctrl-C in a process of its own; the same command goes on; other settings are refused."""
    name, out = kind.name, tmp_path / "study"
    words = command("study", name, "--quick", "--out", out)
    with started(words) as process:
        wait_until(process, lambda: len(list(out.glob("cells/*.json"))) >= 3)
        err = _interrupted(process)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "finished work is stored. Go on with: the same command" in err
    before = len(list(out.glob("cells/*.json")))
    code, text, err = heatproof("study", name, "--quick", "--out", out)
    assert code == 0, err
    document = json.loads((out / "study.json").read_text(encoding="utf-8"))
    assert f"{len(document['cells'])} cells ({before} from before)" in text
    code, text, _ = heatproof("study", name, "--quick", "--out", out, "--json", "--figures")
    assert code == 0
    assert json.loads(text) == document
    pictures = list(out.glob("figures/*.png"))
    assert pictures
    assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in pictures)
    assert [one for one in document["verdicts"] if not one["as_expected"]] == []
    assert (out / "study.html").stat().st_size > 500_000
    assert "seed: 0 there, 1 here" in refused(heatproof("study", name, "--quick", "--seed", 1, "--out", out))


def _interrupted(process: subprocess.Popen[str]) -> str:
    """Press Ctrl-C, and once more after 10 s: Python loses an interrupt that comes inside a callback."""
    process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=10)[1]
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        return process.communicate(timeout=60)[1]
