"""The checker on stores of the engine, every procedure and noise: honest ones pass, forged ones do not."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from heatproof.certification import certify, verify_store
from heatproof.networks import DiffusionChain, InteriorClassifier
from heatproof.noise import AnisotropicGaussian, Laplace, Uniform

X = torch.tensor([[0.9, 0.1, 0.0], [0.35, 0.2, 0.1], [0.05, 0.0, 0.0], [-0.6, 0.1, 0.3]])


class Half(nn.Module):
    """1{x₁ > 0} of two classes, or of three with a rare one."""

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, x: Tensor) -> Tensor:
        top = (x[:, 0] > 0).float()
        rare = torch.full_like(top, 0.5) * (x[:, 1].abs() > 0.9)
        return 4 * torch.stack([1 - top, top, 3 * rare][: self.classes], dim=1)


AXES = {"name": "anisotropic_gaussian", "noise_stds": [0.4, 0.5, 0.9], "covariance": None}
CHAIN = InteriorClassifier(DiffusionChain([nn.Identity(), nn.Identity()], [0.3, 0.3], nn.Linear(3, 2)), (3,))
KINDS: dict[str, tuple[nn.Module, dict[str, Any]]] = {
    "fixed": (Half(), {}),
    "decision": (Half(), {"radii": [0.1, 0.3, 0.5]}),
    "decision table": (Half(), {"radii": [0.1, 0.3], "alpha_scope": "table", "alpha": 0.05}),
    "decision linf": (Half(), {"radii": [0.1, 0.2], "norm": "linf"}),
    "decision grid": (Half(), {"radii": [0.1], "grid_step": 1 / 255}),
    "radius": (Half(), {"method": "radius"}),
    "soft": (Half(), {"vote": "soft"}),
    "simultaneous": (Half(3), {"runner_up": "simultaneous"}),
    "table": (Half(), {"alpha_scope": "table"}),
    "l3": (Half(), {"norm": "l3"}),
    "uniform": (Half(), {"noise": Uniform(half_width=0.8)}),
    "uniform decision": (Half(), {"noise": Uniform(half_width=0.8), "radii": [0.2, 0.4]}),
    "laplace": (Half(), {"noise": Laplace(noise_scale=0.4)}),
    "laplace decision": (Half(), {"noise": Laplace(noise_scale=0.4), "radii": [0.2, 0.4]}),
    "axes": (Half(), {"noise": AnisotropicGaussian(noise_stds=(0.4, 0.5, 0.9))}),
    "matrix": (
        Half(),
        {
            "noise": AnisotropicGaussian(covariance=((0.3, 0.1, 0.0), (0.1, 0.2, 0.0), (0.0, 0.0, 0.4))),
            "radii": [0.5],
            "norm": "mahalanobis",
        },
    ),
    "interior": (CHAIN, {}),
    "interior decision": (CHAIN, {"radii": [0.01]}),
}


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a maker of copies of honest stores."""
    folder = tmp_path_factory.mktemp("stores")

    def copy(kind: str) -> Path:
        honest = folder / f"{kind}.sqlite"
        if not honest.exists():
            model, options = KINDS[kind]
            values: dict[str, Any] = {"alpha": 0.01, "selection_samples": 16, "estimation_samples": 1000}
            if "noise" not in options and model is not CHAIN:
                values["noise_std"] = 0.5
            x = X if "grid_step" not in options else torch.round(X * 255) / 255
            certify(
                model,
                x,
                torch.tensor([1, 1, 1, 0]),
                store=honest,
                pilot=False,
                index=torch.arange(4),
                **{**values, **options},
            )
        forged = folder / "forged.sqlite"
        shutil.copyfile(honest, forged)
        return forged

    return copy


@pytest.mark.parametrize("kind", KINDS)
def test_an_honest_store_passes(stores: Callable[[str], Path], kind: str) -> None:
    found = verify_store(stores(kind))
    assert (found.checked, found.missing, found.mismatches) == (4, 0, ())


