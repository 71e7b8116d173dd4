"""`certify` and `predict`: certificates and answers of any smoothed classifier in one call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from heatproof._check import check_choice, check_labels, message
from heatproof._types import Classifier, Progress, no_progress
from heatproof.certification._choice import input_keys
from heatproof.certification._inputs import as_inputs
from heatproof.certification._procedure import procedure
from heatproof.certification._record import Certificate
from heatproof.certification._settings import CertificationSettings
from heatproof.certification._smoothed import SmoothedPredictor
from heatproof.certification._store import CertificateStore
from heatproof.certification._stored import certify_stored, open_certification
from heatproof.certification.results import Certificates
from heatproof.certification.sampling.execution import Execution
from heatproof.data import DataSet
from heatproof.errors import InputError
from heatproof.noise import Noise

__all__ = ["certify", "predict"]


def certify(
    model: Classifier,
    x: object,
    y: object = None,
    *,
    noise_std: float | None = None,
    noise: Noise | None = None,
    norm: str | None = None,
    method: str | None = None,
    radii: Iterable[float] | float | None = None,
    alpha: float = 0.001,
    alpha_scope: str = "per input",
    estimation_samples: int | None = None,
    selection_samples: int | None = None,
    tolerance: float | None = None,
    price: float = 0.0,
    vote: str = "hard",
    runner_up: str = "complement",
    classifier: str | None = None,
    grid_step: float | None = None,
    index: Tensor | None = None,
    seed: int = 0,
    store: str | Path | None = None,
    pilot: bool = True,
    progress: Progress = no_progress,
    **execution: Any,
) -> Certificates:
    """Certify the smoothed classifier of `model` at each input.

    Guarantee, in one sentence (`certificates.guarantee` says it with all its numbers): for each input on its
    own (or for the whole table), with probability at least 1 − alpha over the drawn noise, the smoothed
    classifier gives `label` at every point closer than `radius`, or the certifier abstained.

    It is the smoothed classifier that is certified, never the one-pass network. The promise is for inputs
    fixed before the noise: whoever knows the seed and chooses inputs to suit it is outside it. The model must
    be a fixed function of each row: no randomness, no statistics of the batch; a few noisy rows are tried
    together and alone, and a model that fails is refused. A function that hides a module (`lambda x: net(x)`)
    cannot be put in evaluation mode for you: call `net.eval()` first.

    Args:
        model: any callable (B, *event) → (B, K) logits, row by row; `hp.BlackBox` adapts what knows no
            PyTorch; precision: see `SmoothedPredictor`.
        x, y: inputs (B, *event) in the model's own units and, if `correct` is wanted, labels (B,): arrays,
            tensors, a `DataLoader`, a split of a data set (`as_inputs` says what else).
        noise_std, noise, classifier, grid_step, seed: which smoothed classifier, see `SmoothedPredictor`.
        norm: in which norm radii are given: "l1", "l2", "linf" or "lp" with a number; by default the norm
            that the noise is made for. Every certificate lists the radii of the others, too.
        method: "fixed" draws n samples an input (Clopper–Pearson). "decision" finds whether each of `radii`
        is
            certified, with as few draws as that takes. "radius" finds the radius to within `tolerance`. Left
            out, it is "decision" if `radii` are given, else "fixed".
        alpha, alpha_scope: failure probability of each input's certificate ("per input") or of all of them
            together ("table": the union bound). `certificates.holm(radius)` is the sharper table at fixed n.
        tolerance, price: what method "radius" may lose at an input, in the norm's unit (0.08 of the noise's
            scale), and the radius that one more draw must bring (0; 1e-5 of the scale saves many draws where
            most votes are unanimous).
        estimation_samples: n, or the most that an input can get; 10,000 at fixed n, else 100,000.
        selection_samples: n₀, which choose the class; 100 at fixed n, else as few as pay off.
        vote: "hard", or "soft": the mean of class probabilities, bounded by a betting martingale (fixed n).
        runner_up: "complement" (p_B = 1 − p_A) or "simultaneous" (both bounded from the counts; fixed n).
        index: identities of the inputs (B,), which key their noise; a hash of the content if left out.
        store: a file; certificates are stored as they come, and the same call goes on after an interruption.
            The model must be a module, or a `BlackBox` with an `identity`.
        pilot: first try a few noisy copies and warn (`NoiseWarning`) if the model will mostly abstain.
        progress: told after each input.
        execution: `batch_size`, `precision`, `channels_last`, `compile`, `deterministic`: see `Execution`.

    Returns: `Certificates`, one `Certificate` an input, in order. Cost: at most (n + n₀)·B forward rows, and
    up to 64·9 for the pilot; memory one batch. Errors: `InputError`, `DataError`, `ModelError`,
    `StorageError`, each naming what was got and what is allowed. Source: Cohen et al. 2019; Salman et al.
    2019; arXiv 2307.12333, Theorem 3.1; for other noises see `heatproof.noise`.
    """
    inputs, labels, own_index = as_inputs(x, y)
    index = own_index if index is None else index
    grid_step = _grid_of(x) if grid_step is None else grid_step
    chosen = {"noise": noise, "noise_std": noise_std, "classifier": classifier}
    predictor = _predictor(model, certify, chosen, grid_step=grid_step, seed=seed, options=execution)
    asked = procedure(
        predictor.noise,
        inputs[0].numel(),
        norm=norm,
        method=method,
        radii=radii,
        alpha=alpha,
        alpha_scope=alpha_scope,
        inputs=len(inputs),
        estimation_samples=estimation_samples,
        selection_samples=selection_samples,
        tolerance=tolerance,
        price=price,
        vote=vote,
        runner_up=runner_up,
    )
    settings = predictor.settings(inputs, **asked)
    if labels is not None:
        check_labels("y", labels, count=len(inputs), classes=settings.classes)
    keys = torch.tensor(input_keys(inputs, index), dtype=torch.int64)
    if pilot:
        predictor.try_under_noise(inputs, labels, keys)
    made = _made if store is None else partial(_stored, _path(store))
    return made(predictor, settings, x=inputs, y=labels, keys=keys, progress=progress)


def _path(store: object) -> Path:
    if not isinstance(store, str | Path):
        raise InputError(message("store", repr(store), "the name of a file"), name="store")
    return Path(store)


def _predictor(
    model: Classifier,
    function: Callable[..., Any],
    chosen: dict[str, Any],
    *,
    grid_step: float | None,
    seed: int,
    options: dict[str, Any],
) -> SmoothedPredictor:
    """Return the predictor that `function` was asked for, run as the options that are left say.

    A word that is no option names the nearest that is.
    """
    known = (*inspect.signature(function).parameters, *Execution.model_fields)
    for name in options:
        check_choice("option", name, [one for one in known if one != "execution"])
    execution = Execution(**options)
    return SmoothedPredictor(model, **chosen, grid_step=grid_step, seed=seed, execution=execution)


def _grid_of(x: object) -> float | None:
    """Return the grid that a data set brings with it."""
    return x.grid_step if isinstance(x, DataSet) else None


def _made(
    predictor: SmoothedPredictor,
    settings: CertificationSettings,
    *,
    x: Tensor,
    y: Tensor | None,
    keys: Tensor,
    progress: Progress,
) -> Certificates:
    """Certify all inputs, in their order."""
    found: dict[int, Certificate] = {}
    for position, one in predictor.numbered(x, settings, y=y, index=keys):
        found[position] = one
        progress(len(found), len(x), "certify")
    return Certificates(found[position] for position in range(len(x)))


def predict(
    model: Classifier,
    x: object,
    *,
    noise_std: float | None = None,
    noise: Noise | None = None,
    classifier: str | None = None,
    alpha: float = 0.001,
    samples: int = 1_000,
    grid_step: float | None = None,
    index: Tensor | None = None,
    seed: int = 0,
    pilot: bool = True,
    **execution: Any,
) -> Int64[Tensor, " batch"]:
    """Return the smoothed label of each input, or −1 where it abstains; wrong with probability ≤ alpha.

    Arguments, errors: as in `certify`; see `SmoothedPredictor.predict`. Cost: `samples` forward rows an
    input.
    """
    inputs, _, own_index = as_inputs(x)
    index = own_index if index is None else index
    grid_step = _grid_of(x) if grid_step is None else grid_step
    chosen = {"noise": noise, "noise_std": noise_std, "classifier": classifier}
    predictor = _predictor(model, predict, chosen, grid_step=grid_step, seed=seed, options=execution)
    if pilot:
        predictor.try_under_noise(inputs, None, index)
    return predictor.predict(inputs, alpha=alpha, samples=samples, index=index)


def _stored(
    path: Path,
    predictor: SmoothedPredictor,
    settings: CertificationSettings,
    *,
    x: Tensor,
    y: Tensor | None,
    keys: Tensor,
    progress: Progress,
) -> Certificates:
    if not settings.model_fingerprint:
        got, advice = "a function", "Or name it: hp.BlackBox(function, identity='forest, version 3')."
        allowed = "a module, which a store knows again by its weights"
        raise InputError(message("model", got, allowed, advice), name="model")
    if len(set(keys.tolist())) < len(keys):
        got, advice = "inputs with the same index (or content)", "Give each its own index."
        raise InputError(message("index", got, "each input once in a store", advice), name="index")
    with CertificateStore(path) as stored:
        certification = open_certification(stored, settings, "inputs", x=x, index=keys)
        done = len(keys) - len(stored.missing(certification))
        progress(done, len(keys), "certify")
        for more, _ in enumerate(
            certify_stored(stored, certification, predictor, x=x, y=y, index=keys), start=1
        ):
            progress(done + more, len(keys), "certify")
        found = stored.stored(certification)
    if y is None:
        return Certificates(found)
    return Certificates(replace(one, target=int(label)) for one, label in zip(found, y, strict=True))
