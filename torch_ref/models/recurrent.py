"""Recurrent layers with the by-hand masks between layers, and lengths for packed sequences."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from .dropout import Dropout


class Recurrent(nn.RNNBase):
    """PyTorch's layer; where it would draw masks of its own, layer after layer with those by hand.

    With `lengths` the input is packed, and the output padded again.
    """

    dropout: Any

    def __init__(
        self, *args: Any, generator: np.random.Generator | None = None, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        if self.dropout and generator is not None:
            self.between = Dropout(self.dropout, generator=generator)

    def forward(self, input: Tensor, hx: Any = None, lengths: Tensor | None = None) -> Any:
        if lengths is not None:
            packed = pack_padded_sequence(input, lengths, self.batch_first, enforce_sorted=False)
            y, state = super().forward(packed, hx)
            padded, _ = pad_packed_sequence(
                y, self.batch_first, total_length=input.shape[self.batch_first]
            )
            return padded, state
        if not (self.dropout and self.training and self.num_layers > 1):
            return super().forward(input, hx)
        states = hx if isinstance(hx, tuple) else (hx,)
        x, last = input, []
        for layer in range(self.num_layers):
            if layer:
                time_first = x.transpose(0, 1) if self.batch_first else x
                left = self.between(time_first)
                x = left.transpose(0, 1) if self.batch_first else left
            part = self.one_layer(layer)
            count = 2 if self.bidirectional else 1
            own = tuple(s[layer * count : (layer + 1) * count] for s in states if s is not None)
            x, after = part(x, own if len(own) > 1 else own[0] if own else None)
            last.append(after if isinstance(after, tuple) else (after,))
        final = tuple(torch.cat(each) for each in zip(*last, strict=True))
        return x, final if len(final) > 1 else final[0]

    def one_layer(self, layer: int) -> Any:
        """A layer of its own with the parameters of one of these."""
        inputs = self.input_size
        if layer:
            inputs = (self.proj_size or self.hidden_size) * (2 if self.bidirectional else 1)
        options: dict[str, Any] = {"nonlinearity": self.nonlinearity} if self.KIND is nn.RNN else {}
        options |= {"proj_size": self.proj_size} if self.proj_size else {}
        part = self.KIND(
            *(inputs, self.hidden_size),
            bias=self.bias,
            batch_first=self.batch_first,
            bidirectional=self.bidirectional,
            dtype=self.weight_ih_l0.dtype,
            **options,
        )
        own: dict[str, Any] = {
            name.replace(f"_l{layer}", "_l0"): p
            for name, p in self.named_parameters()
            if f"_l{layer}" in name
        }
        return lambda *inputs: torch.func.functional_call(part, own, inputs)

    KIND: Any


class RNN(Recurrent, nn.RNN):  # type: ignore[misc]
    """Of Elman's kind."""

    KIND = nn.RNN


class LSTM(Recurrent, nn.LSTM):  # type: ignore[misc]
    """Long short-term memory."""

    KIND = nn.LSTM


class GRU(Recurrent, nn.GRU):  # type: ignore[misc]
    """Gated recurrent units."""

    KIND = nn.GRU
