"""Rows of a table, looked up by number; and what a bag of them comes to."""

from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array, float_dtype, plain_array
from ..initializers import normal_
from ..module import Module, check_positive, refuse
from ..parameter import Parameter


def row_of_padding(module: Module, index: int | None, rows: int) -> int | None:
    """The row that stands for nothing, counted from the first.

    Raises:
        ValueError: there is no such row.
    """
    if index is None:
        return None
    if not -rows <= index < rows:
        raise ValueError(
            f"{type(module).__name__}: padding_idx is {index}, expected one of {rows} rows"
        )
    return index % rows


def added_rows(rows: Array, place: Array, table: Array) -> Array:
    """A table of this one's shape, where row i is the sum of all rows whose place is i.

    total[place] += rows would keep only one of equal places. np.add.at adds all of them; it is
    fast for one axis only, so each number gets its place in the flat table.
    """
    total = np.zeros(table.shape, table.dtype)
    D = table.shape[1]
    flat_place = place.astype(np.intp)[:, np.newaxis] * D + np.arange(D)
    np.add.at(total.reshape(-1), flat_place.reshape(-1), rows.reshape(-1))
    return total


def table_of(kind: type[Any], embeddings: Any, freeze: bool, **options: Any) -> Any:
    """A layer of this kind with these rows.

    Args:
        embeddings: the rows, (num_embeddings, embedding_dim); copied.
        freeze: hold them fixed.
        options: for the constructor.
    Raises:
        ValueError: `embeddings` has not two axes.
    """
    rows = plain_array("embeddings", embeddings)
    if rows.ndim != 2:
        raise ValueError(f"{kind.__name__}: embeddings has {rows.ndim} axes, expected 2")
    layer = kind(*rows.shape, dtype=rows.dtype, **options)
    layer.weight.data = rows
    layer.weight.requires_grad = not freeze
    return layer


