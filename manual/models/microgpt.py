"""microgpt: the smallest GPT that makes up words, 4,192 numbers, as a network of layers.

Source: Karpathy, 2026, where it is written out number by number, with its own scalar autograd.
"""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array
from ..containers import ModuleList
from ..initializers import normal_
from ..layers.activations import ReLU
from ..layers.attention import ScaledDotProductAttention, from_heads, to_heads
from ..layers.embedding import Embedding
from ..layers.linear import Linear
from ..layers.normalization import RMSNorm
from ..module import Module
from .gpt import check_heads
from .text import check_tokens

STD = 0.08  # of the first weights
EPS = 1e-5  # of the norms, which have no weights


class MicroBlock(Module):
    """x ← x + W_o attention(norm(x)), then x ← x + W₂ ReLU(W₁ norm(x)), without any bias.

    Backward    x is used twice in each, so its gradients add up; norm(x) is used three times, for
                queries, keys and values

    Shapes: input and output (N, T, n_embd).
    """

    def __init__(
        self,
        n_embd: int,
        n_head: int,
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.n_embd, self.n_head = n_embd, check_heads(self, n_embd, n_head)
        made: dict[str, Any] = {"bias": False, "dtype": dtype, "generator": generator}
        self.norm1 = RMSNorm(n_embd, EPS, elementwise_affine=False)
        self.attn_wq = Linear(n_embd, n_embd, **made)
        self.attn_wk = Linear(n_embd, n_embd, **made)
        self.attn_wv = Linear(n_embd, n_embd, **made)
        self.attn_wo = Linear(n_embd, n_embd, **made)
        self.attend = ScaledDotProductAttention(is_causal=True)
        self.norm2 = RMSNorm(n_embd, EPS, elementwise_affine=False)
        self.mlp_fc1 = Linear(n_embd, 4 * n_embd, **made)
        self.relu = ReLU()
        self.mlp_fc2 = Linear(4 * n_embd, n_embd, **made)

    def attention(self, x: Array) -> Array:
        q, k, v = (to_heads(W(x), self.n_head) for W in (self.attn_wq, self.attn_wk, self.attn_wv))
        return self.attn_wo(from_heads(self.attend(q, k, v)))

    def attention_back(self, g: Array) -> Array:
        g = to_heads(self.attn_wo.backward(g), self.n_head)
        dq, dk, dv = (from_heads(d) for d in self.attend.backward(g))
        dx = self.attn_wv.backward(dv) + self.attn_wk.backward(dk)
        return dx + self.attn_wq.backward(dq)

    def forward(self, x: Array) -> Array:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp_fc2(self.relu(self.mlp_fc1(self.norm2(x))))

    def backward(self, g: Array) -> Array:
        # x + W₂ ReLU(W₁ norm(x)): the gradient forks, and comes together in x
        d = self.mlp_fc1.backward(self.relu.backward(self.mlp_fc2.backward(g)))
        g = g + self.norm2.backward(d)
        # x + W_o attention(norm(x))
        return g + self.norm1.backward(self.attention_back(g))


class MicroGPT(Module):
    """Vectors of tokens and of places, a norm, blocks, and a linear layer that scores every token.

    Forward     the rows of wte and wpe are added; a norm, the blocks, and the linear layer follow
    Backward    through each of them, the last one first; wpe's rows are used once by every sample,
                so the samples add up

    Shapes: tokens (N, T), whole numbers below vocab_size, T up to block_size; output
    (N, T, vocab_size) scores of what comes next.
    """

    def __init__(
        self,
        vocab_size: int = 27,
        block_size: int = 16,
        n_layer: int = 1,
        n_head: int = 4,
        n_embd: int = 16,
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.vocab_size, self.block_size = vocab_size, block_size
        self.n_layer, self.n_head, self.n_embd = n_layer, n_head, n_embd
        made: dict[str, Any] = {"dtype": dtype, "generator": generator}
        self.wte = Embedding(vocab_size, n_embd, **made)
        self.wpe = Embedding(block_size, n_embd, **made)
        self.norm = RMSNorm(n_embd, EPS, elementwise_affine=False)
        self.layers = ModuleList(MicroBlock(n_embd, n_head, **made) for _ in range(n_layer))
        self.lm_head = Linear(n_embd, vocab_size, bias=False, **made)
        for parameter in self.parameters():
            normal_(parameter, 0, STD, generator)

    def forward(self, tokens: Array) -> Array:
        check_tokens(self, tokens, self.vocab_size, self.block_size)
        x = self.norm(self.wte(tokens) + self.wpe(np.arange(tokens.shape[1])))
        for block in self.layers:
            x = block(x)
        return self.lm_head(x)

    def backward(self, g: Array) -> None:
        g = self.lm_head.backward(g)
        for block in reversed(self.layers):
            g = block.backward(g)
        # norm(wte[tokens] + wpe[0 … T − 1]), the latter the same for every sample
        g = self.norm.backward(g)
        self.wpe.backward(g.sum(axis=0))
        self.wte.backward(g)
