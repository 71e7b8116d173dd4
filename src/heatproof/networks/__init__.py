"""Networks: settings that build them, normalisation inside the model, time as one more input."""

from __future__ import annotations

from heatproof.networks._base import Activation, NetworkBase
from heatproof.networks._registry import (
    NetworkDescription,
    NetworkSettings,
    build,
    describe,
    names,
    parameters,
)
from heatproof.networks.chain import DiffusionChain
from heatproof.networks.custom import Factory
from heatproof.networks.denoised import Denoised
from heatproof.networks.interior import InteriorClassifier, interior_diffusion
from heatproof.networks.lenet import LeNet
from heatproof.networks.mlp import MLP
from heatproof.networks.noise_layers import (
    BranchDropout,
    EquationLayer,
    GaussianInjection,
    InputNoise,
    MultiplicativeNoise,
    NoiseLayer,
    ShakeShake,
    StateDropout,
    StochasticDepth,
)
from heatproof.networks.normalise import Normalise, Normalised
from heatproof.networks.potential_flow import PotentialFlow
from heatproof.networks.residual import Residual
from heatproof.networks.residual_image import ResNet
from heatproof.networks.residual_mlp import ResidualMLP
from heatproof.networks.time import AtTime, Time, TimeConditioned, append_time, at_time

__all__ = [
    "MLP",
    "Activation",
    "AtTime",
    "BranchDropout",
    "Denoised",
    "DiffusionChain",
    "EquationLayer",
    "Factory",
    "GaussianInjection",
    "InputNoise",
    "InteriorClassifier",
    "LeNet",
    "MultiplicativeNoise",
    "NetworkBase",
    "NetworkDescription",
    "NetworkSettings",
    "NoiseLayer",
    "Normalise",
    "Normalised",
    "PotentialFlow",
    "ResNet",
    "Residual",
    "ResidualMLP",
    "ShakeShake",
    "StateDropout",
    "StochasticDepth",
    "Time",
    "TimeConditioned",
    "append_time",
    "at_time",
    "build",
    "describe",
    "interior_diffusion",
    "names",
    "parameters",
]
