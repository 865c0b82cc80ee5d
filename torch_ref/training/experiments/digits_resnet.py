"""Real handwritten digits, read by a residual network."""

from typing import Any

import numpy as np

from manual import CrossEntropyLoss, ResNet
from manual.arrays import float_dtype

from ..data import Data, digits
from ..digits import ConvolvedDigits
from ..settings import Settings


class DigitsResNet(ConvolvedDigits):
    level = 4
    summary = "real handwritten digits by residual blocks of one width, with held-out accuracy"
    defaults = Settings("digits-resnet", 675, 3e-3, "adam", 64, (16, 16), "relu")

    def check(self, settings: Settings) -> None:
        settings.require("activation", settings.activation == "relu", "relu")
        settings.require_one_width("blocks", "16,16")

    def make(
        self, settings: Settings, generator: np.random.Generator
    ) -> tuple[ResNet, CrossEntropyLoss, Data]:
        """`hidden` are the channels of each block."""
        dtype = float_dtype(settings.dtype)
        width, blocks = settings.hidden[0], len(settings.hidden)
        network = ResNet(1, width, blocks, 10, dtype, generator)
        return network, CrossEntropyLoss(), digits(dtype, (1, 8, 8))

    def first_part(self, network: Any) -> Any:
        return network.stem


EXPERIMENT = DigitsResNet()
