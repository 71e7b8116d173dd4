"""Layers with noise, each of which knows the diffusion that it is: one file each."""

from heatproof.networks.noise_layers._equation_layer import EquationLayer
from heatproof.networks.noise_layers._noise_layer import NoiseLayer
from heatproof.networks.noise_layers.branch_dropout import BranchDropout
from heatproof.networks.noise_layers.gaussian_injection import GaussianInjection
from heatproof.networks.noise_layers.input_noise import InputNoise
from heatproof.networks.noise_layers.multiplicative_noise import MultiplicativeNoise
from heatproof.networks.noise_layers.shake_shake import ShakeShake
from heatproof.networks.noise_layers.state_dropout import StateDropout
from heatproof.networks.noise_layers.stochastic_depth import StochasticDepth

__all__ = [
    "BranchDropout",
    "EquationLayer",
    "GaussianInjection",
    "InputNoise",
    "MultiplicativeNoise",
    "NoiseLayer",
    "ShakeShake",
    "StateDropout",
    "StochasticDepth",
]
