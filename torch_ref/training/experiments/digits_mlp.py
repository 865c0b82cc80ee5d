"""Real handwritten digits, read by a multilayer perceptron."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from manual import MLP, CrossEntropyLoss
from manual.arrays import float_dtype

from ..data import Data, digits
from ..experiment import Experiment, Run
from ..settings import ACTIVATION_NAMES, Settings


class DigitsMLP(Experiment):
    summary = "real handwritten digits, 64-128-64-10, with held-out accuracy"
    defaults = Settings("digits-mlp", 1_800, 1e-3, "adam", 32, (128, 64), "relu")

    def make(
        self, settings: Settings, generator: np.random.Generator
    ) -> tuple[MLP, CrossEntropyLoss, Data]:
        dtype = float_dtype(settings.dtype)
        sizes = (64, *settings.hidden, 10)
        network = MLP(sizes, ACTIVATION_NAMES[settings.activation], dtype, generator)
        return network, CrossEntropyLoss(), digits(dtype)

    def pictures(self, run: Run) -> Iterator[tuple[str, Any]]:
        from ..pictures import misread

        assert run.problem.data.held_out is not None
        images, digits_there = run.problem.data.held_out
        output, twin_output, *_ = run.pair.evaluate(images, digits_there)
        read = output.argmax(axis=1), twin_output.argmax(axis=1)
        yield "Misread digits", misread(images, digits_there, *read)


EXPERIMENT = DigitsMLP()
