"""The study `diffusivity`: its claims come out, and planted faults are found out."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from heatproof._types import no_progress
from heatproof.data import load
from heatproof.errors import InputError
from heatproof.networks import BranchDropout, GaussianInjection, NoiseLayer, ShakeShake
from heatproof.studies import Diffusivity, Verdict
from heatproof.studies.diffusivity import halving, trained, wrong_forms
from heatproof.studies.diffusivity.kinds import KINDS, Kind
from heatproof.studies.diffusivity.misstated import FORMS, Misstated
from heatproof.studies.diffusivity.networks import trained as network_of
from heatproof.studies.diffusivity.plain import PlainBlock
from heatproof.theory import measure_diffusivity

STUDY = Diffusivity.quick().model_copy(
    update={
        "inputs": 100,
        "draws": 48,
        "width": 24,
        "depth": 2,
        "keep": 0.7,
        "state_keep": 0.8,
        "epochs": 2,
        "trainings": 1,
        "blocks": (4, 8),
        "path_inputs": 14,
        "path_draws": 32,
    }
)


def _back(value: Any) -> Any:
    return json.loads(json.dumps(value, allow_nan=False))


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    """Return the results of all cells as JSON gives them back."""
    found: dict[str, Any] = _back({cell.key: cell.run(no_progress) for cell in STUDY.cells()})
    return found


def _verdicts(part: Any, results: dict[str, Any]) -> list[Verdict]:
    return list(part.summarise(STUDY, results).verdicts)


def _named(verdicts: list[Verdict], words: str) -> Verdict:
    (found,) = [verdict for verdict in verdicts if words in verdict.claim]
    return found


def test_every_claim_comes_out_as_theory_says(results: dict[str, Any]) -> None:
    verdicts = STUDY.summarise(results).verdicts
    assert len(verdicts) == 21
    for verdict in verdicts:
        assert verdict.as_expected, verdict
        assert verdict.low <= verdict.value <= verdict.high
    silent = [verdict.claim for verdict in verdicts if verdict.expected is None]
    assert silent == ["nn.Dropout, by others: the induced diffusion is isotropic, in every layer"]
    assert [one.outcome for one in verdicts].count("holds") == 10


def test_only_gaussian_injection_is_isotropic(results: dict[str, Any]) -> None:
    found = [verdict for verdict in _verdicts(trained, results) if "isotropic" in verdict.claim]
    assert {one.claim.partition(":")[0]: one.outcome for one in found} == {
        kind.title: "holds" if kind.key == "gaussian" else "refuted" for kind in KINDS
    }
    line = 1 / STUDY.width
    for words in ("Stochastic depth", "Shake-shake"):
        assert _named(found, words).value == pytest.approx(line, rel=1e-3)


def test_the_page_has_its_tables_and_figures(results: dict[str, Any]) -> None:
    sections = STUDY.summarise(results).sections
    assert [len(section.charts) for section in sections] == [4, 0, 1]
    for section in sections:
        for chart in section.charts:
            assert json.dumps(chart.spec, allow_nan=False)
    kinds, layers = sections[0].tables
    assert [row[0] for row in kinds.rows] == [kind.words for kind in KINDS]
    agreement = kinds.columns.index("agrees with formula")
    assert [row[agreement] for row in kinds.rows] == ["yes, 2 of 2"] * 6 + ["no formula"]
    assert len(layers.rows) == len(KINDS) * STUDY.depth
    assert len(sections[1].tables[0].rows) == sum(len(form.kinds) for form in FORMS)


def _planted(
    results: dict[str, Any], monkeypatch: pytest.MonkeyPatch, block: Callable[..., nn.Module]
) -> Any:
    """Return the results with branch dropout's cells run again on blocks with a fault."""
    monkeypatch.setattr(trained, "trained", lambda *_: _untrained(block))
    kind = next(kind for kind in KINDS if kind.key == "branch-dropout")
    cells = {cell.key: cell for cell in trained.cells(STUDY) if kind.key in cell.key}
    return {**results, **{key: _back(cell.run(no_progress)) for key, cell in cells.items()}}


