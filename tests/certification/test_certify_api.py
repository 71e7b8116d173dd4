"""`certify` and `predict` as users call them: kinds of input, stores, errors in one line, one predictor."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from heatproof import data as hd
from heatproof.certification import ABSTAIN, BlackBox, Certificates, certify, predict, verify_store
from heatproof.errors import (
    DataError,
    HeatproofError,
    InputError,
    ModelError,
    NoiseWarning,
    RunFolderError,
    UnknownNameError,
)
from heatproof.noise import Laplace, Uniform

Model = Callable[[Tensor], Tensor]

X = torch.tensor([[0.9, 0.1], [0.3, 0.0], [-0.5, 0.2], [0.02, 0.0], [-1.2, 0.0]])
Y = torch.tensor([1, 1, 0, 1, 0])


class Half(nn.Module):
    """1{x₁ > 0}, with one parameter, so that its fingerprint can change."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, x: Tensor) -> Tensor:
        top = (x.flatten(1)[:, 0] > 0).float() * self.scale
        return torch.stack([self.scale - top, top], dim=1)


def run(x: Any = X, y: Any = None, model: Any = None, **options: Any) -> Certificates:
    values: dict[str, Any] = {
        "alpha": 0.01,
        "radii": [0.1, 0.3],
        "estimation_samples": 300,
        "selection_samples": 16,
        "pilot": False,
    }
    if "noise" not in options:
        values["noise_std"] = 0.5
    if "method" in options:
        del values["radii"]
    return certify(Half() if model is None else model, x, y, **{**values, **options})


# Inputs


def test_arrays_tensors_loaders_and_batches_are_one() -> None:
    whole = run(X, Y)
    loader = DataLoader(TensorDataset(X, Y), batch_size=2)
    for x, y in (
        (X.numpy(), Y.numpy()),
        (X.tolist() and X.numpy().astype(np.float64), Y.tolist()),
        (loader, None),
        (TensorDataset(X, Y), None),
        ([(X[:2], Y[:2]), (X[2:], Y[2:])], None),
        (((X[:1], Y[:1]), (X[1:], Y[1:])), None),
    ):
        assert run(x, y) == whole
    assert [one.target for one in run(X)] == [None] * 5


def test_a_split_brings_labels_index_and_a_data_set_its_grid() -> None:
    digits = hd.load("digits")
    split = hd.Split(digits.test.x[:4], digits.test.y[:4], digits.test.index[:4])
    model = BlackBox(lambda x: (x.reshape(len(x), -1).sum(1) > 10).astype(np.int64), classes=10)
    found = run(split, model=model)
    assert [one.index for one in found] == digits.test.index[:4].tolist()
    assert [one.target for one in found] == digits.test.y[:4].tolist()
    small = hd.DataSet(**{**vars(digits), "test": split})
    assert run(small, model=model).settings.grid_step == digits.grid_step
    assert run(small, model=model, grid_step=0.5).settings.grid_step == 0.5
    labels = predict(model, small, noise_std=0.5, samples=64, pilot=False)
    assert labels.shape == (4,)


def test_a_black_box_of_labels_may_be_decided_stored_and_resumed(tmp_path: Path) -> None:
    calls: list[int] = []

    def rule(x: np.ndarray) -> np.ndarray:
        calls.append(len(x))
        return (x[:, 0] > 0).astype(np.int64)

    store = tmp_path / "store.sqlite"
    named = BlackBox(rule, classes=2, identity="rule, version 1")
    found = run(model=named, store=store)
    assert [one.label for one in found] == [one.label for one in run()]
    calls.clear()
    assert run(model=BlackBox(rule, classes=2, identity="rule, version 1"), store=store) == found
    assert sum(calls) <= 33
    with pytest.raises(InputError, match=r"^model: got a function; allowed: a module.*identity="):
        run(model=BlackBox(rule, classes=2), store=tmp_path / "other.sqlite")
    with pytest.raises(ModelError, match="labels outside, the first is 2"):
        run(model=BlackBox(lambda x: np.full(len(x), 2), classes=2))