class Embedding(Module):
    """yₙⱼ = W[xₙ, j]: row xₙ of the table W.

    Backward, with g = ∂L/∂y, by the chain rule over every y in which a number is:
        ∂L/∂W[i, j] = Σₙ gₙⱼ ∂yₙⱼ/∂W[i, j]
                    = Σ_{n: xₙ = i} gₙⱼ             row i is looked up by those n alone
    A row that is looked up twice gets both gradients; the input is whole numbers and has none. Row
    `padding_idx` stands for nothing and is not trained.

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
        self.padding_idx = row_of_padding(self, padding_idx, num_embeddings)
        self.weight = Parameter(np.empty((num_embeddings, embedding_dim), float_dtype(dtype)))
        self.reset_parameters(generator)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:
        """A table with these rows, held fixed unless freeze=False; see `table_of`."""
        return table_of(
            cls,
            embeddings,
            freeze,
            padding_idx=padding_idx,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            sparse=sparse,
        )

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
        grad_weight = added_rows(g.reshape(-1, self.embedding_dim), x.reshape(-1), self.weight.data)
        if self.padding_idx is not None:
            grad_weight[self.padding_idx] = 0
        self.weight.accumulate(grad_weight)


class EmbeddingBag(Module):
    """The sum, mean or largest of several rows of a table: of a bag of words, say.

    Of the numbers x_b₁ … x_bₙ in bag b; backward by the chain rule, over every y in which a row is:
        mode="sum":     each row weighed by a number of its own, s, 1 if not given
            y_bⱼ = Σᵢ s_bᵢ W[x_bᵢ, j]
            ∂L/∂W[v, j] = Σ_{b, i: x_bᵢ = v} g_bⱼ s_bᵢ      wherever row v is looked up
            ∂L/∂s_bᵢ = Σⱼ g_bⱼ W[x_bᵢ, j]                   s_bᵢ is in every y_bⱼ of its bag
        mode="mean":
            y_bⱼ = Σᵢ W[x_bᵢ, j]/n
            ∂L/∂W[v, j] = Σ_{b, i: x_bᵢ = v} g_bⱼ/n
    mode="max" takes the largest, j by j, and g_bⱼ goes to the row that it came from, of equal ones
    the first. An empty bag is 0. A number `padding_idx` is as if it were not in the bag.

    Shapes: input (B, n), a bag a row, or (total,) with offsets (B,), where each bag begins;
    per_sample_weights as input, with mode sum; output (B, embedding_dim), weight
    (num_embeddings, embedding_dim). `backward` returns the gradient of per_sample_weights, if they
    were given.

    Args:
        include_last_offset: offsets has one more number, the end of the last bag.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Any = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
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
            _weight=_weight,
            device=device,
        )
        self.num_embeddings = check_positive(self, "num_embeddings", num_embeddings)
        self.embedding_dim = check_positive(self, "embedding_dim", embedding_dim)
        self.max_norm, self.norm_type, self._weight = max_norm, norm_type, None
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        self.include_last_offset = include_last_offset
        if mode not in ("sum", "mean", "max"):
            raise ValueError(f"EmbeddingBag: mode is {mode!r}, expected sum, mean or max")
        self.mode = mode
        self.padding_idx = row_of_padding(self, padding_idx, num_embeddings)
        self.weight = Parameter(np.empty((num_embeddings, embedding_dim), float_dtype(dtype)))
        self.reset_parameters(generator)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        max_norm: None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> Self:
        """A table with these rows, held fixed unless freeze=False; see `table_of`."""
        return table_of(
            cls,
            embeddings,
            freeze,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            mode=mode,
            sparse=sparse,
            include_last_offset=include_last_offset,
            padding_idx=padding_idx,
        )

    def reset_parameters(self, generator: np.random.Generator | None = None) -> None:
        """Standard normal; zeros for the padding."""
        normal_(self.weight, generator=generator)
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0

    def sum_lengths(self, input: Array, *others: Any, **named: Any) -> dict[str, int]:
        longest = input.shape[1] if input.ndim == 2 else input.size
        return {"output": longest, "input": self.embedding_dim, "weight": input.size}

    def bags(self, input: Array, offsets: Array | None) -> tuple[Array, int]:
        """For each number of the input, row after row, which bag it is in; and how many there are.

        Raises:
            ValueError: input and offsets are not of the shapes or in the order that they must be.
        """
        if input.ndim == 2:
            if offsets is not None:
                raise ValueError(f"{self!r}: offsets are for an input of one axis, not of two")
            return np.repeat(np.arange(len(input)), input.shape[1]), len(input)
        if input.ndim != 1 or offsets is None:
            raise ValueError(
                f"{self!r}: input has shape {input.shape}, expected (B, n), or (n,) with offsets"
            )
        self.check_indices(offsets, "offsets", 0, input.size)
        if offsets.ndim != 1 or not offsets.size or offsets[0] != 0 or (np.diff(offsets) < 0).any():
            raise ValueError(f"{self!r}: offsets are to begin with 0 and never to fall")
        starts = offsets[:-1] if self.include_last_offset else offsets
        if self.include_last_offset and offsets[-1] != input.size:
            raise ValueError(
                f"{self!r}: the last offset is {offsets[-1]}, expected the input's {input.size}"
            )
        return np.searchsorted(starts, np.arange(input.size), side="right") - 1, len(starts)

    def forward(
        self, input: Array, offsets: Array | None = None, per_sample_weights: Array | None = None
    ) -> Array:
        self.check_indices(input, "input", 0, self.num_embeddings - 1)
        bag, count = self.bags(input, offsets)
        W, s, x = self.weight.data, per_sample_weights, input.reshape(-1)
        if s is not None:
            if self.mode != "sum":
                raise NotImplementedError(f"{self!r}: per_sample_weights are for mode sum only")
            if self.check_input(s, W.dtype, "per_sample_weights").shape != input.shape:
                raise ValueError(
                    f"{self!r}: per_sample_weights has shape {s.shape}, expected {input.shape}"
                )
        inside = np.ones(x.size, bool) if self.padding_idx is None else x != self.padding_idx
        x, bag = x[inside], bag[inside]
        rows = W[x]  # (n, D)
        y = np.zeros((count, self.embedding_dim), W.dtype)
        scale: Any = None if s is None else s.reshape(-1)[inside][:, np.newaxis]
        if self.mode == "mean":
            scale = (1 / np.maximum(np.bincount(bag, minlength=count), 1))[bag, np.newaxis]
            scale = scale.astype(W.dtype)
        if self.mode == "max":
            full = np.bincount(bag, minlength=count) > 0
            y[full] = -np.inf
            np.maximum.at(y, bag, rows)
        else:
            np.add.at(y, bag, rows if scale is None else rows * scale)
        self.save_for_backward(x, bag, rows, scale, y, inside, None if s is None else s.shape)
        return y.copy() if self.mode == "max" else y

    def backward(self, g: Array) -> Array | None:
        x, bag, rows, scale, y, inside, shape = self.take_saved(g)
        grad_rows = g[bag]  # (n, D)
        if self.mode == "max":
            grad_rows = grad_rows * self.first_largest(rows, bag, y)
        elif scale is not None:
            grad_rows = grad_rows * scale
        self.weight.accumulate(added_rows(grad_rows, x, self.weight.data))
        if shape is None:
            return None
        grad_s = np.zeros(inside.size, g.dtype)
        grad_s[inside] = (g[bag] * rows).sum(axis=1)
        return grad_s.reshape(shape)

    def first_largest(self, rows: Array, bag: Array, y: Array) -> Array:
        """(n, D): which element is the one that its bag has as the largest, the first of equals."""
        place = np.arange(len(rows))[:, np.newaxis]
        first = np.full(y.shape, len(rows))
        np.minimum.at(first, bag, np.where(rows == y[bag], place, len(rows)))
        return place == first[bag]
