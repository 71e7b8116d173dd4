"""Training: one visible loop, exact resume, and a diagnosis when it breaks."""

from heatproof.training._settings import TrainingSettings, learning_rate, steps_within
from heatproof.training.fine_tuning import FinetuningResult, finetune
from heatproof.training.graph import GraphTrainingResult, GraphTrainingSettings, train_graph
from heatproof.training.loop import EpochRecord, TrainingResult, train

__all__ = [
    "EpochRecord",
    "FinetuningResult",
    "GraphTrainingResult",
    "GraphTrainingSettings",
    "TrainingResult",
    "TrainingSettings",
    "finetune",
    "learning_rate",
    "steps_within",
    "train",
    "train_graph",
]