# Stores


def _without_two(store: Path) -> None:
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute("DELETE FROM certificates WHERE input IN (2, 4)")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seed": 1}, "seed 1, there 0"),
        ({"alpha": 0.02}, r"alpha 0\.02, there 0\.01"),
        ({"noise_std": 0.25}, r"noise Gaussian.*0\.25.*, there .*0\.5"),
        ({"noise": Laplace(noise_scale=0.5)}, "noise Laplace.*there Gaussian"),
        ({"radii": [0.1]}, r"radii \(0\.1,\), there \(0\.1, 0\.3\)"),
        ({"method": "fixed"}, "method 'fixed', there 'decision'"),
        ({"norm": "linf"}, "norm 'linf', there 'l2'"),
        ({"alpha_scope": "table"}, "alpha_scope 'table', there 'per input'; inputs 5, there None"),
        ({"model": Half(2.0)}, r"another model \(weights or structure\)"),
        ({"precision": "bfloat16"}, "precision 'bfloat16', there 'own'"),
    ],
)
def test_going_on_with_something_else_is_refused_and_says_what(
    tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    store, index = tmp_path / "store.sqlite", torch.arange(5)
    whole = run(store=store, index=index)
    _without_two(store)
    with pytest.raises(InputError, match=rf"^certification: got .*{words}.*\(3 of 5 inputs done\)") as caught:
        run(store=store, index=index, **options)
    assert "\n" not in str(caught.value)
    assert verify_store(store).missing == 2
    assert run(store=store, index=index) == whole


def test_speed_alone_is_no_obstacle(tmp_path: Path) -> None:
    store, index = tmp_path / "store.sqlite", torch.arange(5)
    whole = run(store=store, index=index)
    _without_two(store)
    assert run(store=store, index=index, batch_size=7, workers=2) == whole


def test_labels_may_come_later_or_change(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    plain = run(store=store)
    assert not plain.has_labels
    labelled = run(X, Y, store=store)
    assert labelled == run(X, Y)
    assert [one.target for one in run(X, 1 - Y, store=store)] == (1 - Y).tolist()


def test_a_finished_certification_makes_room_for_another(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    first, second = run(store=store), run(store=store, seed=1)
    assert first != second
    assert run(store=store) == first
    assert verify_store(store).checked == 10
    assert verify_store(store).mismatches == ()


def test_a_store_of_a_newer_version(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    run(store=store)
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(RunFolderError, match=r"^store\.sqlite: got format 99.*newer version of heatproof"):
        run(store=store)
    with pytest.raises(RunFolderError, match=r"^store\.sqlite: got format 99.*or a newer one"):
        verify_store(store)


def test_a_store_of_an_older_version(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    run(store=store)
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute("PRAGMA user_version = 1")
    with pytest.raises(RunFolderError, match=r"got format 1; allowed: format \d\. Certify again"):
        run(store=store)


def test_equal_inputs_in_a_store(tmp_path: Path) -> None:
    twice = torch.cat([X, X[:1]])
    with pytest.raises(InputError, match=r"^index: got inputs with the same index \(or content\)"):
        run(twice, store=tmp_path / "store.sqlite")
    assert len(run(twice)) == 6
    assert len(run(twice, store=tmp_path / "store.sqlite", index=torch.arange(6))) == 6


# Progress


def test_progress_counts_inputs_as_they_finish_and_results_are_in_order() -> None:
    seen: list[tuple[int, int]] = []

    def progress(done: int, total: int, note: str = "") -> None:
        assert note == "certify"
        seen.append((done, total))

    order = torch.tensor([3, 0, 4, 1, 2])
    found = run(X[order], index=order, progress=progress, batch_size=8)
    assert seen == [(done, 5) for done in range(1, 6)]
    assert [one.index for one in found] == order.tolist()
    assert found[0].samples > found[2].samples  # the first input, near the boundary, finishes last


# Predict


def test_predict_and_certify_are_of_one_predictor() -> None:
    found = run(alpha=0.01, method="fixed", estimation_samples=1000)
    labels = predict(Half(), X, noise_std=0.5, alpha=0.01, samples=1000, pilot=False)
    assert labels.dtype == torch.int64
    for one, label in zip(found, labels.tolist(), strict=True):
        assert ABSTAIN in {one.label, label} or one.label == label
    assert labels.tolist()[0] == 1
    assert labels.tolist()[4] == 0
    assert int(labels[3]) == ABSTAIN
    for noise in (Uniform(half_width=0.8), Laplace(noise_scale=0.4)):
        other = predict(Half(), X, noise=noise, samples=1000, pilot=False).tolist()
        assert (other[0], other[4]) == (1, 0)


def test_predict_does_not_depend_on_the_company() -> None:
    whole = predict(Half(), X, noise_std=0.5, samples=100, pilot=False)
    parts = [predict(Half(), row[None], noise_std=0.5, samples=100, pilot=False) for row in X]
    assert torch.equal(torch.cat(parts), whole)


# Pilot


def test_the_pilot_warns_once_and_only_where_most_will_abstain() -> None:
    def delicate(z: Tensor) -> Tensor:
        cell = (torch.floor(z.flatten(1)[:, 0] * 100).long() % 7 == 0).float()
        return torch.stack([1 - cell, cell], dim=1)

    x = (7 * torch.arange(20) + 0.5)[:, None] / 100
    with pytest.warns(NoiseWarning) as caught:
        certify(delicate, x, torch.ones(20, dtype=torch.int64), noise_std=0.5, estimation_samples=20)
    assert len(caught) == 1
    assert "\n" not in str(caught[0].message)
    with pytest.warns(NoiseWarning):
        predict(delicate, x, noise_std=0.5, samples=10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        certify(delicate, x, noise_std=0.5, estimation_samples=20, pilot=False)
        certify(Half(), X, noise_std=0.1, estimation_samples=20)


# What is refused, each in one line that names what was got and what is allowed


WRONG: dict[str, tuple[type[HeatproofError], str, dict[str, Any]]] = {
    "out of reach": (InputError, r"^radii: got 3; allowed: at most 1\.0.*draws at least", {"radii": [3.0]}),
    "no reach at all": (
        InputError,
        r"^radii: got 0\.9; .*No number of draws certifies it",
        {"noise": Uniform(half_width=0.5), "radii": [0.9]},
    ),
    "a negative radius": (InputError, r"^radii: got -0\.1; allowed: a finite number ≥ 0", {"radii": [-0.1]}),
    "not a number": (InputError, r"^radii: got nan", {"radii": [float("nan")]}),
    "no radii": (InputError, r"^radii: got \[\]; allowed: one or more", {"radii": []}),
    "no use": (InputError, r"^method: got 'radius' with radii", {"method": "radius", "radii": [0.1]}),
    "decision without": (InputError, r"^radii: got None", {"method": "decision"}),
    "method": (UnknownNameError, r"^method: got 'fixd'.*Did you mean 'fixed'", {"method": "fixd"}),
    "norm": (UnknownNameError, r"^norm: got 'l0'; allowed: l1, l2, linf, or lp", {"norm": "l0"}),
    "norm of words": (UnknownNameError, r"^norm: got 'mahalanobis'; allowed: l1", {"norm": "mahalanobis"}),
    "alpha": (InputError, r"^alpha: got 1\.0; allowed", {"alpha": 1.0}),
    "scope": (UnknownNameError, r"^alpha_scope: got 'all'", {"alpha_scope": "all"}),
    "samples": (InputError, r"^estimation_samples: got 0", {"estimation_samples": 0}),
    "tolerance": (InputError, r"^tolerance: got 0\.1; allowed: for method 'radius'", {"tolerance": 0.1}),
    "vote": (InputError, r"vote", {"vote": "loud"}),
    "both noises": (
        InputError,
        r"^noise_std: got 0\.5 beside noise",
        {"noise_std": 0.5, "noise": Laplace(noise_scale=1)},
    ),
    "no noise": (InputError, r"^noise_std: got None; allowed: a finite number > 0", {"noise_std": None}),
    "classifier": (UnknownNameError, r"^classifier: got 'net'", {"classifier": "net"}),
    "equation": (InputError, r"^classifier: got 'equation' for a model", {"classifier": "equation"}),
    "seed": (InputError, r"^seed: got -1", {"seed": -1}),
    "batch": (InputError, r"batch_size", {"batch_size": 0}),
    "execution": (InputError, r"btch_size", {"btch_size": 8}),
    "channels": (InputError, r"^channels_last: got true for inputs of shape \(2,\)", {"channels_last": True}),
    "whole numbers": (InputError, r"^x: got .*int64", {"x": torch.ones(3, 2, dtype=torch.int64)}),
    "text": (InputError, r"^x: got a?\s?str", {"x": "images"}),
    "nothing": (InputError, r"^x: got", {"x": torch.ones(0, 2)}),
    "infinite": (DataError, r"^x: got 1 of 2 rows with NaN", {"x": torch.tensor([[0.0], [float("inf")]])}),
    "labels": (DataError, r"^y: got 1 labels outside, the first is 2", {"y": torch.tensor([0, 1, 2, 0, 1])}),
    "few labels": (DataError, r"^y: got shape \(2,\)", {"y": [0, 1]}),
    "index": (DataError, r"^index: got", {"index": torch.arange(4)}),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_calls_get_one_line(name: str) -> None:
    kind, words, options = WRONG[name]
    with pytest.raises(kind, match=words) as caught:
        run(**options)
    assert "\n" not in str(caught.value)


UNTYPED = """
import torch, heatproof as hp
model, x = torch.nn.Linear(2, 2), torch.zeros(3, 2)
for options in (
    {"noise": "gaussian"}, {"radii": "0.5"}, {"selection_samples": 2.5}, {"alpha": "small"},
    {"noise_std": "0.5"}, {"seed": 1.5}, {"norm": 2}, {"method": 1}, {"estimation_samples": True},
    {"x": None}, {"model": 3}, {"index": [0]}, {"radii": [None]}, {"batch_size": "8"}, {"grid_step": "1/255"},
    {"tolerance": "x", "method": "radius"},
):
    values = {"model": model, "x": x, "pilot": False}
    if "noise" not in options:
        values["noise_std"] = 0.5
    try:
        hp.certify(**{**values, **options})
        print("nothing was said of", options)
    except hp.errors.HeatproofError as error:
        print(str(error).replace(chr(10), " AND "))
"""


def test_values_of_another_type_get_one_line_where_no_types_are_checked() -> None:
    done = subprocess.run([sys.executable, "-c", UNTYPED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 16
    for line in lines:
        assert "; allowed: " in line, line
        assert " AND " not in line, line


def test_radii_may_be_an_array_one_number_or_out_of_order() -> None:
    whole = run(index=torch.arange(5))
    assert run(index=torch.arange(5), radii=np.array([0.3, 0.1, 0.1])) == whole
    assert run(radii=0.2).settings.radii == (0.2,)
    assert run(radii=iter([0.0])).settings.radii == (0.0,)


def test_a_model_that_fails_later_leaves_what_was_stored(tmp_path: Path) -> None:
    class Tires(Half):
        left = 80

        def forward(self, x: Tensor) -> Tensor:
            Tires.left -= 1
            if Tires.left < 0:
                raise RuntimeError("tired\nand more")
            return super().forward(x)

    store = tmp_path / "store.sqlite"
    with pytest.raises(ModelError, match=r"^model: got RuntimeError \(tired\)") as caught:
        run(model=Tires(), store=store, batch_size=8, index=torch.arange(5))
    assert "\n" not in str(caught.value)
    half = verify_store(store)
    assert 0 < half.checked < 5
    assert half.mismatches == ()
    Tires.left = 10**9
    found = run(model=Tires(), store=store, index=torch.arange(5))
    assert found == run(model=Tires(), index=torch.arange(5))