def _forge(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement, values)


def _column(path: Path, column: str, table: str = "certificates", where: str = "WHERE input = 0") -> Any:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        (text,) = connection.execute(f"SELECT {column} FROM {table} {where}").fetchone()
        return json.loads(text)


def _rewrite(path: Path, column: str, change: Callable[[Any], object], row: int | None = 0) -> None:
    """Change what a JSON column holds: of a certificate, or with row None of the certification."""
    table, where = ("certifications", "") if row is None else ("certificates", f"WHERE input = {row}")
    value = _column(path, column, table, where)
    changed = change(value)
    _forge(
        path,
        f"UPDATE {table} SET {column} = ? {where}",
        json.dumps(value if changed is None else changed),
    )


def _words(path: Path, words: str) -> None:
    found = verify_store(path).mismatches
    assert any(words in text for text in found), found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("radius = radius * 1.001 + 0.0001", "radius is stored"),
        ("p_lower = p_lower + 0.00001", "p_lower is stored"),
        ("p_upper = p_upper - 0.00001", "p_upper is stored"),
        ("abstained = 1 - abstained", "abstained"),
        ("rounding = rounding / 2.1", "below half a cell"),
    ],
)
def test_numbers_of_a_row(stores: Callable[[str], Path], kind: str, change: str, words: str) -> None:
    path = stores(kind)
    _forge(path, f"UPDATE certificates SET {change} WHERE input = 0")
    _words(path, words)


@pytest.mark.parametrize("kind", KINDS)
def test_every_norm_of_the_radii(stores: Callable[[str], Path], kind: str) -> None:
    for norm in _column(stores(kind), "radii"):
        path = stores(kind)

        def larger(radii: dict[str, float], norm: str = norm) -> None:
            radii[norm] = radii[norm] * 1.01 + 0.001

        _rewrite(path, "radii", larger)
        _words(path, f"radius in {norm} is stored")


def test_radii_given_for_another_norm(stores: Callable[[str], Path]) -> None:
    """ℓ1 radii of uniform noise passed off as ℓ2 radii."""
    path = stores("uniform")
    _rewrite(path, "radii", lambda radii: {**radii, "l2": radii["l1"], "linf": radii["l1"]})
    _words(path, "radius in l2 is stored")
    path = stores("uniform")
    _rewrite(path, "settings", lambda settings: {**settings, "norm": "l2"}, row=None)
    _words(path, "radius is stored")
    path = stores("axes")
    _rewrite(path, "radii", lambda radii: {**radii, "l2": radii["volume"]})  # no certified ball
    _words(path, "radius in l2 is stored")


Look = dict[str, Any]


def _fewer_draws(looks: list[Look]) -> None:
    looks[0]["samples"], looks[0]["votes"] = looks[0]["samples"] - 1, looks[0]["votes"] - 1


def _more_failures(looks: list[Look]) -> None:
    looks[-1]["votes"] -= 60


def _hole(looks: list[Look]) -> None:
    looks[0]["certified"] = False


def _other_radius(looks: list[Look]) -> None:
    looks[-1]["radius"] = 0.9


def _more_votes_than_draws(looks: list[Look]) -> None:
    looks[0]["votes"] = looks[0]["samples"] + 1


def _beyond(looks: list[Look]) -> None:
    looks[-1]["samples"], looks[-1]["votes"] = 1000, 999


def _backwards(looks: list[Look]) -> None:
    looks[0]["votes"] = looks[0]["samples"]
    looks[-1]["votes"], looks[0]["samples"] = looks[-1]["samples"] - 1, 1000


LOOKS: dict[str, tuple[Callable[[list[Look]], object], str]] = {
    "outside looks": (_fewer_draws, "where there is no look"),
    "more failures": (_more_failures, "are allowed"),
    "a hole": (_hole, "is certified, but a smaller one is not"),
    "another radius": (_other_radius, "its looks are not those of the radii"),
    "more votes than draws": (_more_votes_than_draws, "-1 failures"),
    "more draws than in all": (_beyond, "at the last look"),
    "backwards": (_backwards, "fewer votes or failures"),
    "none": (lambda _: [], "its looks are not those of the radii"),
    "text": (lambda looks: [{**looks[0], "samples": "8"}, *looks[1:]], "cannot be checked"),
}


