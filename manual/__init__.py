"""Backpropagation derived by hand in NumPy.

Read it in this order; each file imports only files above it:

    module             Parameter, Module, Sequential, no_grad, keep_passes: what a layer is made of
    special            sigmoid, softplus, erf: special functions
    initializers       how a layer's numbers start; PyTorch's own random numbers
    linear             Linear, Bilinear, Identity, Flatten, Unflatten
    activations        functions applied to each element
    softmax            activations that share out one axis
    embedding          rows of a table, looked up by number
    dropout            leaving out a random part
    losses             losses that compare number with number
    class_losses       losses that compare scores with classes
    margin_losses      losses that ask for a distance
    ctc                the loss for a label sequence of unknown timing
    models             whole networks built from these
    optimizer          Optimizer: flat arrays, groups, state; clip_grad_norm_
    optimizers         how a gradient becomes a step, from SGD to Muon
    adam               Adam and its kin
    schedules          how the learning rate changes
    cyclic_schedules   the two that take it up and down
    combined_schedules schedules made of schedules
    worked_example     the 2-2-2 network of a well-known article, with every figure that it prints
    walkthrough        one training step of any small network, written out

Every class has the name, the arguments and the parameter names of its twin in torch.nn or
torch.optim. `python -m manual` prints the worked example.
"""

from .activations import (
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
from .adam import Adam, Adamax, AdamW, NAdam, RAdam
from .class_losses import CrossEntropyLoss, NLLLoss
from .combined_schedules import ChainedScheduler, SequentialLR
from .ctc import CTCLoss
from .cyclic_schedules import CyclicLR, OneCycleLR
from .dropout import AlphaDropout, Dropout, Dropout1d, Dropout2d
from .embedding import Embedding
from .initializers import TorchGenerator
from .linear import Bilinear, Flatten, Identity, Linear, Unflatten
from .losses import (
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
from .margin_losses import (
    CosineEmbeddingLoss,
    HingeEmbeddingLoss,
    MarginRankingLoss,
    MultiLabelMarginLoss,
    MultiLabelSoftMarginLoss,
    MultiMarginLoss,
    SoftMarginLoss,
    TripletMarginLoss,
)
from .models import MLP
from .module import Module, Parameter, Sequential, keep_passes, no_grad
from .optimizer import Optimizer, clip_grad_norm_, clip_grad_value_
from .optimizers import ASGD, SGD, Adadelta, Adagrad, Muon, RMSprop, Rprop
from .schedules import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    ReduceLROnPlateau,
    StepLR,
)
from .softmax import GLU, LogSoftmax, Softmax, Softmax2d, Softmin

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
