"""Networks: settings that build them, normalisation inside the model, time as one more input."""

from __future__ import annotations

from heatproof.networks._base import Activation, NetworkBase
from heatproof.networks._description import NetworkDescription
from heatproof.networks._registry import (
    NetworkSettings,
    build,
    describe,
    names,
    parameters,
)
from heatproof.networks.chain import DiffusionChain
from heatproof.networks.convolutional_potential_flow import ConvolutionalPotentialFlow
from heatproof.networks.custom import Factory
from heatproof.networks.cut import diffusion_chain
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
from heatproof.networks.noise_settings import (
    BlockNoise,
    BranchDropoutNoise,
    GaussianNoise,
    MultiplicativeGaussianNoise,
    NoiseLayers,
    ShakeShakeNoise,
    StateDropoutNoise,
    StochasticDepthNoise,
    residual_layer,
)
from heatproof.networks.normalise import Normalise, Normalised
from heatproof.networks.potential_flow import PotentialFlow
from heatproof.networks.potential_flow_network import PotentialFlowNetwork
from heatproof.networks.residual import Residual
from heatproof.networks.residual_image import ResNet
from heatproof.networks.residual_mlp import ResidualMLP
from heatproof.networks.time import AtTime, Time, TimeConditioned, append_time, at_time
from heatproof.networks.timed import WithTime, with_time
from heatproof.networks.vision_transformer import VisionTransformer
from heatproof.networks.wide_residual import WideResNet

__all__ = [
    "MLP",
    "Activation",
    "AtTime",
    "BlockNoise",
    "BranchDropout",
    "BranchDropoutNoise",
    "ConvolutionalPotentialFlow",
    "Denoised",
    "DiffusionChain",
    "EquationLayer",
    "Factory",
    "GaussianInjection",
    "GaussianNoise",
    "InputNoise",
    "InteriorClassifier",
    "LeNet",
    "MultiplicativeGaussianNoise",
    "MultiplicativeNoise",
    "NetworkBase",
    "NetworkDescription",
    "NetworkSettings",
    "NoiseLayer",
    "NoiseLayers",
    "Normalise",
    "Normalised",
    "PotentialFlow",
    "PotentialFlowNetwork",
    "ResNet",
    "Residual",
    "ResidualMLP",
    "ShakeShake",
    "ShakeShakeNoise",
    "StateDropout",
    "StateDropoutNoise",
    "StochasticDepth",
    "StochasticDepthNoise",
    "Time",
    "TimeConditioned",
    "VisionTransformer",
    "WideResNet",
    "WithTime",
    "append_time",
    "at_time",
    "build",
    "describe",
    "diffusion_chain",
    "interior_diffusion",
    "names",
    "parameters",
    "residual_layer",
    "with_time",
]
