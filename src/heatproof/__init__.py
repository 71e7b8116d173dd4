"""heatproof: classifiers as convection–diffusion equations, certified and attacked.

Everything public is listed here and loaded when first used, so `import heatproof` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heatproof import (
        attacks,
        certification,
        data,
        equation,
        errors,
        lipschitz,
        networks,
        noise,
        objectives,
        solvers,
        statistics,
        theory,
    )
    from heatproof.attacks import AttackResult, attack, attack_radii, break_certificates
    from heatproof.certification import (
        BlackBox,
        Certificate,
        Certificates,
        Execution,
        MarginCertificate,
        SmoothedPredictor,
        SplittingCertificate,
        best_of,
        certify,
        certify_margin,
        certify_nodes,
        certify_splitting,
        predict,
        strongest,
    )
    from heatproof.data import DataSet, GraphData, Split, load, load_graph
    from heatproof.errors import HeatproofError
    from heatproof.objectives import AdversarialDrift, ConvectionDiffusion, GaussianAugmentation, Natural
    from heatproof.training import TrainingSettings, finetune, train, train_graph

__version__ = "0.1.0"

__all__ = [
    "AdversarialDrift",
    "AttackResult",
    "BlackBox",
    "Certificate",
    "Certificates",
    "ConvectionDiffusion",
    "DataSet",
    "Execution",
    "GaussianAugmentation",
    "GraphData",
    "HeatproofError",
    "MarginCertificate",
    "Natural",
    "SmoothedPredictor",
    "Split",
    "SplittingCertificate",
    "TrainingSettings",
    "__version__",
    "attack",
    "attack_radii",
    "attacks",
    "best_of",
    "break_certificates",
    "certification",
    "certify",
    "certify_margin",
    "certify_nodes",
    "certify_splitting",
    "data",
    "equation",
    "errors",
    "finetune",
    "lipschitz",
    "load",
    "load_graph",
    "networks",
    "noise",
    "objectives",
    "predict",
    "solvers",
    "statistics",
    "strongest",
    "theory",
    "train",
    "train_graph",
]

_PLACES: dict[str, tuple[str, ...]] = {
    "attacks": ("AttackResult", "attack", "attack_radii", "break_certificates"),
    "certification": (
        *("BlackBox", "Certificate", "Certificates", "Execution", "MarginCertificate", "SmoothedPredictor"),
        *(
            "SplittingCertificate",
            "best_of",
            "certify",
            "certify_margin",
            "certify_nodes",
            "certify_splitting",
        ),
        *("predict", "strongest"),
    ),
    "data": ("DataSet", "GraphData", "Split", "load", "load_graph"),
    "equation": (),
    "errors": ("HeatproofError",),
    "lipschitz": (),
    "networks": (),
    "noise": (),
    "objectives": ("AdversarialDrift", "ConvectionDiffusion", "GaussianAugmentation", "Natural"),
    "solvers": (),
    "statistics": (),
    "theory": (),
    "training": ("TrainingSettings", "finetune", "train", "train_graph"),
}


def __getattr__(name: str) -> Any:
    for place, names in _PLACES.items():
        if name == place or name in names:
            module = importlib.import_module(f"heatproof.{place}")
            return module if name == place else getattr(module, name)
    raise AttributeError(f"module 'heatproof' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