@pytest.mark.parametrize("name", LOOKS)
def test_looks(stores: Callable[[str], Path], name: str) -> None:
    change, words = LOOKS[name]
    path = stores("decision")
    assert [look["certified"] for look in _column(path, "looks")] == [True] * 3
    _rewrite(path, "looks", change)
    _words(path, words)


def test_a_radius_that_was_not_certified_is_not_taken_for_it(stores: Callable[[str], Path]) -> None:
    """The third input certifies nothing: marked as certified, with radius and bounds to match."""
    path = stores("decision")

    def certified(looks: list[Look]) -> None:
        for look in looks:
            look["certified"] = True

    edge = _column(path, "boundaries", "certifications", "")[-1]["threshold"]
    radii = _column(path, "radii", where="WHERE input = 0")
    _rewrite(path, "looks", certified, row=2)
    _forge(
        path,
        "UPDATE certificates SET abstained = 0, p_lower = ?, p_upper = ?, radius = ?, radii = ? "
        "WHERE input = 2",
        edge,
        1 - edge,
        radii["l2"],
        json.dumps(radii),
    )
    _words(path, "are allowed")


def test_fewer_counted_votes_than_at_the_look(stores: Callable[[str], Path]) -> None:
    path = stores("decision")
    _rewrite(path, "estimation_counts", lambda counts: [counts[0] + 1, counts[1] - 1])
    _words(path, "at the last look")


Boundaries = list[dict[str, Any]]


def _allow(table: Boundaries) -> None:
    table[0]["certify_at_most"] = [one + 1 for one in table[0]["certify_at_most"]]
    table[0]["futile_at_least"] = [one + 1 for one in table[0]["futile_at_least"]]


def _no_futility(table: Boundaries) -> None:
    table[0]["futile_at_least"] = [10**6] * (len(table[0]["looks"]) - 1) + [table[0]["futile_at_least"][-1]]


def _lower_threshold(table: Boundaries) -> None:
    table[-1]["threshold"] -= 0.01


def _without_rounding(table: Boundaries) -> None:
    from scipy.special import ndtr

    table[-1]["threshold"] = float(ndtr(0.5 / 0.5))


def _swap(table: Boundaries) -> None:
    table.reverse()


def _later(table: Boundaries) -> None:
    table[0]["looks"][-1] += 1000


def _not_increasing(table: Boundaries) -> None:
    table[0]["looks"][1] = table[0]["looks"][0]


BOUNDARIES: dict[str, tuple[Callable[[Boundaries], object], str]] = {
    "one more failure": (_allow, "a false certificate has probability"),
    "a lower threshold": (_lower_threshold, "not the radius 0.5"),
    "no rounding paid": (_without_rounding, "not the radius 0.5"),
    "of other radii": (_swap, "its threshold"),
    "looks after the end": (_later, "looks that do not increase to the most samples"),
    "looks that repeat": (_not_increasing, "looks that do not increase"),
    "one too few": (lambda table: table[:-1], "2 stopping boundaries, where 3 belong"),
    "shorter arrays": (lambda table: [{**table[0], "certify_at_most": []}, *table[1:]], "cannot be read"),
}


@pytest.mark.parametrize("name", BOUNDARIES)
def test_boundaries_that_certify_more(stores: Callable[[str], Path], name: str) -> None:
    change, words = BOUNDARIES[name]
    path = stores("decision")
    _rewrite(path, "boundaries", change, row=None)
    _words(path, words)


def test_a_boundary_that_never_gives_up_is_above_its_level(stores: Callable[[str], Path]) -> None:
    """Futility is binding: what it cuts off counts on the level."""
    path = stores("decision")
    _rewrite(path, "boundaries", _no_futility, row=None)
    _words(path, "a false certificate has probability")


