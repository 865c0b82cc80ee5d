"""GPT-2, with its names and layouts."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from .attention import ScaledDotProductAttention, from_heads, to_heads
from .linear import Conv1D


class CausalSelfAttention(nn.Module):
    """Every place asks those before it and itself."""

    def __init__(self, n_embd: int, n_head: int, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.n_head = n_head
        self.c_attn = Conv1D(3 * n_embd, n_embd, dtype)
        self.c_proj = Conv1D(n_embd, n_embd, dtype)
        self.attend = ScaledDotProductAttention(is_causal=True)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (to_heads(part, self.n_head) for part in self.c_attn(x).chunk(3, dim=-1))
        return self.c_proj(from_heads(self.attend(q, k, v)))


class FeedForward(nn.Module):
    """Two linear layers, four times as wide between them."""

    def __init__(self, n_embd: int, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.c_fc = Conv1D(4 * n_embd, n_embd, dtype)
        self.act = nn.GELU("tanh")
        self.c_proj = Conv1D(n_embd, 4 * n_embd, dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(self.act(self.c_fc(x)))


class Block(nn.Module):
    """Attention and a network, each added to what it was given, normalized."""

    def __init__(self, n_embd: int, n_head: int, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(n_embd, dtype=dtype)
        self.attn = CausalSelfAttention(n_embd, n_head, dtype)
        self.ln_2 = nn.LayerNorm(n_embd, dtype=dtype)
        self.mlp = FeedForward(n_embd, dtype)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    """Vectors of tokens and of places, blocks, a norm, and the vectors of tokens once more."""

    def __init__(
        self,
        vocab_size: int,
        block_size: int,
        n_layer: int,
        n_head: int,
        n_embd: int,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.vocab_size, self.block_size = vocab_size, block_size
        self.n_layer, self.n_head, self.n_embd = n_layer, n_head, n_embd
        wte = nn.Embedding(vocab_size, n_embd, dtype=dtype)
        self.transformer = nn.ModuleDict(
            {
                "wte": wte,
                "wpe": nn.Embedding(block_size, n_embd, dtype=dtype),
                "h": nn.ModuleList(Block(n_embd, n_head, dtype) for _ in range(n_layer)),
                "ln_f": nn.LayerNorm(n_embd, dtype=dtype),
            }
        )
        self.lm_head = nn.Linear(n_embd, vocab_size, bias=False, dtype=dtype)
        self.lm_head.weight = wte.weight  # tied

    def forward(self, tokens: Tensor) -> Tensor:
        places = torch.arange(tokens.shape[1], device=tokens.device)
        parts: Iterable[Any] = self.transformer.values()
        wte, wpe, h, ln_f = parts
        x = wte(tokens) + wpe(places)
        for block in h:
            x = block(x)
        return self.lm_head(ln_f(x))
