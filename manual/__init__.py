"""Backpropagation derived by hand in NumPy.

Read it in this order; what stands below sees only what stands above:

    arrays, names       what an array may be; names as people type them
    reductions          sums and maxima of rows and columns
    parameter           a trainable array, with its gradient
    passes, hooks       what waits between forward and backward; who looks at them
    tree, module        what a layer is: what is in it; it runs forward and backward
    containers          Sequential, ModuleList, ModuleDict
    special             sigmoid, softplus, erf, log softmax: special functions
    generator           random numbers, PyTorch's own among them
    initializers        how a layer's numbers start
    layers/             what a network is built of: from Linear to Transformer
    losses/             how wrong the outputs are, as one number
    optim/              how a gradient becomes a step, from SGD to Muon
    schedules/          how the learning rate changes
    models/             whole networks built from these
    article/            the 2-2-2 network of a well-known article, with every figure that it prints;
                        one training step of any small network, written out

The derivations in the docstrings name their rules. With u and v functions of x, and u′ the slope of
u, du/dx:

    chain rule       d/dx f(u) = f′(u) u′       and where x reaches L through several numbers, what
                                                comes through each of them adds up
    sum rule         d/dx (u + v) = u′ + v′
    product rule     d/dx (u v) = u′ v + u v′
    quotient rule    d/dx (u/v) = (u′ v − u v′)/v²
    power rule       d/dx xⁿ = n xⁿ⁻¹
    an exponential   d/dx eˣ = eˣ
    a logarithm      d/dx log x = 1/x

L is what is made small in the end, g = ∂L/∂y what comes back to an output y, by which backward
begins. [i = j] is 1 where it is true, else 0; (z)₊ is max(z, 0).

Every class has the name, the arguments and the parameter names of its twin in torch.nn or
torch.optim. `python -m manual` prints the worked example.
"""

from .containers import ModuleDict, ModuleList, Sequential
from .generator import TorchGenerator
from .layers.activations import (
    CELU,
    ELU,
    SELU,
    Hardshrink,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    LeakyReLU,
    LogSigmoid,
    Mish,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softplus,
    Softshrink,
    Softsign,
    Tanh,
    Tanhshrink,
    Threshold,
)
from .layers.adaptive_pooling import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
)
from .layers.attention import ScaledDotProductAttention
from .layers.batch_normalization import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
)
from .layers.convolution import Conv1d, Conv2d, Conv3d
from .layers.distance import CosineSimilarity, PairwiseDistance
from .layers.dropout import AlphaDropout, Dropout, Dropout1d, Dropout2d
from .layers.embedding import Embedding, EmbeddingBag
from .layers.gated import SwiGLU
from .layers.gelu import GELU
from .layers.linear import Bilinear, Conv1D, Flatten, Identity, Linear, Unflatten
from .layers.multihead_attention import MultiheadAttention
from .layers.normalization import GroupNorm, LayerNorm, LocalResponseNorm, RMSNorm
from .layers.padding import (
    CircularPad1d,
    CircularPad2d,
    CircularPad3d,
    ConstantPad1d,
    ConstantPad2d,
    ConstantPad3d,
    ReflectionPad1d,
    ReflectionPad2d,
    ReflectionPad3d,
    ReplicationPad1d,
    ReplicationPad2d,
    ReplicationPad3d,
    ZeroPad1d,
    ZeroPad2d,
    ZeroPad3d,
)
from .layers.pooling import (
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    LPPool1d,
    LPPool2d,
    LPPool3d,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
)
from .layers.prelu import PReLU
from .layers.rearranging import ChannelShuffle, Fold, PixelShuffle, PixelUnshuffle, Unfold
from .layers.recurrent import GRU, LSTM, RNN
from .layers.recurrent_cells import GRUCell, LSTMCell, RNNCell
from .layers.resampling import Upsample, UpsamplingBilinear2d, UpsamplingNearest2d
from .layers.rotary import RotaryEmbedding
from .layers.softmax import GLU, LogSoftmax, Softmax, Softmax2d, Softmin
from .layers.transformer import (
    Transformer,
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)
from .layers.transposed_convolution import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .layers.unpooling import MaxUnpool1d, MaxUnpool2d, MaxUnpool3d
from .losses.classes import CrossEntropyLoss, NLLLoss
from .losses.ctc import CTCLoss
from .losses.margins import (
    CosineEmbeddingLoss,
    HingeEmbeddingLoss,
    MarginRankingLoss,
    MultiLabelMarginLoss,
    MultiLabelSoftMarginLoss,
    MultiMarginLoss,
    SoftMarginLoss,
    TripletMarginLoss,
)
from .losses.pairwise import (
    BCELoss,
    BCEWithLogitsLoss,
    GaussianNLLLoss,
    HalfSquaredError,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
    PoissonNLLLoss,
    SmoothL1Loss,
)
from .models.convnet import ConvNet, ResidualBlock, ResNet
from .models.gpt import GPT
from .models.llama import Llama
from .models.microgpt import MicroGPT
from .models.mlp import MLP
from .models.text import TextLSTM
from .module import Module
from .optim.adam import Adam, Adamax, AdamW, NAdam, RAdam
from .optim.adaptive import Adadelta, Adagrad, RMSprop, Rprop
from .optim.clipping import clip_grad_norm_, clip_grad_value_
from .optim.muon import Muon
from .optim.optimizer import Optimizer
from .optim.sgd import ASGD, SGD
from .parameter import Parameter
from .passes import enable_grad, keep_passes, no_grad
from .schedules.combined import ChainedScheduler, SequentialLR
from .schedules.cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from .schedules.cyclic import CyclicLR, OneCycleLR
from .schedules.decay import ExponentialLR, LambdaLR, LinearLR, MultiplicativeLR, PolynomialLR
from .schedules.plateau import ReduceLROnPlateau
from .schedules.stepwise import ConstantLR, MultiStepLR, StepLR

