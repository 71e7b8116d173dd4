"""Training: one visible loop, exact resume, and a diagnosis when it breaks."""

from heatproof.training._settings import TrainingSettings, learning_rate, steps_within
from heatproof.training.diagnosis import Finding, diagnose
from heatproof.training.fine_tuning import FinetuningResult, finetune
from heatproof.training.graph import GraphTrainingResult, GraphTrainingSettings, train_graph
from heatproof.training.loop import EpochRecord, TrainingResult, train

__all__ = [
    "EpochRecord",
    "Finding",
    "FinetuningResult",
    "GraphTrainingResult",
    "GraphTrainingSettings",
    "TrainingResult",
    "TrainingSettings",
    "diagnose",
    "finetune",
    "learning_rate",
    "steps_within",
    "train",
    "train_graph",
]
