"""Layers that are linear in their input, or only reshape it."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array, float_dtype
from ..initializers import kaiming_uniform_, normal_, uniform_
from ..module import Module, check_axis, check_positive, refuse
from ..parameter import Parameter
from ..reductions import column_sums


class Linear(Module):
    """y = x Wᵀ + b, on the last axis.

    Forward     yₙᵢ = Σⱼ xₙⱼ Wᵢⱼ + bᵢ
    Backward, with g = ∂L/∂y, by the chain rule over every y in which a number is:
        ∂L/∂xₙⱼ = Σᵢ gₙᵢ ∂yₙᵢ/∂xₙⱼ = Σᵢ gₙᵢ Wᵢⱼ     xₙⱼ is in every yₙᵢ of its sample, times Wᵢⱼ
        ∂L/∂Wᵢⱼ = Σₙ gₙᵢ ∂yₙᵢ/∂Wᵢⱼ = Σₙ gₙᵢ xₙⱼ     Wᵢⱼ is in one yₙᵢ of every sample, times xₙⱼ
        ∂L/∂bᵢ = Σₙ gₙᵢ                             bᵢ is in the same, once
    As matrices:
        ∂L/∂x = g W
        ∂L/∂W = gᵀ x
        ∂L/∂b = Σₙ gₙ

    Shapes: input (*, in_features), output (*, out_features), weight (out_features, in_features),
    bias (out_features,). The axes * are samples, all alike; there may be none.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: None = None,
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        refuse(self, device=device)
        self.in_features = check_positive(self, "in_features", in_features)
        self.out_features = check_positive(self, "out_features", out_features)
        dtype = float_dtype(dtype)
        self.weight = Parameter(np.empty((out_features, in_features), dtype))
        self.bias = Parameter(np.empty(out_features, dtype)) if bias else None
        self.reset_parameters(generator)

    def reset_parameters(self, generator: np.random.Generator | None = None) -> None:
        """Uniform within ±1/√in_features, as PyTorch does: the variance of y is a third of x's."""
        kaiming_uniform_(self.weight, a=math.sqrt(5), generator=generator)
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features)
            uniform_(self.bias, -bound, bound, generator)

    def sum_lengths(self, input: Array) -> dict[str, int]:
        samples = math.prod(input.shape[:-1])
        lengths = {"output": self.in_features, "input": self.out_features}
        return lengths | {"weight": samples, "bias": samples}

    def forward(self, input: Array) -> Array:
        x = self.check_input(input, self.weight.data.dtype)
        if x.ndim == 0 or x.shape[-1] != self.in_features:
            raise ValueError(
                f"{self!r}: input's last axis is {x.shape[-1] if x.ndim else 'missing'}, "
                f"expected {self.in_features}"
            )
        self.save_for_backward(x)
        samples = x if x.ndim == 2 else x.reshape(-1, self.in_features)  # one product for all
        y = samples @ self.weight.data.T  # (N, in) x (in, out) -> (N, out)
        if self.bias is not None:
            y += self.bias.data
        return y if x.ndim == 2 else y.reshape(*x.shape[:-1], self.out_features)

    def backward(self, g: Array) -> Any:
        (x,) = self.take_saved(g)
        shape = x.shape
        if x.ndim != 2:
            x, g = x.reshape(-1, self.in_features), g.reshape(-1, self.out_features)
        # y = x @ W.T
        self.weight.accumulate_product(g.T, x)  # (out, N) x (N, in)
        # y += b
        if self.bias is not None:
            self.bias.accumulate(column_sums(g))  # (out,)
        if not self.input_gradient:
            return None
        W = self.weight.data
        if x.flags.f_contiguous and len(shape) == 2:  # g W, laid out in memory as x is
            return (W.T @ g.T).T
        return (g @ W).reshape(shape)  # (N, out) x (out, in)


