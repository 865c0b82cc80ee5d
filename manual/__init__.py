"""Backpropagation derived by hand in NumPy.

Read it in this order; each file imports only files above it:

    module          Parameter, Module, Sequential, no_grad: what a layer is made of
    initializers    how a layer's numbers start
    linear          Linear, Identity, Flatten
    activations     Sigmoid, Tanh, ReLU
    losses          HalfSquaredError, MSELoss, CrossEntropyLoss
    models          whole networks built from these
    optimizers      SGD, Adam: how a gradient becomes a step
    worked_example  the 2-2-2 network of a well-known article, with every figure that it prints

Every class has the name, the arguments and the parameter names of its twin in torch.nn or
torch.optim. `python -m manual` prints the worked example.
"""

from .activations import ReLU, Sigmoid, Tanh
from .linear import Flatten, Identity, Linear
from .losses import CrossEntropyLoss, HalfSquaredError, MSELoss
from .models import MLP
from .module import Module, Parameter, Sequential, no_grad
from .optimizers import SGD, Adam, Optimizer

__all__ = [
    "MLP",
    "SGD",
    "Adam",
    "CrossEntropyLoss",
    "Flatten",
    "HalfSquaredError",
    "Identity",
    "Linear",
    "MSELoss",
    "Module",
    "Optimizer",
    "Parameter",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Tanh",
    "no_grad",
]
