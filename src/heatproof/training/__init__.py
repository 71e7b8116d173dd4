"""Training: one visible loop, exact resume, and a diagnosis when it breaks."""

from heatproof.training._settings import TrainingSettings, epochs_within, learning_rate
from heatproof.training.fine_tuning import FinetuningResult, finetune
from heatproof.training.loop import EpochRecord, TrainingResult, train

__all__ = [
    "EpochRecord",
    "FinetuningResult",
    "TrainingResult",
    "TrainingSettings",
    "epochs_within",
    "finetune",
    "learning_rate",
    "train",
]
