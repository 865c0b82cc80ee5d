"""microgpt, 4,192 numbers."""

import torch
from torch import Tensor, nn

from .attention import ScaledDotProductAttention, from_heads, to_heads

EPS = 1e-5


class MicroBlock(nn.Module):
    """Attention and a network, each added to what it was given, normalized; without any bias."""

    def __init__(self, n_embd: int, n_head: int, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.n_head = n_head
        self.norm = nn.RMSNorm(n_embd, EPS, elementwise_affine=False)
        self.attn_wq = nn.Linear(n_embd, n_embd, bias=False, dtype=dtype)
        self.attn_wk = nn.Linear(n_embd, n_embd, bias=False, dtype=dtype)
        self.attn_wv = nn.Linear(n_embd, n_embd, bias=False, dtype=dtype)
        self.attn_wo = nn.Linear(n_embd, n_embd, bias=False, dtype=dtype)
        self.attend = ScaledDotProductAttention(is_causal=True)
        self.mlp_fc1 = nn.Linear(n_embd, 4 * n_embd, bias=False, dtype=dtype)
        self.mlp_fc2 = nn.Linear(4 * n_embd, n_embd, bias=False, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        q, k, v = (to_heads(W(h), self.n_head) for W in (self.attn_wq, self.attn_wk, self.attn_wv))
        x = x + self.attn_wo(from_heads(self.attend(q, k, v)))
        return x + self.mlp_fc2(self.mlp_fc1(self.norm(x)).relu())


class MicroGPT(nn.Module):
    """Vectors of tokens and of places, a norm, blocks, and a layer that scores every token."""

    def __init__(
        self,
        vocab_size: int = 27,
        block_size: int = 16,
        n_layer: int = 1,
        n_head: int = 4,
        n_embd: int = 16,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.vocab_size, self.block_size = vocab_size, block_size
        self.n_layer, self.n_head, self.n_embd = n_layer, n_head, n_embd
        self.wte = nn.Embedding(vocab_size, n_embd, dtype=dtype)
        self.wpe = nn.Embedding(block_size, n_embd, dtype=dtype)
        self.norm = nn.RMSNorm(n_embd, EPS, elementwise_affine=False)
        self.layers = nn.ModuleList(MicroBlock(n_embd, n_head, dtype) for _ in range(n_layer))
        self.lm_head = nn.Linear(n_embd, vocab_size, bias=False, dtype=dtype)

    def forward(self, tokens: Tensor) -> Tensor:
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.norm(self.wte(tokens) + self.wpe(places))
        for block in self.layers:
            x = block(x)
        return self.lm_head(x)
