"""Backpropagation derived by hand in NumPy.

Read it in this order; what stands below sees only what stands above:

    arrays, parameter   what an array may be; a trainable one, with its gradient
    passes, module      what a layer is: it runs forward and backward; what waits between
    containers          Sequential
    special             sigmoid, softplus, erf, log softmax: special functions
    generator           random numbers, PyTorch's own among them
    initializers        how a layer's numbers start
    layers/             what a network is built of: linear, activations, softmax, embedding, dropout
    losses/             how wrong the outputs are, as one number
    optim/              how a gradient becomes a step, from SGD to Muon
    schedules/          how the learning rate changes
    models/             whole networks built from these
    article/            the 2-2-2 network of a well-known article, with every figure that it prints;
                        one training step of any small network, written out

Every class has the name, the arguments and the parameter names of its twin in torch.nn or
torch.optim. `python -m manual` prints the worked example.
"""

from .containers import Sequential
from .generator import TorchGenerator
from .layers.activations import (
    CELU,
    ELU,
    GELU,
    SELU,
    Hardshrink,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    LeakyReLU,
    LogSigmoid,
    Mish,
    PReLU,
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
from .layers.dropout import AlphaDropout, Dropout, Dropout1d, Dropout2d
from .layers.embedding import Embedding
from .layers.linear import Bilinear, Flatten, Identity, Linear, Unflatten
from .layers.softmax import GLU, LogSoftmax, Softmax, Softmax2d, Softmin
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
from .models.mlp import MLP
from .module import Module
from .optim.adam import Adam, Adamax, AdamW, NAdam, RAdam
from .optim.adaptive import Adadelta, Adagrad, RMSprop, Rprop
from .optim.clipping import clip_grad_norm_, clip_grad_value_
from .optim.muon import Muon
from .optim.optimizer import Optimizer
from .optim.sgd import ASGD, SGD
from .parameter import Parameter
from .passes import keep_passes, no_grad
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
    "MLP",
    "SELU",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "AlphaDropout",
    "BCELoss",
    "BCEWithLogitsLoss",
    "Bilinear",
    "CTCLoss",
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CosineEmbeddingLoss",
    "CrossEntropyLoss",
    "CyclicLR",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Embedding",
    "ExponentialLR",
    "Flatten",
    "GaussianNLLLoss",
    "HalfSquaredError",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "HingeEmbeddingLoss",
    "HuberLoss",
    "Identity",
    "KLDivLoss",
    "L1Loss",
    "LambdaLR",
    "LeakyReLU",
    "Linear",
    "LinearLR",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "MarginRankingLoss",
    "Mish",
    "Module",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "MultiStepLR",
    "MultiplicativeLR",
    "Muon",
    "NAdam",
    "NLLLoss",
    "OneCycleLR",
    "Optimizer",
    "PReLU",
    "Parameter",
    "PoissonNLLLoss",
    "PolynomialLR",
    "RAdam",
    "RMSprop",
    "ReLU",
    "ReLU6",
    "ReduceLROnPlateau",
    "Rprop",
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
    "Tanh",
    "Tanhshrink",
    "Threshold",
    "TorchGenerator",
    "TripletMarginLoss",
    "Unflatten",
    "clip_grad_norm_",
    "clip_grad_value_",
    "keep_passes",
    "no_grad",
]
