"""Real text, character by character, by a GPT."""

import numpy as np

from manual import GPT
from manual.arrays import float_dtype

from ..text import HEADS, TextSettings, WithAttention


class TextByGPT(WithAttention):
    level = 6
    summary = "real text by a GPT, character by character, with what it has to say"
    defaults = TextSettings("text-gpt", 900, 3e-3, "adamw", 16, (64, 64), "gelu")
    activation = "gelu"

    def model(self, settings: TextSettings, size: int, generator: np.random.Generator) -> GPT:
        """`hidden` is the width of each block."""
        width, layers = settings.hidden[0], len(settings.hidden)
        dtype = float_dtype(settings.dtype)
        return GPT(size, settings.block, layers, HEADS, width, dtype, generator)


EXPERIMENT = TextByGPT()