def _untrained(block: Callable[..., nn.Module]) -> nn.Sequential:
    torch.manual_seed(0)
    blocks = (block(nn.Sequential(nn.Linear(24, 24), nn.Tanh()), 0.5) for _ in range(STUDY.depth))
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 24), *blocks, nn.Linear(24, 10)).eval()


def _fault(factor: float) -> Callable[..., nn.Module]:
    def block(branch: nn.Module, step: float) -> nn.Module:
        own = BranchDropout(branch, STUDY.keep, step=step)
        return Misstated(own, lambda time: own.diffusion(time / factor))

    return block


@pytest.mark.parametrize("factor", [1.3, 0.75, (3 / 7) ** 2])
def test_a_layer_that_states_a_wrong_diffusion_is_refuted(
    results: dict[str, Any], monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    planted = _planted(results, monkeypatch, _fault(factor))
    found = _named(_verdicts(trained, planted), "Branch dropout: the measured")
    assert found.outcome == "refuted"
    assert not found.as_expected
    assert "2 of 2 layers differ" in found.evidence
    assert "NO, 0 of 2" in str(trained.summarise(STUDY, planted).sections[0].tables[0].rows)


def test_the_same_layer_with_the_right_one_holds(
    results: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the fault: what refutes is the factor, not the wrapping."""
    found = _verdicts(trained, _planted(results, monkeypatch, _fault(1.0)))
    assert _named(found, "Branch dropout: the measured").outcome == "holds"


def test_isotropic_noise_where_the_formula_is_not_is_against_theory(results: dict[str, Any]) -> None:
    """The claim falls by what was measured: with Gaussian injection's ranks it holds, against the formula."""
    planted = _back(results)
    for number in range(STUDY.trainings):
        isotropic_layers = planted[f"noise.gaussian.training={number}"]["measured"]["layers"]
        layers = planted[f"noise.branch-dropout.training={number}"]["measured"]["layers"]
        for layer, other in zip(layers, isotropic_layers, strict=True):
            layer["effective_rank"] = other["effective_rank"]
    found = _named(_verdicts(trained, planted), "Branch dropout: the induced")
    assert (found.outcome, found.expected, found.as_expected) == ("holds", "refuted", False)


def test_a_control_that_is_let_pass_is_seen(results: dict[str, Any]) -> None:
    planted = _back(results)
    right = planted["noise.shake-shake.training=0"]["measured"]["layers"][0]["formula"]
    planted["noise.shake-shake.training=0"]["wrong"]["third"] = right
    found = _named(_verdicts(wrong_forms, planted), "1/3 for the 1/12")
    assert found.outcome == "holds"
    assert not found.as_expected


def test_a_wrong_order_is_found(results: dict[str, Any]) -> None:
    """Noise that somebody takes for that of a branch, but is of a fixed size."""
    planted = {**results, "halving.branch-dropout": results["halving.gaussian"]}
    found = _named(_verdicts(halving, planted), "halves")
    assert found.outcome == "refuted"
    assert found.value == pytest.approx(-1, abs=0.05)


def test_accumulated_diffusion_is_a_riemann_sum(results: dict[str, Any]) -> None:
    """½ΣC/d by the formulas, against ½(1−q)/q·Δt·Σ|v|²Δt/d along a path that is written out here."""
    x = load("digits").test.x[: STUDY.path_inputs].flatten(1)
    field = halving._velocities(STUDY, 64)
    total, step = torch.zeros(len(x)), 1 / 4
    with torch.no_grad():
        for number in range(4):
            v = field[number % 2](x)
            total += 0.5 * (1 - STUDY.keep) / STUDY.keep * step**2 * v.square().mean(dim=1)
            x = x + step * v
    said = torch.tensor(results["halving.branch-dropout"]["formula"]["4"])
    assert torch.allclose(said, total, rtol=1e-4)
    gaussian = results["halving.gaussian-scaled"]["formula"]["8"]
    assert gaussian == pytest.approx([0.5 * STUDY.depth * STUDY.noise_std**2] * len(x), rel=1e-6)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.key)
def test_a_wrong_form_is_wrong_as_said(form: Any) -> None:
    """The factors of the traces, and the same trace for the isotropic one, at d = 4, q = 0.7, Δt = ¼."""
    x = torch.tensor([[1.0, -2.0, 0.5, 3.0]])
    layers: dict[str, NoiseLayer] = {
        "shake-shake": ShakeShake(nn.Linear(4, 4), nn.Linear(4, 4)),
        "branch-dropout": BranchDropout(nn.Linear(4, 4), STUDY.keep),
    }
    factor = {"swapped": (7 / 3) ** 2, "third": 4.0, "doubled": 2.0, "isotropic": 1.0}[form.key]
    for kind in KINDS:
        if kind.key in layers and kind.key in form.kinds:
            layer = layers[kind.key]
            wrong = form.layer(STUDY, kind, layer)
            with torch.no_grad():
                claimed, own = (one.diffusion(0.25).mean_diffusivity(x, 0.0) for one in (wrong, layer))
            assert float(claimed / own) == pytest.approx(factor, rel=1e-5)


def test_a_misstated_layer_makes_the_noise_of_the_other() -> None:
    own = GaussianInjection(nn.Linear(3, 3), 0.5)
    layer = Misstated(own, own.diffusion)
    x = torch.randn(5, 3)
    torch.manual_seed(1)
    noisy = own(x)
    torch.manual_seed(1)
    assert torch.equal(layer(x), noisy)
    assert torch.equal(layer.eval()(x), own.eval()(x))
    assert not own.always
    assert layer.lipschitz_bound((3,)).value == own.lipschitz_bound((3,)).value
    assert "GaussianInjection" in repr(layer)


def test_the_plain_block_has_the_covariance_that_it_says() -> None:
    """4,000 draws against step²·p/(1−p)·W2 diag(h²) W2ᵀ; tr Ĉ and ‖Ĉ−C‖ within 5.5 standard errors."""
    torch.manual_seed(3)
    block, draws = PlainBlock(6, 0.75, 0.5), 4000
    x = torch.randn(1, 6)
    with torch.no_grad():
        weights = block.outer.weight * block.inner(x).relu()
        exact = 0.25 * (0.25 / 0.75) * weights @ weights.T
        found = torch.cov(block(x.expand(draws, 6)).T)
    spread = math.sqrt(float(exact.trace() ** 2 + exact.square().sum()) * 3 / draws)
    assert float((found - exact).norm()) < 5.5 * spread
    assert float((found - 2 * exact).norm()) > 5.5 * spread
    said = measure_diffusivity(nn.Sequential(block, nn.Linear(6, 2)), x.repeat(2, 1), draws=8).layers[0]
    assert said.formula is None


def test_trainings_differ_and_repeat() -> None:
    data, kind = load("digits"), KINDS[0]
    study = STUDY.model_copy(update={"epochs": 1})
    first, again, other = (
        torch.cat([p.flatten() for p in network_of(study, kind, data, seed).parameters()])
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_cells_are_the_same_twice(results: dict[str, Any]) -> None:
    keys = ("noise.plain-dropout.training=0", "halving.shake-shake")
    for cell in STUDY.cells():
        if cell.key in keys:
            assert _back(cell.run(no_progress)) == results[cell.key]


@pytest.mark.parametrize("blocks", [(4,), (4, 12), (8, 4)])
def test_blocks_are_doubled(blocks: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="each twice the one before"):
        Diffusivity(blocks=blocks)


def test_kinds_with_a_formula_are_the_layers_of_the_package() -> None:
    def velocity() -> nn.Module:
        return nn.Linear(STUDY.width, STUDY.width)

    built: dict[Kind, nn.Module] = {kind: kind.block(STUDY, velocity, 0.5) for kind in KINDS}
    assert [kind.key for kind, block in built.items() if not isinstance(block, NoiseLayer)] == [
        "plain-dropout"
    ]
    assert all(isinstance(block, NoiseLayer) == kind.has_formula for kind, block in built.items())