class Conv1D(Module):
    """y = x W + b: a Linear whose weight lies the other way round, as in GPT-2's files.

    Forward     yₙᵢ = Σⱼ xₙⱼ Wⱼᵢ + bᵢ
    Backward, with g = ∂L/∂y, as in Linear, Wᵀ in W's place:
        ∂L/∂x = g Wᵀ
        ∂L/∂W = xᵀ g
        ∂L/∂b = Σₙ gₙ

    Shapes: input (*, nx), output (*, nf), weight (nx, nf), bias (nf,). The name is GPT-2's, for a
    convolution that looks at one place at a time.
    """

    def __init__(
        self,
        nf: int,
        nx: int,
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.nf, self.nx = check_positive(self, "nf", nf), check_positive(self, "nx", nx)
        self.weight = Parameter(np.empty((nx, nf), float_dtype(dtype)))
        self.bias = Parameter(np.zeros(nf, float_dtype(dtype)))
        normal_(self.weight, 0, 0.02, generator)

    def sum_lengths(self, input: Array) -> dict[str, int]:
        rows = input.size // self.nx
        return {"output": self.nx, "input": self.nf, "weight": rows, "bias": rows}

    def forward(self, input: Array) -> Array:
        x = self.check_input(input, self.weight.data.dtype)
        if x.shape[-1:] != (self.nx,):
            raise ValueError(f"{self!r}: input has shape {x.shape}, expected (*, {self.nx})")
        self.save_for_backward(x)
        rows = x.reshape(-1, self.nx)  # one product, whatever the axes before the last
        y = rows @ self.weight.data
        y += self.bias.data
        return y.reshape(*x.shape[:-1], self.nf)

    def backward(self, g: Array) -> Array:
        (x,) = self.take_saved(g)
        g_rows = g.reshape(-1, self.nf)
        # y = x W + b
        self.weight.accumulate_product(x.reshape(-1, self.nx).T, g_rows)  # (nx, n) x (n, nf)
        self.bias.accumulate(column_sums(g_rows))
        return (g_rows @ self.weight.data.T).reshape(x.shape)


class Bilinear(Module):
    """yₙₖ = Σᵢⱼ x₁ₙᵢ Wₖᵢⱼ x₂ₙⱼ + bₖ: how much each pair of numbers of x₁ and x₂ counts for yₖ.

    Every term is a product of three, so its slope for one of them is the product of the two others.
    Backward, with g = ∂L/∂y, by the chain rule over every y in which a number is:
        ∂L/∂x₁ₙᵢ = Σₖ gₙₖ ∂yₙₖ/∂x₁ₙᵢ = Σₖⱼ gₙₖ Wₖᵢⱼ x₂ₙⱼ        x₁ₙᵢ is in yₙₖ once for every j
        ∂L/∂x₂ₙⱼ = Σₖ gₙₖ ∂yₙₖ/∂x₂ₙⱼ = Σₖᵢ gₙₖ Wₖᵢⱼ x₁ₙᵢ        x₂ₙⱼ once for every i
        ∂L/∂Wₖᵢⱼ = Σₙ gₙₖ ∂yₙₖ/∂Wₖᵢⱼ = Σₙ gₙₖ x₁ₙᵢ x₂ₙⱼ         Wₖᵢⱼ in one yₙₖ of every sample
        ∂L/∂bₖ = Σₙ gₙₖ                                         bₖ in the same, once

    Shapes: inputs (*, in1_features) and (*, in2_features), output (*, out_features), weight
    (out_features, in1_features, in2_features), bias (out_features,).
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: None = None,
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        refuse(self, device=device)
        self.in1_features = check_positive(self, "in1_features", in1_features)
        self.in2_features = check_positive(self, "in2_features", in2_features)
        self.out_features = check_positive(self, "out_features", out_features)
        dtype = float_dtype(dtype)
        self.weight = Parameter(np.empty((out_features, in1_features, in2_features), dtype))
        self.bias = Parameter(np.empty(out_features, dtype)) if bias else None
        self.reset_parameters(generator)

    def reset_parameters(self, generator: np.random.Generator | None = None) -> None:
        """Uniform within ±1/√in1_features."""
        bound = 1 / math.sqrt(self.in1_features)
        uniform_(self.weight, -bound, bound, generator)
        if self.bias is not None:
            uniform_(self.bias, -bound, bound, generator)

    def sum_lengths(self, input1: Array, input2: Array) -> dict[str, int]:
        samples = math.prod(input1.shape[:-1])
        lengths = {
            "output": self.in1_features * self.in2_features,
            "input": self.out_features * max(self.in1_features, self.in2_features),
        }
        return lengths | {"weight": samples, "bias": samples}

    def forward(self, input1: Array, input2: Array) -> Array:
        x1, x2 = input1, input2
        for name, x, features in (
            ("input1", x1, self.in1_features),
            ("input2", x2, self.in2_features),
        ):
            self.check_input(x, self.weight.data.dtype, name)
            if x.ndim == 0 or x.shape[-1] != features:
                raise ValueError(f"{self!r}: {name} has shape {x.shape}, expected (*, {features})")
        if x1.shape[:-1] != x2.shape[:-1]:
            raise ValueError(f"{self!r}: inputs of shapes {x1.shape} and {x2.shape} do not match")
        self.save_for_backward(x1, x2)
        W = self.weight.data
        x1_W = np.tensordot(x1, W, axes=(-1, 1))  # (*, in1) x (out, in1, in2) -> (*, out, in2)
        y = (x1_W @ x2[..., np.newaxis])[..., 0]  # (*, out)
        if self.bias is not None:
            y = y + self.bias.data
        return y

    def backward(self, g: Array) -> tuple[Array, Array]:
        x1, x2 = self.take_saved(g)
        W = self.weight.data
        g_W = np.tensordot(g, W, axes=(-1, 0))  # (*, out) x (out, in1, in2) -> (*, in1, in2)
        grad_x1 = (g_W @ x2[..., np.newaxis])[..., 0]  # (*, in1)
        grad_x2 = (x1[..., np.newaxis, :] @ g_W)[..., 0, :]  # (*, in2)
        samples_g = g.reshape(-1, self.out_features)  # (N, out)
        pairs = x1[..., :, np.newaxis] * x2[..., np.newaxis, :]  # (*, in1, in2)
        W_rows = samples_g.T @ pairs.reshape(len(samples_g), W[0].size)  # (out, N) x (N, in1 in2)
        self.weight.accumulate(W_rows.reshape(W.shape))
        if self.bias is not None:
            self.bias.accumulate(column_sums(samples_g))
        return grad_x1, grad_x2


class Identity(Module):
    """y = x, whatever the arguments.

    Backward    ∂L/∂x = g       the slope is 1
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Array) -> Array:
        self.check_array(input)
        self.save_for_backward()
        return input

    def backward(self, g: Array) -> Array:
        self.take_saved(g)
        return g.copy()

    def arguments(self) -> dict[str, Any]:
        return {}


