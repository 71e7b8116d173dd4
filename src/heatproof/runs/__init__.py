"""Run folders: a configuration, what was trained from it, attacked, certified, and shown."""

from heatproof.runs.config import AttackSettings, CertifySettings, DataSettings, RunConfig
from heatproof.runs.folder import RunFolder
from heatproof.runs.training import load_model, resume_run, train_run

__all__ = [
    "AttackSettings",
    "CertifySettings",
    "DataSettings",
    "RunConfig",
    "RunFolder",
    "load_model",
    "resume_run",
    "train_run",
]
