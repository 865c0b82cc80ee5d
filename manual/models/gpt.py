"""GPT-2, with its names and layouts, so that its state dict loads.

A stack of residual blocks over the vectors of tokens; what a block adds to a place is made of that
place and those before it, so that every place can be asked for what comes next, all at once.

Source: Radford et al., 2019.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array
from ..containers import ModuleDict, ModuleList
from ..initializers import normal_
from ..layers.attention import ScaledDotProductAttention, from_heads, to_heads
from ..layers.embedding import Embedding
from ..layers.gelu import GELU
from ..layers.linear import Conv1D, Linear
from ..layers.normalization import LayerNorm
from ..module import Module, check_positive
from ..tree import Unmatched
from .text import check_tokens

STD = 0.02  # of the first weights


def check_heads(module: Module, n_embd: int, n_head: int) -> int:
    """n_head, if n_embd can be shared out among so many heads; else ValueError."""
    if n_embd % check_positive(module, "n_head", n_head):
        raise ValueError(
            f"{type(module).__name__}: n_embd {n_embd} cannot be shared out among {n_head} heads"
        )
    return n_head


class CausalSelfAttention(Module):
    """Every place asks those before it and itself: one linear layer makes queries, keys and values.

    Forward     Q, K, V = x W + b, a third of the columns each;  y = attention(Q, K, V) W′ + b′
    Backward    through W′, then the attention, see attention.py; the three gradients stand side by
                side as the columns did, and go back through W in one product

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
        self.c_attn = Conv1D(3 * n_embd, n_embd, dtype, generator)
        self.c_proj = Conv1D(n_embd, n_embd, dtype, generator)
        self.attend = ScaledDotProductAttention(is_causal=True)

    def forward(self, x: Array) -> Array:
        q, k, v = (to_heads(part, self.n_head) for part in np.split(self.c_attn(x), 3, axis=-1))
        return self.c_proj(from_heads(self.attend(q, k, v)))

    def backward(self, g: Array) -> Array:
        g = to_heads(self.c_proj.backward(g), self.n_head)
        places_first = [part.swapaxes(1, 2) for part in self.attend.backward(g)]  # (N, T, heads, d)
        together = np.stack(places_first, axis=2)  # (N, T, 3, heads, d)
        return self.c_attn.backward(together.reshape(*together.shape[:2], -1))


class FeedForward(Module):
    """Two linear layers at each place by itself, four times as wide between them.

    Shapes: input and output (*, n_embd).
    """

    def __init__(
        self,
        n_embd: int,
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.n_embd = n_embd
        self.c_fc = Conv1D(4 * n_embd, n_embd, dtype, generator)
        self.act = GELU("tanh")
        self.c_proj = Conv1D(n_embd, 4 * n_embd, dtype, generator)

    def forward(self, x: Array) -> Array:
        return self.c_proj(self.act(self.c_fc(x)))

    def backward(self, g: Array) -> Array:
        return self.c_fc.backward(self.act.backward(self.c_proj.backward(g)))


class Block(Module):
    """x ← x + attention(norm(x)), then x ← x + mlp(norm(x)).

    Backward    x is used twice in each, so its gradients add up: g + normᵀ attentionᵀ g

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
        self.n_embd, self.n_head = n_embd, n_head
        self.ln_1 = LayerNorm(n_embd, dtype=dtype)
        self.attn = CausalSelfAttention(n_embd, n_head, dtype, generator)
        self.ln_2 = LayerNorm(n_embd, dtype=dtype)
        self.mlp = FeedForward(n_embd, dtype, generator)

    def forward(self, x: Array) -> Array:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))

    def backward(self, g: Array) -> Array:
        # x + mlp(norm(x)), x + attention(norm(x)): the gradient forks, and comes together in x
        g = g + self.ln_2.backward(self.mlp.backward(g))
        return g + self.ln_1.backward(self.attn.backward(g))


class GPT(Module):
    """GPT-2: vectors of tokens and of places, blocks, a norm, and the vectors of tokens once more.

    Forward     the rows of wte and wpe are added, the blocks and the norm follow, and the scores
                are the products of what comes out with every row of wte
    Backward    wte is used twice, to look up and to score, and both gradients add up: of tied
                weights none is forgotten. wpe's rows are used once by every sample, so the samples
                add up.

    Shapes: tokens (N, T), whole numbers below vocab_size, T up to block_size; output
    (N, T, vocab_size) scores of what comes next.
    """

    def __init__(
        self,
        vocab_size: int,
        block_size: int,
        n_layer: int,
        n_head: int,
        n_embd: int,
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.vocab_size, self.block_size = vocab_size, block_size
        self.n_layer, self.n_head, self.n_embd = n_layer, n_head, n_embd
        made: dict[str, Any] = {"dtype": dtype, "generator": generator}
        blocks = (Block(n_embd, n_head, **made) for _ in range(n_layer))
        self.transformer = ModuleDict(
            {
                "wte": Embedding(vocab_size, n_embd, **made),
                "wpe": Embedding(block_size, n_embd, **made),
                "h": ModuleList(blocks),
                "ln_f": LayerNorm(n_embd, dtype=dtype),
            }
        )
        self.lm_head = Linear(n_embd, vocab_size, bias=False, **made)
        self.lm_head.weight = self.transformer["wte"].weight  # tied
        for name in ("wte", "wpe"):
            normal_(self.transformer[name].weight, 0, STD, generator)
        for block in self.transformer["h"]:  # each adds to the same sum: its share is smaller
            for part in (block.attn, block.mlp):
                normal_(part.c_proj.weight, 0, STD / (2 * n_layer) ** 0.5, generator)

    def parts(self) -> Iterable[Any]:
        """What `transformer` holds, in the order in which it is run."""
        return self.transformer.values()

    def forward(self, tokens: Array) -> Array:
        check_tokens(self, tokens, self.vocab_size, self.block_size)
        wte, wpe, h, ln_f = self.parts()
        x = wte(tokens) + wpe(np.arange(tokens.shape[1]))
        for block in h:
            x = block(x)
        return self.lm_head(ln_f(x))

    def backward(self, g: Array) -> None:
        wte, wpe, h, ln_f = self.parts()
        g = ln_f.backward(self.lm_head.backward(g))
        for block in reversed(h):
            g = block.backward(g)
        # x = wte[tokens] + wpe[0 … T − 1], the same for every sample
        wpe.backward(g.sum(axis=0))
        wte.backward(g)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Unmatched:
        """Take over every parameter, see Module.load_state_dict.

        GPT-2's published files are taken as well: there the names begin below `transformer.`, the
        tied weight stands once, and the causal masks, which never change, stand beside it.
        """
        if "wte.weight" in state_dict:
            masks = (".attn.bias", ".attn.masked_bias")
            kept = {n: v for n, v in state_dict.items() if not n.endswith(masks)}
            state_dict = {f"transformer.{name}": values for name, values in kept.items()}
            state_dict["lm_head.weight"] = kept["wte.weight"]
        return super().load_state_dict(state_dict, strict, assign)
