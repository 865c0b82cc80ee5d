"""A network of Llama's kind, with its names: turned queries and keys, shared heads, gated layers.

Source: Touvron et al., 2023; grouped queries: Ainslie et al., 2023.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array
from ..containers import ModuleDict, ModuleList
from ..layers.attention import ScaledDotProductAttention, from_heads, to_heads
from ..layers.embedding import Embedding
from ..layers.gated import SwiGLU
from ..layers.linear import Linear
from ..layers.normalization import RMSNorm
from ..layers.rotary import RotaryEmbedding
from ..module import Module, check_positive
from .text import check_tokens


class LlamaAttention(Module):
    """Causal attention with turned queries and keys; several heads of queries share one of keys.

    Forward     Q = turn(x W_qᵀ),  K = turn(x W_kᵀ),  V = x W_vᵀ;  y = attention(Q, K, V) W_oᵀ
    Backward    x is used three times, so its three gradients add up

    Shapes: input and output (N, T, hidden_size).
    """

    def __init__(
        self,
        hidden_size: int,
        num_attention_heads: int,
        num_key_value_heads: int,
        rope_theta: float = 10_000.0,
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.hidden_size, self.rope_theta = hidden_size, rope_theta
        self.num_attention_heads = check_positive(self, "num_attention_heads", num_attention_heads)
        self.num_key_value_heads = check_positive(self, "num_key_value_heads", num_key_value_heads)
        if hidden_size % num_attention_heads or num_attention_heads % num_key_value_heads:
            raise ValueError(
                f"LlamaAttention: hidden_size {hidden_size}, num_attention_heads "
                f"{num_attention_heads} and num_key_value_heads {num_key_value_heads}: expected "
                "each a multiple of the next"
            )
        size = hidden_size // num_attention_heads * num_key_value_heads
        made: dict[str, Any] = {"bias": False, "dtype": dtype, "generator": generator}
        self.q_proj = Linear(hidden_size, hidden_size, **made)
        self.k_proj = Linear(hidden_size, size, **made)
        self.v_proj = Linear(hidden_size, size, **made)
        self.o_proj = Linear(hidden_size, hidden_size, **made)
        self.turn_q, self.turn_k = RotaryEmbedding(rope_theta), RotaryEmbedding(rope_theta)
        self.attend = ScaledDotProductAttention(is_causal=True, enable_gqa=True)

    def forward(self, x: Array) -> Array:
        q = self.turn_q(to_heads(self.q_proj(x), self.num_attention_heads))
        k = self.turn_k(to_heads(self.k_proj(x), self.num_key_value_heads))
        v = to_heads(self.v_proj(x), self.num_key_value_heads)
        return self.o_proj(from_heads(self.attend(q, k, v)))

    def backward(self, g: Array) -> Array:
        g = to_heads(self.o_proj.backward(g), self.num_attention_heads)
        dq, dk, dv = self.attend.backward(g)
        dx = self.v_proj.backward(from_heads(dv))
        dx = dx + self.k_proj.backward(from_heads(self.turn_k.backward(dk)))
        return dx + self.q_proj.backward(from_heads(self.turn_q.backward(dq)))


class LlamaBlock(Module):
    """x ← x + attention(norm(x)), then x ← x + mlp(norm(x)).

    Backward    x is used twice in each, so its gradients add up

    Shapes: input and output (N, T, hidden_size).
    """

    def __init__(
        self,
        hidden_size: int,
        intermediate_size: int,
        num_attention_heads: int,
        num_key_value_heads: int,
        rope_theta: float = 10_000.0,
        rms_norm_eps: float = 1e-5,
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.hidden_size, self.intermediate_size = hidden_size, intermediate_size
        self.num_attention_heads = num_attention_heads
        self.num_key_value_heads = num_key_value_heads
        self.rope_theta, self.rms_norm_eps = rope_theta, rms_norm_eps
        self.input_layernorm = RMSNorm(hidden_size, rms_norm_eps, dtype=dtype)
        self.self_attn = LlamaAttention(
            *(hidden_size, num_attention_heads, num_key_value_heads, rope_theta),
            dtype=dtype,
            generator=generator,
        )
        self.post_attention_layernorm = RMSNorm(hidden_size, rms_norm_eps, dtype=dtype)
        self.mlp = SwiGLU(hidden_size, intermediate_size, dtype, generator)

    def forward(self, x: Array) -> Array:
        x = x + self.self_attn(self.input_layernorm(x))
        return x + self.mlp(self.post_attention_layernorm(x))

    def backward(self, g: Array) -> Array:
        # x + mlp(norm(x)), x + attention(norm(x)): the gradient forks, and comes together in x
        g = g + self.post_attention_layernorm.backward(self.mlp.backward(g))
        return g + self.input_layernorm.backward(self.self_attn.backward(g))


class Llama(Module):
    """Vectors of tokens, blocks, a norm, and a linear layer that scores every token.

    There are no vectors of places: each block's attention turns its queries and keys.

    Backward, by the chain rule, through each of them, the last one first; every block's x is used
    twice, as in ResidualBlock, so both its gradients add up. Tokens are numbers and have none.

    Shapes: tokens (N, T), whole numbers below vocab_size, T up to max_position_embeddings; output
    (N, T, vocab_size) scores of what comes next.

    Args:
        num_key_value_heads: as many following heads of queries share one; it divides
            num_attention_heads.
    """

    def __init__(
        self,
        vocab_size: int,
        hidden_size: int,
        intermediate_size: int,
        num_hidden_layers: int,
        num_attention_heads: int,
        num_key_value_heads: int,
        max_position_embeddings: int = 2048,
        rope_theta: float = 10_000.0,
        rms_norm_eps: float = 1e-5,
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.vocab_size, self.hidden_size = vocab_size, hidden_size
        self.intermediate_size, self.num_hidden_layers = intermediate_size, num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.num_key_value_heads = num_key_value_heads
        self.max_position_embeddings = max_position_embeddings
        self.rope_theta, self.rms_norm_eps = rope_theta, rms_norm_eps
        made: dict[str, Any] = {"dtype": dtype, "generator": generator}
        heads = (num_attention_heads, num_key_value_heads, rope_theta, rms_norm_eps)
        blocks = (
            LlamaBlock(hidden_size, intermediate_size, *heads, **made)
            for _ in range(num_hidden_layers)
        )
        self.model = ModuleDict(
            {
                "embed_tokens": Embedding(vocab_size, hidden_size, **made),
                "layers": ModuleList(blocks),
                "norm": RMSNorm(hidden_size, rms_norm_eps, dtype=dtype),
            }
        )
        self.lm_head = Linear(hidden_size, vocab_size, bias=False, **made)

    def parts(self) -> Iterable[Any]:
        """What `model` holds, in the order in which it is run."""
        return self.model.values()

    def forward(self, tokens: Array) -> Array:
        check_tokens(self, tokens, self.vocab_size, self.max_position_embeddings)
        embed_tokens, layers, norm = self.parts()
        x = embed_tokens(tokens)
        for block in layers:
            x = block(x)
        return self.lm_head(norm(x))

    def backward(self, g: Array) -> None:
        embed_tokens, layers, norm = self.parts()
        g = norm.backward(self.lm_head.backward(g))
        for block in reversed(layers):
            g = block.backward(g)
        embed_tokens.backward(g)
