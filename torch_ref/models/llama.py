"""A network of Llama's kind, with its names."""

from typing import Any

import torch
from torch import Tensor, nn

from .attention import ScaledDotProductAttention, from_heads, to_heads
from .gated import SwiGLU
from .rotary import RotaryEmbedding


class LlamaAttention(nn.Module):
    """Causal attention with turned queries and keys; heads of queries share one of keys."""

    def __init__(
        self,
        hidden_size: int,
        num_attention_heads: int,
        num_key_value_heads: int,
        rope_theta: float = 10_000.0,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.heads, self.shared_heads = num_attention_heads, num_key_value_heads
        size = hidden_size // num_attention_heads * num_key_value_heads
        self.q_proj = nn.Linear(hidden_size, hidden_size, bias=False, dtype=dtype)
        self.k_proj = nn.Linear(hidden_size, size, bias=False, dtype=dtype)
        self.v_proj = nn.Linear(hidden_size, size, bias=False, dtype=dtype)
        self.o_proj = nn.Linear(hidden_size, hidden_size, bias=False, dtype=dtype)
        self.turn = RotaryEmbedding(rope_theta)
        self.attend = ScaledDotProductAttention(is_causal=True, enable_gqa=True)

    def forward(self, x: Tensor) -> Tensor:
        q = self.turn(to_heads(self.q_proj(x), self.heads))
        k = self.turn(to_heads(self.k_proj(x), self.shared_heads))
        v = to_heads(self.v_proj(x), self.shared_heads)
        return self.o_proj(from_heads(self.attend(q, k, v)))


class LlamaBlock(nn.Module):
    """Attention and a network, each added to what it was given, normalized."""

    def __init__(
        self,
        hidden_size: int,
        intermediate_size: int,
        num_attention_heads: int,
        num_key_value_heads: int,
        rope_theta: float = 10_000.0,
        rms_norm_eps: float = 1e-5,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(hidden_size, rms_norm_eps, dtype=dtype)
        self.self_attn = LlamaAttention(
            hidden_size, num_attention_heads, num_key_value_heads, rope_theta, dtype
        )
        self.post_attention_layernorm = nn.RMSNorm(hidden_size, rms_norm_eps, dtype=dtype)
        self.mlp = SwiGLU(hidden_size, intermediate_size, dtype)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x))
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(nn.Module):
    """Vectors of tokens, blocks, a norm, and a linear layer that scores every token."""

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
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.vocab_size, self.hidden_size = vocab_size, hidden_size
        self.intermediate_size, self.num_hidden_layers = intermediate_size, num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.num_key_value_heads = num_key_value_heads
        self.max_position_embeddings = max_position_embeddings
        self.rope_theta, self.rms_norm_eps = rope_theta, rms_norm_eps
        heads = (num_attention_heads, num_key_value_heads, rope_theta, rms_norm_eps)
        blocks = (
            LlamaBlock(hidden_size, intermediate_size, *heads, dtype)
            for _ in range(num_hidden_layers)
        )
        self.model: Any = nn.ModuleDict(
            {
                "embed_tokens": nn.Embedding(vocab_size, hidden_size, dtype=dtype),
                "layers": nn.ModuleList(blocks),
                "norm": nn.RMSNorm(hidden_size, rms_norm_eps, dtype=dtype),
            }
        )
        self.lm_head = nn.Linear(hidden_size, vocab_size, bias=False, dtype=dtype)

    def forward(self, tokens: Tensor) -> Tensor:
        embed_tokens, layers, norm = self.model.values()
        x = embed_tokens(tokens)
        for block in layers:
            x = block(x)
        return self.lm_head(norm(x))
