"""Attacks: how little it takes to change a prediction, searched for by gradients and judged without trust.

`attack` and `attack_radii` speak of a classifier as it is; `attack_smoothed`, `judge_smoothed` and
`break_certificates` of a classifier smoothed by Gaussian noise. The outer calls check the request, enforce
the budget and decide success themselves; an inner attack is one file that only searches.
"""

from __future__ import annotations

from heatproof.attacks._losses import LOSSES
from heatproof.attacks._norms import NORMS
from heatproof.attacks._outer import attack
from heatproof.attacks._result import AttackResult
from heatproof.attacks.certificates import BrokenCertificates, break_certificates
from heatproof.attacks.judge import judge_smoothed
from heatproof.attacks.smoothed import SmoothedAttackResult, attack_smoothed
from heatproof.attacks.sweep import attack_radii

__all__ = [
    "LOSSES",
    "NORMS",
    "AttackResult",
    "BrokenCertificates",
    "SmoothedAttackResult",
    "attack",
    "attack_radii",
    "attack_smoothed",
    "break_certificates",
    "judge_smoothed",
]