def test_stops_of_full_radii(stores: Callable[[str], Path]) -> None:
    path = stores("radius")
    total = sum(_column(path, "estimation_counts", where="WHERE input = 2"))
    assert total < 1000  # the input near the boundary stopped early

    def lower(table: Boundaries) -> None:
        table[0]["stop_at_most"] = [-1] * (len(table[0]["looks"]) - 1) + [1000]

    _rewrite(path, "boundaries", lower, row=None)
    _words(path, "above the limit -1")
    path = stores("radius")

    def higher(table: Boundaries) -> None:
        table[0]["stop_at_most"] = list(table[0]["looks"])

    _rewrite(path, "boundaries", higher, row=None)
    _words(path, "drew on after 32 draws, where the limit 32 ends it")
    path = stores("radius")
    _rewrite(path, "boundaries", lambda table: [{**table[0], "stop_at_most": [1]}], row=None)
    _words(path, "1 limits for")
    path = stores("radius")
    _rewrite(path, "estimation_counts", lambda counts: [counts[0], counts[1] - 1], row=2)
    _words(path, "where there is no look")


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("table", {"inputs": 3}, "a table of 3 inputs, but 4 are planned"),
        ("table", {"inputs": None}, "a table of None inputs"),
        ("table", {"alpha_scope": "per input", "inputs": None}, "p_lower is stored"),
        ("decision table", {"inputs": 3}, "a table of 3 inputs"),
        ("decision table", {"alpha_scope": "per input", "inputs": None, "alpha": 0.01}, "above 0.01"),
        ("decision", {"alpha": 0.005}, "a false certificate has probability"),
        ("decision", {"radii": [0.1, 0.5, 0.3]}, "not increasing"),
        ("decision", {"radii": [0.1, 0.3, 0.6]}, "not the radius 0.6"),
        ("decision", {"noise": {"name": "gaussian", "noise_std": 0.6}}, "noise and grid_step make it"),
        ("simultaneous", {"runner_up": "complement"}, "p_upper is stored"),
        ("simultaneous", {"alpha": 0.02}, "p_lower is stored"),
        ("soft", {"vote": "hard"}, "estimation counts are not 2 whole numbers"),
        ("soft", {"alpha": 0.02}, "p_lower is stored"),
        ("uniform", {"noise": {"name": "laplace", "noise_scale": 0.8}}, "radius is stored"),
        ("laplace", {"noise": {"name": "laplace", "noise_scale": 0.5}}, "radius is stored"),
        ("axes", {"noise": {**AXES, "noise_stds": [0.4, 0.5, 1.0]}}, "radius in volume"),
    ],
)
def test_settings(stores: Callable[[str], Path], kind: str, changes: dict[str, Any], words: str) -> None:
    path = stores(kind)
    _rewrite(path, "settings", lambda settings: {**settings, **changes}, row=None)
    _words(path, words)


def test_a_larger_lipschitz_bound_or_less_noise_inside(stores: Callable[[str], Path]) -> None:
    for name, values in (("noise_stds", [0.4, 0.3]), ("lipschitz_bounds", [0.9, 1.0])):
        path = stores("interior")

        def change(settings: dict[str, Any], name: str = name, values: list[float] = values) -> None:
            settings["noise"][name] = values

        _rewrite(path, "settings", change, row=None)
        _words(path, "radius is stored")


def test_scores_moved_up_by_one_cell(stores: Callable[[str], Path]) -> None:
    path = stores("soft")
    _rewrite(path, "estimation_counts", lambda counts: [0, *counts[:-1]], row=1)
    _words(path, "p_lower is stored")


def test_an_input_that_was_not_planned(stores: Callable[[str], Path]) -> None:
    path = stores("decision table")
    _forge(path, "UPDATE certificates SET input = 9 WHERE input = 2")
    _words(path, "is not among the planned inputs")
    assert verify_store(path).missing == 1
