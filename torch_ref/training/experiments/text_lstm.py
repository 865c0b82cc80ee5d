"""Real text, character by character, by a recurrent network."""

import numpy as np

from manual import TextLSTM
from manual.arrays import float_dtype

from ..text import TextExperiment, TextSettings

EMBEDDING = 32  # numbers that stand for a character


class TextByLSTM(TextExperiment):
    level = 5
    summary = "real text by an LSTM, character by character, with what it has to say"
    defaults = TextSettings("text-lstm", 600, 5e-3, "adam", 16, (96,), "tanh")
    activation = "tanh"

    def model(self, settings: TextSettings, size: int, generator: np.random.Generator) -> TextLSTM:
        """`hidden` is the width of each layer."""
        width, layers = settings.hidden[0], len(settings.hidden)
        return TextLSTM(size, EMBEDDING, width, layers, float_dtype(settings.dtype), generator)


EXPERIMENT = TextByLSTM()
