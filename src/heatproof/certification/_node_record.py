"""Certificates of nodes: frozen records, from which every radius can be computed again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Int64

from heatproof._check import check_number, message
from heatproof._intervals import lower_bounds
from heatproof.errors import InputError
from heatproof.noise import Gaussian

__all__ = ["NodeCertificate", "NodeCertificates", "NodeSettings", "make_node_certificates"]

_ABSTAIN = -1


@final
@dataclass(frozen=True)
class NodeSettings:
    """What all certificates of one call share.

    `level` is the failure probability of one node: alpha, or alpha/nodes with `multiplicity` "table". `key`
    is a hash of the features, `shape` (N, F), `rounding` what the lattice takes off every radius, `law` what
    its law takes off every probability.
    """

    noise_std: float
    selection_samples: int
    estimation_samples: int
    alpha: float
    multiplicity: str
    level: float
    seed: int
    key: int
    grid_step: float | None
    unit: float
    shape: tuple[int, int]
    classes: int
    rounding: float
    law: float
    model_fingerprint: str

    @property
    def dimension(self) -> int:
        """D = N·F, of the space in which the radius is."""
        return self.shape[0] * self.shape[1]

    @property
    def statement(self) -> str:
        """Say what is promised."""
        scope = "each node on its own" if self.multiplicity == "node" else "all nodes at once"
        return (
            f"The network smoothed by Gaussian noise (noise_std {self.noise_std:g}) on all {self.shape[0]}×"
            f"{self.shape[1]} features keeps its answer at a node for every change of the features, spread "
            f"over any nodes, with ‖Δ‖_F below the node's radius; the graph does not change. For {scope}, "
            f"with probability at least {1 - self.alpha:g} over the draws."
        )


@final
@dataclass(frozen=True)
class NodeCertificate:
    """At `node` the smoothed network answers `candidate` for every change with ‖Δ‖_F < `radius`.

    `p_lower` is the lower bound of its probability, from `votes` of the estimation draws, with `law` taken
    off. It abstains where no radius is left. `target` is the true label, None where it is not known.
    """

    node: int
    candidate: int
    abstained: bool
    p_lower: float
    radius: float
    votes: int
    selection_counts: tuple[int, ...]
    target: int | None = None

    @property
    def label(self) -> int:
        """The certified label, −1 where it abstained."""
        return _ABSTAIN if self.abstained else self.candidate

    @property
    def correct(self) -> bool:
        """Whether it answered, and answered `target`; False where the target is not known."""
        return not self.abstained and self.candidate == self.target


@final
@dataclass(frozen=True)
class NodeCertificates:
    """The certificates of some nodes of one graph, and the settings that they share."""

    settings: NodeSettings
    certificates: tuple[NodeCertificate, ...]

    def __len__(self) -> int:
        return len(self.certificates)

    def __iter__(self) -> Iterator[NodeCertificate]:
        return iter(self.certificates)

    def __getitem__(self, position: int) -> NodeCertificate:
        return self.certificates[position]

    def certified_accuracy(self, radius: float = 0.0) -> float:
        """Return the share of nodes that answer right, with a certified radius above `radius`.

        With `multiplicity` "table" no change Δ with ‖Δ‖_F ≤ radius, the same for all nodes, brings the
        accuracy of the smoothed network on these nodes below it, with probability 1 − alpha over the draws.
        Errors: `InputError` where a node has no label.
        """
        least = check_number("radius", radius, at_least=0)
        self._check_targets()
        return float(np.mean([one.correct and one.radius > least for one in self]))

    def average_radius(self) -> float:
        """Return the mean radius, wrong answers and abstentions counting 0. Errors: as above."""
        self._check_targets()
        return float(np.mean([one.radius if one.correct else 0.0 for one in self]))

    def abstentions(self) -> float:
        """Return the share of nodes without an answer."""
        return float(np.mean([one.abstained for one in self]))

    def to_mapping(self) -> dict[str, Any]:
        """Return plain Python values, ready for JSON."""
        return {"settings": asdict(self.settings), "certificates": [asdict(one) for one in self]}

    def _check_targets(self) -> None:
        bare = sum(one.target is None for one in self)
        if bare:
            got = f"{bare} of {len(self)} nodes without a label"
            raise InputError(message("labels", got, "labelled nodes"), name="labels")


def make_node_certificates(
    settings: NodeSettings,
    nodes: Int64[np.ndarray, " chosen"],
    selection: Int64[np.ndarray, "chosen classes"],
    estimation: Int64[np.ndarray, "chosen classes"],
    targets: Int64[np.ndarray, " nodes"] | None = None,
) -> NodeCertificates:
    """Derive certificates from counts: the candidate from selection alone, its bound from estimation."""
    candidates = selection.argmax(axis=1)
    votes = estimation[np.arange(len(nodes)), candidates]
    bounds = lower_bounds(votes, settings.estimation_samples, settings.level)
    noise = Gaussian(noise_std=settings.noise_std)
    found = []
    for position, node in enumerate(nodes.tolist()):
        p_lower = max(0.0, float(bounds[position]) - settings.law)
        radius = max(0.0, noise.radius(p_lower) - settings.rounding)
        known = targets is not None and targets[node] >= 0
        found.append(
            NodeCertificate(
                node=node,
                candidate=int(candidates[position]),
                abstained=radius <= 0,
                p_lower=p_lower,
                radius=radius,
                votes=int(votes[position]),
                selection_counts=tuple(int(count) for count in selection[position]),
                target=int(targets[node]) if targets is not None and known else None,
            )
        )
    return NodeCertificates(settings, tuple(found))
