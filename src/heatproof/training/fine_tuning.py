"""Fine-tuning: a model that was never trained on noise learns, in a few epochs, to answer under it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from heatproof._check import check_number, check_whole, message
from heatproof._types import Progress, no_progress
from heatproof.data import DataSet, Split
from heatproof.errors import InputError
from heatproof.noise import Gaussian
from heatproof.objectives import GaussianAugmentation, Objective
from heatproof.training._fit import check_kinds, check_model
from heatproof.training._processes import require_one
from heatproof.training._record import EpochRecord
from heatproof.training._session import epoch_seed
from heatproof.training._settings import TrainingSettings
from heatproof.training.loop import train

__all__ = ["FinetuningResult", "finetune"]

_EPOCHS = 10
_LEARNING_RATE = 0.02
_ROWS = 5_000
_BATCH = 1_000


@dataclass(frozen=True)
class FinetuningResult:
    """What fine-tuning changed, measured on the validation split: accuracy with and without noise.

    `epoch` is the one whose weights were kept, 0 if nothing was better than the model as it came. As it is
    the best of them on these very inputs, `after` is a little optimistic: certified accuracy on the test
    split is what counts.
    """

    noise_std: float
    before: float
    after: float
    noise_free_before: float
    noise_free_after: float
    inputs: int
    epoch: int
    records: tuple[EpochRecord, ...]
    seconds: float

    def __str__(self) -> str:
        return (
            f"accuracy under noise (noise_std {self.noise_std:g}) on {self.inputs} validation inputs: "
            f"{self.before:.3f} → {self.after:.3f}; without noise {self.noise_free_before:.3f} → "
            f"{self.noise_free_after:.3f}; weights of epoch {self.epoch} of {len(self.records)}, "
            f"{self.seconds:.1f} s"
        )


def finetune(
    model: nn.Module,
    data: DataSet,
    *,
    noise_std: float,
    epochs: int | None = None,
    objective: Objective | None = None,
    settings: TrainingSettings | None = None,
    seed: int = 0,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    progress: Progress = no_progress,
) -> FinetuningResult:
    """Adapt `model`, in place, to Gaussian noise on its inputs, before `certify(model, …, noise_std=…)`.

    It is `heatproof.train` with other defaults: 10 epochs, a learning rate of 0.02 that falls to 0 (a fifth
    of that of a training from scratch; `benchmarks/finetune.py` compares rates), and noisy inputs
    (`GaussianAugmentation(noise_std=…)`, Cohen et al. 2019). After each epoch the accuracy under noise is
    measured on the validation split, and the best weights are kept, those that the model came with among
    them; the test split is not looked at. Every submodule is in training mode while it learns, and has the
    mode it had before afterwards. If it fails or is interrupted, the model has the best weights so far.

    Args:
        model: any module (B, *event) → (B, K); the noise is added to raw inputs, before its normalisation.
        data: see `heatproof.data.load`.
        noise_std: s, in input units: the noise that the model shall be smoothed with.
        epochs: passes over the training split, in place of those of `settings`.
        objective: the loss; one with a noise of its own must have this noise_std.
        settings: learning rate, batches, augmentation, precision and so on, in place of the defaults.
        seed: of batches and noise.
        on_epoch: called with each epoch's record, which has `accuracy_under_noise` too.
        progress: told after each step.

    Cost: that of the training, and one forward pass of at most 10,000 rows an epoch. Memory: one copy of the
    weights. Errors: those of `heatproof.train`; `InputError` for an objective with another noise,
    and in several processes.
    """
    noise_std = check_number("noise_std", noise_std, above=0)
    check_whole("seed", seed, at_least=0)
    objective = GaussianAugmentation(noise_std=noise_std) if objective is None else objective
    settings = _settings(epochs, settings)
    check_kinds(
        model, data=(data, DataSet), objective=(objective, Objective), settings=(settings, TrainingSettings)
    )
    require_one("fine-tuning")
    _check_noise(objective, noise_std)
    with _own_flags(model):
        check_model(model, data, _device(model))
        keeper = _Keeper(model, _Trial(data.validation, noise_std, seed), on_epoch)
        try:
            result = train(
                model, data, objective, settings, seed=seed, on_epoch=keeper.note, progress=progress
            )
        finally:
            keeper.restore()
        after = keeper.trial.accuracy(model)
        free = keeper.trial.accuracy(model, noisy=False)
    return FinetuningResult(
        noise_std=noise_std,
        before=keeper.before,
        after=after,
        noise_free_before=keeper.noise_free_before,
        noise_free_after=free,
        inputs=keeper.trial.rows,
        epoch=keeper.epoch,
        records=result.records,
        seconds=result.seconds,
    )


def _settings(epochs: int | None, settings: TrainingSettings | None) -> TrainingSettings:
    if settings is None:
        settings = TrainingSettings(epochs=_EPOCHS, learning_rate=_LEARNING_RATE)
    if epochs is None or not isinstance(settings, TrainingSettings):
        return settings
    count = check_whole("epochs", epochs)
    return TrainingSettings.from_mapping({**settings.to_mapping(), "epochs": count, "budget": None})


def _check_noise(objective: Objective, noise_std: float) -> None:
    noise = objective.smoothing_noise
    if noise is not None and noise != Gaussian(noise_std=noise_std):
        got = f"one for {noise.describe()}"
        allowed = f"an objective for noise_std {noise_std:g}, or one without noise"
        advice = "Give both the same; to mix them, use heatproof.train."
        raise InputError(message("objective", got, allowed, advice), name="objective")


def _device(model: nn.Module) -> torch.device:
    return next(weight.device for weight in model.parameters())


@contextmanager
def _own_flags(model: nn.Module) -> Iterator[None]:
    """Give each submodule the mode (training or evaluation) back that it had."""
    flags = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, flag in flags:
            module.training = flag


@dataclass(frozen=True)
class _Trial:
    """Accuracy on one split, with the same noise each time."""

    split: Split
    noise_std: float
    seed: int

    @property
    def rows(self) -> int:
        return min(len(self.split), _ROWS)

    def accuracy(self, model: nn.Module, *, noisy: bool = True) -> float:
        """Return the share of right answers in one pass; of a few noisy copies where inputs are few."""
        generator = torch.Generator().manual_seed(epoch_seed(self.seed, 0, "accuracy under noise"))
        copies = max(1, _ROWS // self.rows) if noisy else 1
        right = 0
        model.eval()
        with torch.no_grad():
            for _ in range(copies):
                for rows in torch.arange(self.rows).split(_BATCH):
                    x, y = self.split.x[rows], self.split.y[rows]
                    if noisy:
                        x = x + self.noise_std * torch.randn(x.shape, generator=generator)
                    right += int((model(x.to(_device(model))).argmax(dim=1).cpu() == y).sum())
        return right / (copies * self.rows)


class _Keeper:
    """Measures after each epoch and keeps the best weights."""

    def __init__(
        self, model: nn.Module, trial: _Trial, on_epoch: Callable[[EpochRecord], None] | None
    ) -> None:
        self.model, self.trial, self.on_epoch = model, trial, on_epoch
        self.before = self.best = trial.accuracy(model)
        self.noise_free_before = trial.accuracy(model, noisy=False)
        self.epoch = 0
        self.weights = self._copied()

    def note(self, record: EpochRecord) -> None:
        accuracy = self.trial.accuracy(self.model)
        if accuracy > self.best:
            self.best, self.epoch, self.weights = accuracy, record.epoch, self._copied()
        if self.on_epoch is not None:
            self.on_epoch(replace(record, values={**record.values, "accuracy_under_noise": accuracy}))

    def restore(self) -> None:
        self.model.load_state_dict(self.weights)

    def _copied(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.model.state_dict().items()}
