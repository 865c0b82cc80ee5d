"""Networks, and the parts that only the article's has."""

import numpy as np

import manual
from manual.article.example import INPUTS, TARGETS
from manual.article.modules import ArticleNetwork, SharedBias
from manual.models.mlp import ACTIVATIONS

from .case import Case, Chain, plain, typed
from .draws import exactly_these, normal, tokens

THREE = Chain((typed(manual.Linear, 3, 4), plain(manual.Tanh), typed(manual.Linear, 4, 2)))


def article(biases: str) -> Case:
    network = typed(ArticleNetwork, biases=biases)
    return Case(f"ArticleNetwork-{biases}", network, exactly_these(np.array([INPUTS, TARGETS])))


NETWORKS = [
    Case("Sequential", THREE, normal((5, 3))),
    *(
        Case(f"MLP-{activation}", typed(manual.MLP, (3, 4, 2), activation), normal((5, 3)))
        for activation in ACTIVATIONS
    ),
    Case("MLP-deep", typed(manual.MLP, (3, 5, 4, 6, 2), "Tanh"), normal((5, 3))),
    Case("ConvNet", typed(manual.ConvNet, (2, 3, 4), 4, 3), normal((3, 2, 4, 4))),
    Case("ConvNet-Tanh", typed(manual.ConvNet, (1, 4), 5, 3, "Tanh"), normal((3, 1, 5, 5))),
    Case("ResidualBlock", typed(manual.ResidualBlock, 3), normal((4, 3, 4, 5))),
    Case("ResNet", typed(manual.ResNet, 2, 3, 2, 4), normal((4, 2, 5, 4))),
    Case("TextLSTM", typed(manual.TextLSTM, 7, 3, 4, 2), tokens(7, (3, 5))),
    Case("Conv1D", typed(manual.Conv1D, 4, 3), normal((5, 3))),
    Case("Conv1D-axes", typed(manual.Conv1D, 4, 3), normal((5, 2, 3))),
    Case("GPT", typed(manual.GPT, 7, 6, 2, 2, 8), tokens(7, (3, 5))),
    Case("RotaryEmbedding", plain(manual.RotaryEmbedding), normal((5, 6))),
    Case("RotaryEmbedding-heads", plain(manual.RotaryEmbedding, 7.0), normal((2, 3, 5, 4))),
    Case("SwiGLU", typed(manual.SwiGLU, 3, 4), normal((5, 3))),
    Case("SwiGLU-axes", typed(manual.SwiGLU, 3, 4), normal((2, 5, 3))),
    Case("Llama", typed(manual.Llama, 7, 8, 5, 2, 4, 2), tokens(7, (3, 5))),
    Case("MicroGPT", typed(manual.MicroGPT, 7, 6, 2, 2, 8), tokens(7, (3, 5))),
    Case("SharedBias", typed(SharedBias), normal((5, 3))),
    article("fixed"),
    article("trained"),
    article("shared"),
]
