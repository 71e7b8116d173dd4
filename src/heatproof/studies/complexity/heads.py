"""Trained networks as fixed velocities: the constants that bounds need, and the class of their heads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from heatproof._types import Progress
from heatproof.studies._study import Cell, Results, Section, StudyTable, Summary
from heatproof.studies.complexity.inputs import digits
from heatproof.studies.complexity.rows import clipped, number, read, table, worst_order
from heatproof.studies.complexity.trainings import TRAININGS, Training, trained
from heatproof.theory.complexity import (
    base_rows,
    evolved_rows,
    feature_ends,
    features,
    last_layer,
    measured_constants,
)

if TYPE_CHECKING:
    from heatproof.studies.complexity.study import Complexity

__all__ = ["cells", "summarise"]

_TRAININGS = tuple(one for one in TRAININGS if not one.as_many_epochs)


def cells(study: Complexity) -> Iterator[Cell]:
    """Yield a cell for each training."""
    for one in _TRAININGS:
        yield Cell(f"heads.{one.key}", partial(_measured, study, one))


def summarise(study: Complexity, results: Results) -> Summary:
    """Return the verdict on the orders, the measured constants, and the table."""
    found = {one: results[f"heads.{one.key}"] for one in _TRAININGS}
    rows = read(row for one in found.values() for row in one["rows"])
    verdict = worst_order("Heads of trained networks: no bound is below any member of its class", rows)
    section = Section(
        "Trained networks as fixed velocities",
        "Networks trained on the true labels. Up to its last layer a network is one fixed velocity; the "
        "class is that of all heads clip(w·(h, 1)) with ‖w‖₁ up to the largest of this network's. With heat "
        "flow: the inputs are x + noise_std·ξ. Measured on test images, which training did not see. A bound "
        "of 1 is trivial: it says that the measured constants are too large for this N.",
        (
            _constants(found),
            table(
                "Classes of heads",
                rows,
                "For fixed features: nothing here bounds what training can reach, see random labels.",
            ),
        ),
    )
    del study
    return Summary((verdict,), (section,))


def _constants(found: dict[Training, Any]) -> StudyTable:
    columns = (
        "training",
        "b_w of the head",
        "b_x of the features",
        "b_x at end points",
        "Lipschitz ≤",
        "accuracy",
    )
    texts = []
    for one, result in found.items():
        held = result["measured"]
        reach = next(row.constants["input_bound"] for row in read(result["rows"]) if "heat" in row.subject.of)
        bound = "–" if held["lipschitz"] is None else number(held["lipschitz"])
        accuracy = f"{100 * result['accuracy']:.1f} %"
        shown = (number(held["weight_bound"]), number(held["input_bound"]), number(reach), bound, accuracy)
        texts.append((one.words, *shown))
    note = (
        "b_x at end points: max_i E‖X_T‖_∞ with heat flow at the input. Lipschitz: ℓ2, of the logits, proved."
    )
    return StudyTable("Measured constants", columns, tuple(texts), note)


def _measured(study: Complexity, one: Training, progress: Progress) -> dict[str, Any]:
    """Train on the true labels; return constants, rows without and with heat flow, and the accuracy."""
    data, count = digits(), min(max(study.counts), 300)
    network = trained(study, one, data, study.seed)
    progress(1, 3, "trained")
    x, head = data.test.x[:count], last_layer(network)
    held = measured_constants(network, x)
    of = f"heads, {one.words}"
    given: dict[str, Any] = {"seed": study.seed}
    rest = base_rows(
        features(network, head, x),
        held.weight_bound,
        clipped,
        1.0,
        subject=(of, "test digits"),
        draws=study.sign_draws,
        **given,
    )
    progress(2, 3, "without heat flow")
    heat = evolved_rows(
        feature_ends(network, head, study.noise_std),
        x,
        held.weight_bound,
        clipped,
        1.0,
        subject=(f"{of}, heat flow", "test digits"),
        draws=study.path_draws,
        **given,
    )
    right = network(data.test.x).argmax(dim=1) == data.test.y
    rows = [row.to_mapping() for row in (*rest, *heat)]
    return {"measured": asdict(held), "rows": rows, "accuracy": float(right.double().mean())}
