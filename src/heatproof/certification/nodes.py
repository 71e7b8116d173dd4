"""Certificates of the nodes of a graph under one joint ℓ2 budget for the features of all of them.

A network on a graph is a function of *one* input, the matrix of all features X ∈ R^{N×F}; its answer at node
i is a classifier g_i of that input. Gaussian noise on the whole matrix smooths all of them at once, and at
each node Cohen et al. 2019 holds in dimension d = N·F: the answer at i stays for every Δ with ‖Δ‖_F < R_i,
R_i = s·Φ⁻¹(p_i), p_i a lower bound of the probability of the answer. Δ may be spread over any nodes.

All nodes see the same draws. A lower bound (Clopper & Pearson 1934) speaks of one node; that all hold at
once takes a union bound, which needs no independence (`multiplicity` "table"). Then a Δ of length r can
change none of the answers with R_i > r, whichever it aims at: their share bounds the accuracy under attack
from below.

The noise is drawn on a lattice (`heatproof.noise.lattice`), keyed by (seed, content of the matrix, draw): no
draw depends on which nodes are asked for. With d in the millions its law is off by up to 10⁻⁹·d in any
probability (see there), and that is taken off p_i here.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from heatproof._check import check_choice, check_inputs, check_whole, message
from heatproof._types import Classifier, Progress, no_progress
from heatproof.certification._identity import changed_meanwhile, fingerprint, written
from heatproof.certification._joint_draws import joint_draws
from heatproof.certification._model import asked, device_of, evaluating, not_finite
from heatproof.certification._node_record import NodeCertificates, NodeSettings, make_node_certificates
from heatproof.errors import DataError, InputError, ModelError
from heatproof.noise import Gaussian, Lattice
from heatproof.noise.keyed import Stage, Stream, content_key
from heatproof.statistics import level_of_one

__all__ = ["certify_nodes"]

_LAW = 1e-9
"""Total variation a coordinate between the lattice's Gaussian codes and rounded normals (see its file)."""
_TOLERANCE = 1e-3
_LEVELS = {"node": "input", "table": "table"}
"""What each word means to `level_of_one`."""


def certify_nodes(
    model: Classifier,
    features: Float[Tensor, "nodes features"],
    labels: Int64[Tensor, " nodes"] | None = None,
    *,
    noise_std: float,
    n: int = 10_000,
    n0: int = 100,
    alpha: float = 0.001,
    multiplicity: str = "node",
    nodes: object = None,
    grid_step: float | None = None,
    seed: int = 0,
    progress: Progress = no_progress,
) -> NodeCertificates:
    """Certify the smoothed answers at some nodes, for all changes of the feature matrix within a radius.

    Guarantee: for each node on its own, with probability at least 1 − alpha over the draws, the network
    smoothed by N(0, noise_std²·I) on all features answers `candidate` at this node for every change Δ with
    ‖Δ‖_F < `radius`; with `multiplicity` "table" all of them hold together with that probability. The graph
    does not change. The candidate comes from n0 draws of its own.

    Args:
        model: (N, F) → (N, K) logits, in the features' own units: normalisation lives inside the model. One
            with time is taken at time 1; `AtTime(model, 0)` is the network before diffusion.
        features: the whole matrix (N, F), floating point.
        labels: true labels (N,), −1 where there is none, if accuracies are wanted.
        noise_std: s, in units of the features. One number for all.
        n, n0: draws for estimation and for selection; each is one forward pass of the whole graph.
        alpha: failure probability, of each node or of the table.
        multiplicity: "node", each certificate by itself, or "table", all at once (level alpha/nodes each).
        nodes: which: a mask (N,), or node numbers; all if left out.
        grid_step: the distance of neighbouring values of features that are stored as whole numbers (1 for
            words that are there or not), or None.
        seed: of the noise.
        progress: told after each draw.

    Cost: n + n0 forward passes and as many matrices of noise (about 9 ns a number on a CPU); memory of a few
    matrices. Errors: `InputError`, `DataError` for what does not fit; `ModelError` for a model that is no
    fixed function, changes meanwhile, or gives no finite logits (N, K).
    """
    _check(features, n, n0, multiplicity)
    check_whole("seed", seed, at_least=0)
    chosen, targets = _chosen(nodes, len(features)), _targets(labels, len(features))
    level = level_of_one(alpha, len(chosen), _LEVELS[multiplicity])
    lattice = Lattice.for_noise(Gaussian(noise_std=noise_std), grid_step)
    given = features.detach().cpu().clone()  # a model may work in place
    identity, writes = fingerprint(model), written([model])
    with evaluating(model):
        counter = _Counter(model, lattice, given, seed=seed, chosen=chosen)
        _check_targets(targets, counter.classes)
        selection = counter.counts(Stage.SELECTION, n0, progress, (0, n0 + n))
        estimation = counter.counts(Stage.ESTIMATION, n, progress, (n0, n0 + n))
    if written([model]) != writes or fingerprint(model) != identity:
        raise changed_meanwhile()
    settings = NodeSettings(
        noise_std=noise_std,
        selection_samples=n0,
        estimation_samples=n,
        alpha=alpha,
        multiplicity=multiplicity,
        level=level,
        seed=seed,
        key=counter.key,
        grid_step=lattice.grid_step,
        unit=lattice.unit,
        shape=(given.shape[0], given.shape[1]),
        classes=counter.classes,
        rounding=float(lattice.rounding(given[None])[0]),
        law=_LAW * given.numel(),
        model_fingerprint=identity,
    )
    return make_node_certificates(settings, chosen, selection, estimation, targets)