class Flatten(Module):
    """Axes start_dim to end_dim become one. Nothing is computed, so backward only reshapes back.

    Forward     y[n, (c H + h) W + w] = x[n, c, h, w]       of images (N, C, H, W), each row by row
    Backward    ∂L/∂x[n, c, h, w] = g[n, (c H + h) W + w]   each number's goes to where it came from
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Array) -> Array:
        x = self.check_input(input)
        axes = max(x.ndim, 1)
        for name, axis in (("start_dim", self.start_dim), ("end_dim", self.end_dim)):
            if not -axes <= axis < axes:
                raise IndexError(f"{self!r}: input has {x.ndim} axes, {name} {axis} is not one")
        start, end = self.start_dim % axes, self.end_dim % axes
        if start > end:
            raise ValueError(f"{self!r}: start_dim is after end_dim for input of {x.ndim} axes")
        self.save_for_backward(x.shape)
        merged = math.prod(x.shape[start : end + 1])
        shape = (*x.shape[:start], merged, *x.shape[end + 1 :])
        if start and x.strides[0] == x.itemsize:
            # samples that lie side by side, as the layers for images leave them, stay so
            samples_last = x.transpose(*range(1, x.ndim), 0).reshape(*shape[1:], shape[0])
            return samples_last.transpose(-1, *range(len(shape) - 1))
        return x.reshape(shape)

    def backward(self, g: Array) -> Array:
        (shape,) = self.take_saved(g)
        return g.reshape(shape).copy(order="K")


class Unflatten(Module):
    """Axis `dim` becomes the axes `unflattened_size`: the reverse of Flatten, and of its backward.

    Forward     y[n, c, h] = x[n, c H + h]      into (C, H)
    Backward    ∂L/∂x[n, c H + h] = g[n, c, h]

    Args:
        unflattened_size: the new axes' lengths; one of them may be -1, for what is left.
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)

    def forward(self, input: Array) -> Array:
        x = self.check_input(input)
        check_axis(self, x, self.dim)
        if x.ndim == 0:
            raise ValueError(f"{self!r}: input is a number, which has no axes")
        dim = self.dim % x.ndim
        try:
            split = np.empty(x.shape[dim]).reshape(self.unflattened_size).shape
        except ValueError:
            raise ValueError(
                f"{self!r}: input's axis {self.dim} has {x.shape[dim]} elements, "
                f"which {self.unflattened_size} does not share out"
            ) from None
        self.save_for_backward(x.shape)
        return x.reshape(*x.shape[:dim], *split, *x.shape[dim + 1 :])

    def backward(self, g: Array) -> Array:
        (shape,) = self.take_saved(g)
        return g.reshape(shape).copy()
