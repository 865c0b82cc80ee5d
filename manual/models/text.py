"""A recurrent network for text."""

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array
from ..layers.embedding import Embedding
from ..layers.linear import Linear
from ..layers.recurrent import LSTM
from ..module import Module


def check_tokens(
    module: Module, tokens: Array, vocab_size: int, longest: int | None = None
) -> None:
    """Raise unless tokens are (N, T), whole numbers below vocab_size, and T no longer than that.

    Raises:
        TypeError: they are no array of integers.
        ValueError: they have another shape.
        IndexError: one is out of range; the message says where it stands.
    """
    module.check_indices(tokens, "tokens", 0, vocab_size - 1)
    if tokens.ndim != 2 or not 1 <= tokens.shape[1] <= (longest or tokens.shape[1]):
        upwards = "from 1 up" if longest is None else f"from 1 to {longest}"
        raise ValueError(
            f"{module.one_line()}: tokens have shape {tokens.shape}, "
            f"expected (N, T) with T {upwards}"
        )


class TextLSTM(Module):
    """What comes next in a text: each token's vector goes through an LSTM, whose output at each
    place is scored for every token that may follow.

    Forward     Embedding, LSTM, Linear
    Backward    through each of them, the last one first; tokens are numbers and have no gradient

    Shapes: tokens (N, T), whole numbers below vocab_size; output (N, T, vocab_size) scores.

    Args:
        embedding_dim: of a token's vector.
        hidden_size, num_layers: of the LSTM.
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_dim: int,
        hidden_size: int,
        num_layers: int = 1,
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.vocab_size, self.embedding_dim = vocab_size, embedding_dim
        self.hidden_size, self.num_layers = hidden_size, num_layers
        self.embedding = Embedding(vocab_size, embedding_dim, dtype=dtype, generator=generator)
        self.lstm = LSTM(
            *(embedding_dim, hidden_size, num_layers),
            batch_first=True,
            dtype=dtype,
            generator=generator,
        )
        self.head = Linear(hidden_size, vocab_size, dtype=dtype, generator=generator)

    def forward(self, tokens: Array) -> Array:
        check_tokens(self, tokens, self.vocab_size)
        h, _ = self.lstm(self.embedding(tokens))
        return self.head(h)

    def backward(self, g: Array) -> None:
        self.embedding.backward(self.lstm.backward(self.head.backward(g)))
