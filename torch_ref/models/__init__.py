"""The networks and losses of `manual` that PyTorch does not have, in PyTorch's own idiom.

Each takes the arguments of its twin in `manual` and has the same parameter names.

    losses       losses by their names on the command line, among them the article's
    linear       Conv1D, as GPT-2 has it
    gated        SwiGLU
    rotary       RotaryEmbedding
    dropout      Dropout and its kin, with the by-hand masks
    recurrent    RNN, LSTM and GRU, with the by-hand masks between layers, or packed
    attention    MultiheadAttention and the function as a module, with the by-hand masks
    transformer  PyTorch's transformers, with the by-hand masks
    mlp          MLP: linear layers with an activation between each two
    convnet      ConvNet and ResNet
    text         TextLSTM
    gpt          GPT, with GPT-2's names
    llama        Llama
    microgpt     MicroGPT, of 4,192 numbers
    article      the worked example's network
"""

from .article import ArticleNetwork, SharedBias
from .attention import MultiheadAttention, ScaledDotProductAttention
from .convnet import ConvNet, ResidualBlock, ResNet
from .dropout import AlphaDropout, Dropout, Dropout1d, Dropout2d
from .gated import SwiGLU
from .gpt import GPT
from .linear import Conv1D
from .llama import Llama
from .losses import HalfSquaredError
from .microgpt import MicroGPT
from .mlp import MLP
from .recurrent import GRU, LSTM, RNN
from .rotary import RotaryEmbedding
from .text import TextLSTM
from .transformer import (
    Transformer,
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)

__all__ = [
    "GPT",
    "GRU",
    "LSTM",
    "MLP",
    "RNN",
    "AlphaDropout",
    "ArticleNetwork",
    "Conv1D",
    "ConvNet",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "HalfSquaredError",
    "Llama",
    "MicroGPT",
    "MultiheadAttention",
    "ResNet",
    "ResidualBlock",
    "RotaryEmbedding",
    "ScaledDotProductAttention",
    "SharedBias",
    "SwiGLU",
    "TextLSTM",
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]
