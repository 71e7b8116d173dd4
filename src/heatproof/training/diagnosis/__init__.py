"""Diagnosis: what the records of a training show, what to change, and what to expect from that.

One file for each signature. The first three are those of the convection–diffusion objective (arXiv
2307.12333): divergence (space_step under the stability bound, or a loss that is not finite), under-fitting (λ
or σ² too large) and no effect (λσ² too small).
"""

from heatproof.training.diagnosis._circumstances import Circumstances, circumstances_of
from heatproof.training.diagnosis._course import LEAST_EPOCHS, LEAST_STEPS, Course
from heatproof.training.diagnosis._diagnose import diagnose, in_order
from heatproof.training.diagnosis._finding import Finding
from heatproof.training.diagnosis._watch import Watch
from heatproof.training.diagnosis.comparison import Comparison, compared, costly
from heatproof.training.diagnosis.divergence import divergence_error
from heatproof.training.diagnosis.other_noise import other_noise, out_of_reach

__all__ = [
    "LEAST_EPOCHS",
    "LEAST_STEPS",
    "Circumstances",
    "Comparison",
    "Course",
    "Finding",
    "Watch",
    "circumstances_of",
    "compared",
    "costly",
    "diagnose",
    "divergence_error",
    "in_order",
    "other_noise",
    "out_of_reach",
]
