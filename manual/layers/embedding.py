"""Rows of a table, looked up by number."""

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array, float_dtype
from ..initializers import normal_
from ..module import Module, check_positive, refuse
from ..parameter import Parameter


class Embedding(Module):
    """yₙ = W[xₙ]: row xₙ of the table W.

    As a matrix product it is y = onehot(x) W, so
    Backward    ∂L/∂W = onehot(x)ᵀ g: row i gets the sum of gₙ over all n with xₙ = i.
                A row that is looked up twice gets both gradients; the input is whole numbers and
                has none. Row `padding_idx` stands for nothing and is not trained.

    Shapes: input (*) of integers from 0 to num_embeddings − 1, output (*, embedding_dim), weight
    (num_embeddings, embedding_dim).
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        device: None = None,
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        refuse(
            self,
            max_norm=max_norm,
            norm_type=norm_type != 2.0,
            scale_grad_by_freq=scale_grad_by_freq,
            sparse=sparse,
            device=device,
        )
        self.num_embeddings = check_positive(self, "num_embeddings", num_embeddings)
        self.embedding_dim = check_positive(self, "embedding_dim", embedding_dim)
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(
                f"Embedding: padding_idx is {padding_idx}, expected one of {num_embeddings} rows"
            )
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.weight = Parameter(np.empty((num_embeddings, embedding_dim), float_dtype(dtype)))
        self.reset_parameters(generator)

    def reset_parameters(self, generator: np.random.Generator | None = None) -> None:
        """Standard normal; zeros for the padding."""
        normal_(self.weight, generator=generator)
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0

    def sum_lengths(self, input: Array) -> dict[str, int]:
        return {"weight": input.size}

    def forward(self, input: Array) -> Array:
        self.check_indices(input, "input", 0, self.num_embeddings - 1)
        self.save_for_backward(input)
        return np.take(self.weight.data, input, axis=0)

    def backward(self, g: Array) -> None:
        (x,) = self.take_saved(g)
        grad_weight = np.zeros_like(self.weight.data)
        np.add.at(grad_weight, x, g)  # grad_weight[x] += g would keep only one of equal rows
        if self.padding_idx is not None:
            grad_weight[self.padding_idx] = 0
        self.weight.accumulate(grad_weight)
