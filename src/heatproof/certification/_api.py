"""`certify`: certificates of any classifier in one call."""

from __future__ import annotations

from jaxtyping import Float, Int64
from torch import Tensor

from heatproof._types import Classifier, Progress, no_progress
from heatproof.certification._record import Certificate
from heatproof.certification._smoothed import SmoothedPredictor

__all__ = ["certify"]


def certify(
    model: Classifier,
    x: Float[Tensor, "batch *event"],
    y: Int64[Tensor, " batch"] | None = None,
    *,
    noise_std: float | None = None,
    classifier: str | None = None,
    alpha: float = 0.001,
    estimation_samples: int = 10_000,
    selection_samples: int = 100,
    grid_step: float | None = None,
    index: Int64[Tensor, " batch"] | None = None,
    seed: int = 0,
    batch_size: int = 2048,
    progress: Progress = no_progress,
) -> list[Certificate]:
    """Certify the smoothed classifier of `model` at each input; ℓ2, ℓ1 and ℓ∞ radii from one sampling.

    R = s·Φ⁻¹(p_A) around each input, p_A bounded from below by Clopper–Pearson (Cohen et al. 2019; arXiv
    2307.12333, Theorem 3.1), minus the rounding of the lattice (`heatproof.noise.lattice`).

    Guarantee: for each input on its own, with probability at least 1 − alpha over the drawn noise, the
    smoothed classifier answers `label` at every point closer than `radius`, or it abstained. It is the
    smoothed classifier that is certified, never the one-pass network. The promise is for inputs fixed
    before the noise: whoever knows the seed and chooses inputs to suit it is outside it. The model must be
    a fixed function of each row: no randomness, no statistics of the batch; a few noisy rows are tried
    together and alone, and a model that fails is refused. A function that hides a module (`lambda x:
    net(x)`) cannot be put in evaluation mode for you: call `net.eval()` first.

    Args:
        model: any callable (B, *event) → (B, K) logits, row by row; precision: see `SmoothedPredictor`.
        x: inputs (B, *event), floating point, in the model's own units.
        y: true labels (B,), if `correct` is wanted.
        noise_std, classifier, grid_step, seed, batch_size: see `SmoothedPredictor`.
        alpha: failure probability of each input's certificate.
        estimation_samples, selection_samples: n and n₀ draws an input.
        index: identities of the inputs (B,), which key their noise; a hash of the content if left out.
        progress: told after each input.

    Returns: one `Certificate` an input, in order. Cost: (n + n₀ + 1)·B + 66 forward rows; memory one batch.
    Errors: `InputError`, `DataError`, `ModelError`, each naming what was got and what is allowed.
    """
    predictor = SmoothedPredictor(
        model,
        noise_std=noise_std,
        classifier=classifier,
        grid_step=grid_step,
        seed=seed,
        batch_size=batch_size,
    )
    settings = predictor.settings(
        x, alpha=alpha, estimation_samples=estimation_samples, selection_samples=selection_samples
    )
    certificates = []
    for certificate in predictor.certify(x, settings, y=y, index=index):
        certificates.append(certificate)
        progress(len(certificates), len(x), "certify")
    return certificates
