"""Transformer layers: attention between the elements of a sequence, then a network at each of them.

Both are residual: what they compute is added to what they were given. Of x + F(x) the gradient
comes back on two paths, as g and as (∂F/∂x)ᵀ g, and the first of them has no weights on it.

    norm_first      y = x + F(norm(x))
                    ∂L/∂x = g + normᵀ(Fᵀ(g))        chain rule; Fᵀ(g) is what F hands back of g
    else            y = norm(x + F(x))
                    δ = normᵀ(g)
                    ∂L/∂x = δ + Fᵀ(δ)

Source: Vaswani et al., 2017.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array
from ..containers import ModuleList
from ..generator import given_or_new
from ..initializers import xavier_uniform_
from ..module import Module, check_positive, refuse
from .activations import ReLU
from .dropout import Dropout
from .gelu import GELU
from .linear import Linear
from .multihead_attention import MultiheadAttention
from .normalization import LayerNorm

ACTIVATIONS: dict[str, type[Module]] = {"relu": ReLU, "gelu": GELU}


class ResidualLayer(Module):
    """What the encoder's and the decoder's layer have in common.

    Args:
        d_model: features of each element.
        nhead: heads of each attention.
        dim_feedforward: features between the two linear layers.
        dropout: the probability of leaving out a weight of an attention, a feature between the
            linear layers, or one of what is added.
        activation: relu or gelu.
        norm_first: normalize what goes into each part, instead of its sum with what comes out.
        generator: draws the first values, and the masks of the dropout.
    """

    ATTENTIONS: tuple[str, ...]

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: None = None,
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        refuse(self, device=device)
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"{type(self).__name__}: activation is {activation!r}, expected relu or gelu"
            )
        self.d_model, self.nhead = check_positive(self, "d_model", d_model), nhead
        self.dim_feedforward = check_positive(self, "dim_feedforward", dim_feedforward)
        self.dropout, self.activation, self.layer_norm_eps = dropout, activation, layer_norm_eps
        self.batch_first, self.norm_first, self.bias = batch_first, norm_first, bool(bias)
        self.generator = generator = given_or_new(generator)
        made: dict[str, Any] = {"bias": self.bias, "dtype": dtype}
        for name in self.ATTENTIONS:
            attention = MultiheadAttention(
                *(d_model, nhead, dropout), batch_first=batch_first, generator=generator, **made
            )
            setattr(self, name, attention)
        self.linear1 = Linear(d_model, dim_feedforward, generator=generator, **made)
        self.linear2 = Linear(dim_feedforward, d_model, generator=generator, **made)
        self.activate = ACTIVATIONS[activation]()
        self.leave_out = Dropout(dropout, generator=generator)
        parts = len(self.ATTENTIONS) + 1
        for i in range(1, parts + 1):
            setattr(self, f"norm{i}", LayerNorm(d_model, layer_norm_eps, **made))
            setattr(self, f"leave_out{i}", Dropout(dropout, generator=generator))

    def check_sequences(self, module: Module, **sequences: Array) -> None:
        """Raise TypeError or ValueError unless each is a sequence that this layer takes.

        Args:
            module: is named in the message.
            sequences: by name; all have the samples of the first.
        """
        dtype, batch = self.linear1.weight.data.dtype, 0 if self.batch_first else 1
        (first, x0), order = next(iter(sequences.items())), ("(L, N", "(N, L")[self.batch_first]
        for name, x in sequences.items():
            module.check_input(x, dtype, name)
            if x.ndim not in (2, 3) or x.shape[-1] != self.d_model:
                raise ValueError(
                    f"{module.one_line()}: {name} has shape {x.shape}, expected "
                    f"{order}, {self.d_model}) or (L, {self.d_model})"
                )
            if x.ndim != x0.ndim or (x.ndim == 3 and x.shape[batch] != x0.shape[batch]):
                raise ValueError(
                    f"{module.one_line()}: {name} has shape {x.shape}, but {first} {x0.shape}: "
                    "expected as many samples"
                )

    def residual(self, i: int, x: Array, part: Callable[[Array], Array]) -> Array:
        """x with what its i-th part adds to it, normalized before or after."""
        norm, leave_out = getattr(self, f"norm{i}"), getattr(self, f"leave_out{i}")
        if self.norm_first:
            return x + leave_out(part(norm(x)))
        return norm(x + leave_out(part(x)))

    def back_residual(self, i: int, g: Array, part_back: Callable[[Array], Array]) -> Array:
        """Back through `residual`: the gradient forks, and both parts come together again in x."""
        norm, leave_out = getattr(self, f"norm{i}"), getattr(self, f"leave_out{i}")
        if self.norm_first:
            # x + leave_out(part(norm(x)))
            return g + norm.backward(part_back(leave_out.backward(g)))
        # norm(x + leave_out(part(x)))
        delta = norm.backward(g)
        return delta + part_back(leave_out.backward(delta))

    def feed_forward(self, x: Array) -> Array:
        """Two linear layers at each element by itself."""
        return self.linear2(self.leave_out(self.activate(self.linear1(x))))

    def feed_forward_back(self, g: Array) -> Array:
        g = self.leave_out.backward(self.linear2.backward(g))
        return self.linear1.backward(self.activate.backward(g))


class TransformerEncoderLayer(ResidualLayer):
    """Self-attention, then a network of two linear layers at each element, both residual.

    Backward    of each part see the top of transformer.py; in self-attention x is query, key and
                value, so its three gradients add up

    Shapes: src (S, N, d_model), with batch_first (N, S, d_model), or (S, d_model); output the same.
    src_mask and src_key_padding_mask as in MultiheadAttention, held fixed.
    """

    ATTENTIONS = ("self_attn",)
    self_attn: MultiheadAttention

    def forward(
        self,
        src: Array,
        src_mask: Array | None = None,
        src_key_padding_mask: Array | None = None,
        is_causal: bool = False,
    ) -> Array:
        self.check_sequences(self, src=src)

        def attend(x: Array) -> Array:
            masks = src_key_padding_mask, False, src_mask
            return self.self_attn(x, x, x, *masks, is_causal=is_causal)[0]

        x = self.residual(1, src, attend)
        return self.residual(2, x, self.feed_forward)

    def backward(self, g: Array) -> Array:
        g = self.back_residual(2, g, self.feed_forward_back)
        return self.back_residual(1, g, lambda d: added(self.self_attn.backward(d)))


class TransformerDecoderLayer(ResidualLayer):
    """Self-attention, attention to what an encoder made of another sequence, then a network at each
    element, all three residual.

    Backward    of each part see the top of transformer.py; memory is key and value of the second
                attention, so its gradients from there add up

    Shapes: tgt (T, N, d_model) and memory (S, N, d_model), with batch_first (N, T, d_model) …, or
    without the axis of samples; output as tgt. Masks as in MultiheadAttention, held fixed.
    """

    ATTENTIONS = ("self_attn", "multihead_attn")
    self_attn: MultiheadAttention
    multihead_attn: MultiheadAttention

    def forward(
        self,
        tgt: Array,
        memory: Array,
        tgt_mask: Array | None = None,
        memory_mask: Array | None = None,
        tgt_key_padding_mask: Array | None = None,
        memory_key_padding_mask: Array | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Array:
        self.check_sequences(self, tgt=tgt, memory=memory)

        def attend(x: Array) -> Array:
            masks = tgt_key_padding_mask, False, tgt_mask
            return self.self_attn(x, x, x, *masks, is_causal=tgt_is_causal)[0]

        def attend_to_memory(x: Array) -> Array:
            masks = memory_key_padding_mask, False, memory_mask
            return self.multihead_attn(x, memory, memory, *masks, is_causal=memory_is_causal)[0]

        x = self.residual(1, tgt, attend)
        x = self.residual(2, x, attend_to_memory)
        return self.residual(3, x, self.feed_forward)

    def backward(self, g: Array) -> tuple[Array, Array]:
        g = self.back_residual(3, g, self.feed_forward_back)
        of_memory: list[Array] = []

        def back_from_memory(d: Array) -> Array:
            by_query, by_key, by_value, *_ = self.multihead_attn.backward(d)
            of_memory.append(by_key + by_value)
            return by_query

        g = self.back_residual(2, g, back_from_memory)
        g = self.back_residual(1, g, lambda d: added(self.self_attn.backward(d)))
        return g, of_memory[0]


def added(gradients: Sequence[Array]) -> Array:
    """Of an x that is query, key and value."""
    by_query, by_key, by_value, *_ = gradients
    return by_query + by_key + by_value


class Stack(Module):
    """Layers of one kind one above the other, copies of the one given; then perhaps a norm."""

    def set_up(self, layer: ResidualLayer, num_layers: int, norm: Module | None) -> None:
        self.num_layers = check_positive(self, "num_layers", num_layers)
        # All draw from one generator: copies of it would leave out the same in every layer.
        shared = {id(layer.generator): layer.generator}
        self.layers = ModuleList(copy.deepcopy(layer, dict(shared)) for _ in range(num_layers))
        self.norm = norm
        self.generator = layer.generator

    def says_causal(self, mask: Array | None, hint: bool | None) -> bool:
        """What is_causal=None stands for: whether the mask is causal."""
        if hint is None:
            return mask is not None and self.layers[0].self_attn.says_causal(mask)
        return hint


class TransformerEncoder(Stack):
    """Encoder layers one above the other.

    Backward    through the norm, then through the layers, the last one first

    Args:
        encoder_layer: is copied num_layers times; it is no part of this itself.
        norm: of what comes out.
        enable_nested_tensor, mask_check: for PyTorch's own short cuts; they change nothing here.
    """

    def __init__(
        self,
        encoder_layer: TransformerEncoderLayer,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.set_up(encoder_layer, num_layers, norm)
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check

    def arguments(self) -> dict[str, Any]:
        own = ("num_layers", "norm", "enable_nested_tensor", "mask_check")
        return {"encoder_layer": self.layers[0]} | {name: getattr(self, name) for name in own}

    def forward(
        self,
        src: Array,
        mask: Array | None = None,
        src_key_padding_mask: Array | None = None,
        is_causal: bool | None = None,
    ) -> Array:
        self.layers[0].check_sequences(self, src=src)
        is_causal = self.says_causal(mask, is_causal)
        x = src
        for layer in self.layers:
            x = layer(x, mask, src_key_padding_mask, is_causal)
        return x if self.norm is None else self.norm(x)

    def backward(self, g: Array) -> Array:
        if self.norm is not None:
            g = self.norm.backward(g)
        for layer in reversed(self.layers):
            g = layer.backward(g)
        return g


class TransformerDecoder(Stack):
    """Decoder layers one above the other, all of which attend to the same memory.

    Backward    through the norm, then through the layers, the last one first; the memory's
                gradients of all layers add up

    Args:
        decoder_layer: is copied num_layers times; it is no part of this itself.
        norm: of what comes out.
    """

    def __init__(
        self, decoder_layer: TransformerDecoderLayer, num_layers: int, norm: Module | None = None
    ) -> None:
        super().__init__()
        self.set_up(decoder_layer, num_layers, norm)

    def arguments(self) -> dict[str, Any]:
        own = ("num_layers", "norm")
        return {"decoder_layer": self.layers[0]} | {name: getattr(self, name) for name in own}

    def forward(
        self,
        tgt: Array,
        memory: Array,
        tgt_mask: Array | None = None,
        memory_mask: Array | None = None,
        tgt_key_padding_mask: Array | None = None,
        memory_key_padding_mask: Array | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Array:
        self.layers[0].check_sequences(self, tgt=tgt, memory=memory)
        tgt_is_causal = self.says_causal(tgt_mask, tgt_is_causal)
        masks = tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask
        x = tgt
        for layer in self.layers:
            x = layer(x, memory, *masks, tgt_is_causal, memory_is_causal)
        return x if self.norm is None else self.norm(x)

    def backward(self, g: Array) -> tuple[Array, Array]:
        if self.norm is not None:
            g = self.norm.backward(g)
        of_memory: Any = 0
        for layer in reversed(self.layers):
            g, more = layer.backward(g)
            of_memory = more + of_memory
        return g, of_memory


class Transformer(Module):
    """An encoder, and a decoder that attends to what comes out of it; each with a norm at its end.

    Backward    through the decoder, whose memory's gradient goes on through the encoder

    Shapes: src (S, N, d_model) and tgt (T, N, d_model), with batch_first (N, S, d_model) …, or
    without the axis of samples; output as tgt.

    Args:
        num_encoder_layers, num_decoder_layers: how many there are; the others are those of
            TransformerEncoderLayer.
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str = "relu",
        custom_encoder: None = None,
        custom_decoder: None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: None = None,
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        refuse(self, custom_encoder=custom_encoder, custom_decoder=custom_decoder, device=device)
        self.d_model, self.nhead, self.dim_feedforward = d_model, nhead, dim_feedforward
        self.num_encoder_layers, self.num_decoder_layers = num_encoder_layers, num_decoder_layers
        self.dropout, self.activation, self.layer_norm_eps = dropout, activation, layer_norm_eps
        self.batch_first, self.norm_first, self.bias = batch_first, norm_first, bool(bias)
        self.custom_encoder, self.custom_decoder = custom_encoder, custom_decoder
        self.generator = generator = given_or_new(generator)
        settings = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps)
        further = (batch_first, norm_first, bias, None, dtype, generator)

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, bias=self.bias, dtype=dtype)

        encoder_layer = TransformerEncoderLayer(*settings, *further)
        self.encoder = TransformerEncoder(encoder_layer, num_encoder_layers, norm())
        decoder_layer = TransformerDecoderLayer(*settings, *further)
        self.decoder = TransformerDecoder(decoder_layer, num_decoder_layers, norm())
        self.reset_parameters(generator)

    def reset_parameters(self, generator: np.random.Generator | None = None) -> None:
        """Glorot's for every matrix."""
        for parameter in self.parameters():
            if parameter.data.ndim > 1:
                xavier_uniform_(parameter, generator=generator)

    def forward(
        self,
        src: Array,
        tgt: Array,
        src_mask: Array | None = None,
        tgt_mask: Array | None = None,
        memory_mask: Array | None = None,
        src_key_padding_mask: Array | None = None,
        tgt_key_padding_mask: Array | None = None,
        memory_key_padding_mask: Array | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Array:
        self.encoder.layers[0].check_sequences(self, src=src, tgt=tgt)
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        masks = tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask
        return self.decoder(tgt, memory, *masks, tgt_is_causal, memory_is_causal)

    def backward(self, g: Array) -> tuple[Array, Array]:
        by_tgt, by_memory = self.decoder.backward(g)
        return self.encoder.backward(by_memory), by_tgt
