"""Real handwritten digits, read by a convolutional network."""

from typing import Any

import numpy as np

from manual import ConvNet, CrossEntropyLoss
from manual.arrays import float_dtype

from ..data import Data, digits
from ..digits import ConvolvedDigits
from ..settings import ACTIVATION_NAMES, SettingError, Settings

SIZE = 8  # of an image, each way


class DigitsCNN(ConvolvedDigits):
    level = 3
    summary = "real handwritten digits by convolutions, 1-16-32 channels, with held-out accuracy"
    defaults = Settings("digits-cnn", 1_350, 2e-3, "adam", 64, (16, 32), "relu")

    def check(self, settings: Settings) -> None:
        if 2 ** len(settings.hidden) > SIZE:
            raise SettingError(
                f"--hidden {','.join(map(str, settings.hidden))}: pooling halves an image of "
                f"{SIZE} x {SIZE} pixels {len(settings.hidden)} times, at most 3 are possible"
            )

    def make(
        self, settings: Settings, generator: np.random.Generator
    ) -> tuple[ConvNet, CrossEntropyLoss, Data]:
        """`hidden` are the channels of the convolutions."""
        dtype = float_dtype(settings.dtype)
        channels, activation = (1, *settings.hidden), ACTIVATION_NAMES[settings.activation]
        network = ConvNet(channels, SIZE, 10, activation, dtype, generator)
        return network, CrossEntropyLoss(), digits(dtype, (1, SIZE, SIZE))

    def first_part(self, network: Any) -> Any:
        return network.features[:1]


EXPERIMENT = DigitsCNN()
