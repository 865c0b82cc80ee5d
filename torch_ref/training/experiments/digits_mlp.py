"""Real handwritten digits, read by a multilayer perceptron."""

import numpy as np

from manual import MLP, CrossEntropyLoss
from manual.arrays import float_dtype

from ..data import Data, digits
from ..digits import Digits
from ..settings import ACTIVATION_NAMES, Settings


class DigitsMLP(Digits):
    level = 2
    summary = "real handwritten digits, 64-128-64-10, with held-out accuracy"
    defaults = Settings("digits-mlp", 1_800, 1e-3, "adam", 32, (128, 64), "relu")

    def make(
        self, settings: Settings, generator: np.random.Generator
    ) -> tuple[MLP, CrossEntropyLoss, Data]:
        dtype = float_dtype(settings.dtype)
        sizes = (64, *settings.hidden, 10)
        network = MLP(sizes, ACTIVATION_NAMES[settings.activation], dtype, generator)
        return network, CrossEntropyLoss(), digits(dtype)


EXPERIMENT = DigitsMLP()