class _Counter:
    """Draws matrices of noise and counts the votes of each chosen node."""

    def __init__(
        self,
        model: Classifier,
        lattice: Lattice,
        features: Tensor,
        *,
        seed: int,
        chosen: Int64[np.ndarray, " chosen"],
    ) -> None:
        self.model, self.lattice, self.seed = model, lattice, seed
        self.codes = lattice.ready(lattice.codes(features[None])[0])
        self.key, self.chosen = content_key(features), torch.from_numpy(chosen)
        self.classes = _tried(model, features)
        self.device = device_of(model)

    def counts(
        self, stage: Stage, samples: int, progress: Progress, done: tuple[int, int]
    ) -> Int64[np.ndarray, "chosen classes"]:
        """Return how often each class won at each chosen node, in draws 0 … samples − 1 of a stage."""
        rows = torch.arange(len(self.chosen))
        found = torch.zeros(len(self.chosen), self.classes, dtype=torch.int64)
        stream = Stream(self.seed, self.key, stage)
        for number, noisy in enumerate(joint_draws(self.lattice, self.codes, stream, samples)):
            logits = asked(self.model, noisy, self.device, self.classes)
            if not bool(torch.isfinite(logits).all()):
                raise not_finite(len(noisy), self.classes)
            found[rows, logits.argmax(dim=1).cpu()[self.chosen]] += 1
            progress(done[0] + number + 1, done[1], stage.name.lower())
        return found.numpy()


def _check(features: object, n: int, n0: int, multiplicity: str) -> None:
    values = check_inputs("features", features)
    if values.ndim != 2:
        allowed = "one matrix (N, F), the features of all nodes"
        raise InputError(message("features", f"shape {tuple(values.shape)}", allowed), name="features")
    check_whole("n", n)
    check_whole("n0", n0)
    check_choice("multiplicity", multiplicity, _LEVELS)


def _chosen(nodes: object, count: int) -> Int64[np.ndarray, " chosen"]:
    """Return node numbers, each once. Errors: `InputError`."""
    if nodes is None:
        return np.arange(count)
    array = nodes.detach().cpu().numpy() if isinstance(nodes, Tensor) else np.asarray(nodes)
    if array.dtype == np.bool_ and array.shape == (count,):
        array = np.flatnonzero(array)
    whole = array.dtype.kind in "iu" and array.ndim == 1 and len(array) > 0
    if not whole or array.min() < 0 or array.max() >= count or len(np.unique(array)) < len(array):
        got = f"{array.dtype} of shape {array.shape}"
        allowed = f"a mask of {count} with a node in it, or different node numbers 0…{count - 1}"
        raise InputError(message("nodes", got, allowed), name="nodes")
    return array.astype(np.int64)


def _targets(labels: object, count: int) -> Int64[np.ndarray, " nodes"] | None:
    if labels is None:
        return None
    if not isinstance(labels, Tensor) or labels.dtype != torch.int64 or tuple(labels.shape) != (count,):
        got = (
            f"{labels.dtype} of shape {tuple(labels.shape)}"
            if isinstance(labels, Tensor)
            else str(type(labels))
        )
        raise DataError(message("labels", got, f"an int64 tensor of shape ({count},)"), name="labels")
    return labels.cpu().numpy()


def _check_targets(targets: Int64[np.ndarray, " nodes"] | None, classes: int) -> None:
    """Refuse labels that are no class of the model, and not −1 for none. Errors: `DataError`."""
    if targets is not None and (int(targets.min()) < -1 or int(targets.max()) >= classes):
        got = f"labels from {int(targets.min())} to {int(targets.max())}"
        allowed = f"0…{classes - 1}, the model's classes, or −1 for none"
        raise DataError(message("labels", got, allowed), name="labels")


def _tried(model: Classifier, features: Tensor) -> int:
    """Return K, from a model that answers the same matrix the same way twice. Errors: `ModelError`."""
    first, again = (asked(model, features.clone(), device_of(model), None).clone() for _ in range(2))
    scale = 1 + first.float().abs().amax(dim=1, keepdim=True)
    if bool(((first.float() - again.float()).abs() > _TOLERANCE * scale).any()):
        got = "a model that answers the same features differently when asked again"
        advice = "Switch off dropout and other randomness."
        raise ModelError(message("model", got, "a fixed function", advice), name="model")
    return int(first.shape[1])