__all__ = [
    "ASGD",
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "GPT",
    "GRU",
    "LSTM",
    "MLP",
    "RNN",
    "SELU",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AlphaDropout",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Bilinear",
    "CTCLoss",
    "ChainedScheduler",
    "ChannelShuffle",
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantLR",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "Conv1D",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvNet",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CosineEmbeddingLoss",
    "CosineSimilarity",
    "CrossEntropyLoss",
    "CyclicLR",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Embedding",
    "EmbeddingBag",
    "ExponentialLR",
    "Flatten",
    "Fold",
    "GRUCell",
    "GaussianNLLLoss",
    "GroupNorm",
    "HalfSquaredError",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "HingeEmbeddingLoss",
    "HuberLoss",
    "Identity",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "KLDivLoss",
    "L1Loss",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "LSTMCell",
    "LambdaLR",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LinearLR",
    "Llama",
    "LocalResponseNorm",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "MarginRankingLoss",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
    "MicroGPT",
    "Mish",
    "Module",
    "ModuleDict",
    "ModuleList",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "MultiStepLR",
    "MultiheadAttention",
    "MultiplicativeLR",
    "Muon",
    "NAdam",
    "NLLLoss",
    "OneCycleLR",
    "Optimizer",
    "PReLU",
    "PairwiseDistance",
    "Parameter",
    "PixelShuffle",
    "PixelUnshuffle",
    "PoissonNLLLoss",
    "PolynomialLR",
    "RAdam",
    "RMSNorm",
    "RMSprop",
    "RNNCell",
    "ReLU",
    "ReLU6",
    "ReduceLROnPlateau",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ResNet",
    "ResidualBlock",
    "RotaryEmbedding",
    "Rprop",
    "ScaledDotProductAttention",
    "Sequential",
    "SequentialLR",
    "SiLU",
    "Sigmoid",
    "SmoothL1Loss",
    "SoftMarginLoss",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "StepLR",
    "SwiGLU",
    "Tanh",
    "Tanhshrink",
    "TextLSTM",
    "Threshold",
    "TorchGenerator",
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
    "TripletMarginLoss",
    "Unflatten",
    "Unfold",
    "Upsample",
    "UpsamplingBilinear2d",
    "UpsamplingNearest2d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
    "clip_grad_norm_",
    "clip_grad_value_",
    "enable_grad",
    "keep_passes",
    "no_grad",
]
