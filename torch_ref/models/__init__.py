"""The networks and losses of `manual` that PyTorch does not have, in PyTorch's own idiom.

Each takes the arguments of its twin in `manual` and has the same parameter names.

    losses     losses by their names on the command line, among them the article's
    dropout    Dropout and its kin, with the by-hand masks
    mlp        MLP: linear layers with an activation between each two
    convnet    ConvNet and ResNet
    article    the worked example's network
"""

from .article import ArticleNetwork, SharedBias
from .convnet import ConvNet, ResidualBlock, ResNet
from .dropout import AlphaDropout, Dropout, Dropout1d, Dropout2d
from .losses import HalfSquaredError
from .mlp import MLP

__all__ = [
    "MLP",
    "AlphaDropout",
    "ArticleNetwork",
    "ConvNet",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "HalfSquaredError",
    "ResNet",
    "ResidualBlock",
    "SharedBias",
]
