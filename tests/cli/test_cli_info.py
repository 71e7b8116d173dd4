"""`heatproof info`: what each network supports, in words and as JSON; the JSON of the other topics."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from heatproof.networks import describe, graph, names

Runner = Callable[..., tuple[int, str, str]]


def test_networks_say_what_they_take_and_support(heatproof: Runner) -> None:
    code, out, err = heatproof("info", "networks")
    assert (code, err) == (0, "")
    lines = {line.partition(":")[0]: line for line in out.splitlines()}
    assert list(lines) == [one.name for one in (*describe(), *graph.describe())]
    assert lines["resnet"].endswith(
        "Takes images; 269,722 parameters on 3×32×32 with 10 classes. "
        "Time: yes; Lipschitz bound: yes; noise layers: yes."
    )
    assert lines["vision_transformer"].endswith("Time: yes; Lipschitz bound: no; noise layers: yes.")
    assert lines["potential_flow"].endswith("Time: yes; Lipschitz bound: yes; noise layers: no.")
    assert "Takes graphs; " in lines["coin"]
    assert lines["factory"].endswith("Lipschitz bound: as your module; noise layers: as your module.")


def test_networks_as_json_are_the_descriptions(heatproof: Runner) -> None:
    code, out, err = heatproof("info", "networks", "--json")
    assert (code, err) == (0, "")
    listed = json.loads(out)
    assert listed == json.loads(json.dumps([asdict(one) for one in (*describe(), *graph.describe())]))
    assert {one["name"] for one in listed} >= set(names())


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("data", '"half_moons"'),
        ("objectives", '"natural"'),
        ("noises", '"half_width"'),
        ("presets", '"summary"'),
    ],
)
def test_other_topics_as_json(topic: str, expected: str, heatproof: Runner) -> None:
    code, out, err = heatproof("info", topic, "--json")
    assert (code, err) == (0, "")
    assert isinstance(json.loads(out), list)
    assert expected in out


def test_versions_as_json(heatproof: Runner) -> None:
    code, out, _ = heatproof("info", "--json")
    assert code == 0
    assert {"heatproof", "torch", "processor"} <= set(json.loads(out))


def test_a_run_folder_as_json_is_refused(heatproof: Runner, tmp_path: Path) -> None:
    code, out, err = heatproof("info", tmp_path, "--json")
    assert (code, out) == (2, "")
    assert "--json: got the folder" in err
    assert "run.json" in err
