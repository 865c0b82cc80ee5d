"""Recurrent cells: one step of time, with its weights; the mathematics is in recurrent_steps.py."""

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array, as_tuple, float_dtype
from ..initializers import uniform_
from ..module import Module, check_positive, refuse
from ..parameter import Parameter
from ..reductions import ones
from .recurrent_steps import GRUStep, LSTMStep, RNNStep, State, Step, by_gate


def reset_uniformly(module: Module, size: int, generator: np.random.Generator | None) -> None:
    """Every parameter uniform within ±1/√size, as PyTorch does."""
    bound = 1 / math.sqrt(size)
    for parameter in module.parameters():
        uniform_(parameter, -bound, bound, generator)


def check_state(module: Module, state: Any, shapes: list[tuple[int, ...]], dtype: Any) -> State:
    """The states h, or h and c, if they are arrays of these shapes.

    Raises:
        TypeError, ValueError: they are not.
    """
    state = as_tuple(state)
    names = ("hx",) if len(shapes) == 1 else ("h", "c")
    if len(state) != len(shapes):
        raise TypeError(f"{module!r}: hx is {len(state)} arrays, expected {' and '.join(names)}")
    for name, values, shape in zip(names, state, shapes, strict=True):
        module.check_input(values, dtype, name)
        if values.shape != shape:
            raise ValueError(f"{module!r}: {name} has shape {values.shape}, expected {shape}")
    return state


def through_gates(x: Array, weight: Parameter, bias: Parameter | None, gates: int) -> Array:
    """W x + b, (*, in) -> (gates, *, H)."""
    flat = x.reshape(-1, x.shape[-1])
    z = flat @ by_gate(weight.data, gates)  # (n, in) x (gates, in, H) -> (gates, n, H)
    if bias is not None:
        z += bias.data.reshape(gates, 1, -1)
    return z.reshape(gates, *x.shape[:-1], z.shape[-1])


def back_through_gates(dz: Array, x: Array, weight: Parameter) -> Array:
    """∂L/∂x, back through `through_gates`."""
    gates, H = len(dz), dz.shape[-1]
    W = weight.data.reshape(gates, H, -1)
    dx = (dz.reshape(gates, -1, H) @ W).sum(axis=0)  # (gates, n, H) x (gates, H, in)
    return dx.reshape(x.shape)


def add_gradients(dz: Array, x: Array, weight: Parameter, *biases: Parameter | None) -> None:
    """∂L/∂W = Σ (∂L/∂z)ᵀ x and ∂L/∂b = Σ ∂L/∂z, of `through_gates`.

    Args:
        dz: (gates, *, H); x: (*, in).
        biases: all that were added to z.
    """
    rows = dz.reshape(len(dz), -1, dz.shape[-1])  # (gates, n, H)
    weight.accumulate((rows.swapaxes(1, 2) @ x.reshape(-1, x.shape[-1])).reshape(weight.shape))
    added = [bias for bias in biases if bias is not None]
    if added:
        total = (ones(rows.shape[1], dz.dtype) @ rows).reshape(-1)  # (n,) x (gates, n, H)
        for bias in added:
            bias.accumulate(total)


class Cell(Step):
    """One step of a recurrence.

    Forward     zx = x W_ihᵀ + b_ih
                zh = h W_hhᵀ + b_hh, then the step
    Backward, with the step's ∂L/∂zx and ∂L/∂zh, as in Linear:
        ∂L/∂x = ∂L/∂zx W_ih
        ∂L/∂W_ih = (∂L/∂zx)ᵀ x
        ∂L/∂b_ih = Σₙ ∂L/∂zxₙ
        ∂L/∂W_hh = (∂L/∂zh)ᵀ h
        ∂L/∂b_hh = Σₙ ∂L/∂zhₙ
        ∂L/∂h = ∂L/∂zh W_hh + D     h is used twice: D is what comes on its direct way in the step

    Shapes: input (N, input_size) or (input_size,), each state (N, hidden_size) or (hidden_size,),
    zeros if not given; output the new state; weight_ih (gates · hidden_size, input_size), weight_hh
    (gates · hidden_size, hidden_size), biases (gates · hidden_size,).
    """

    def set_up(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        device: None,
        dtype: DTypeLike | None,
        generator: np.random.Generator | None,
    ) -> None:
        refuse(self, device=device)
        self.input_size = check_positive(self, "input_size", input_size)
        self.hidden_size = check_positive(self, "hidden_size", hidden_size)
        self.bias = bool(bias)
        rows, dtype = self.GATES * hidden_size, float_dtype(dtype)
        self.weight_ih = Parameter(np.empty((rows, input_size), dtype))
        self.weight_hh = Parameter(np.empty((rows, hidden_size), dtype))
        self.bias_ih = Parameter(np.empty(rows, dtype)) if bias else None
        self.bias_hh = Parameter(np.empty(rows, dtype)) if bias else None
        self.reset_parameters(generator)

    def reset_parameters(self, generator: np.random.Generator | None = None) -> None:
        """Uniform within ±1/√hidden_size."""
        reset_uniformly(self, self.hidden_size, generator)

    def sum_lengths(self, input: Array, hx: Any = None) -> dict[str, int]:
        samples = len(input) if input.ndim > 1 else 1
        rows = self.GATES * self.hidden_size
        lengths = {"output": self.input_size + self.hidden_size, "input": rows}
        return lengths | {
            name: samples for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        }

    def forward(self, input: Array, hx: Any = None) -> Any:
        dtype = self.weight_ih.data.dtype
        x = self.check_input(input, dtype)
        if x.ndim not in (1, 2) or x.shape[-1] != self.input_size:
            raise ValueError(
                f"{self!r}: input has shape {x.shape}, expected (N, {self.input_size}) or "
                f"({self.input_size},)"
            )
        shape = (*x.shape[:-1], self.hidden_size)
        state: State = (np.zeros(shape, dtype),) * self.STATES
        if hx is not None:
            state = check_state(self, hx, [shape] * self.STATES, dtype)
        zx = through_gates(x, self.weight_ih, self.bias_ih, self.GATES)
        zh = through_gates(state[0], self.weight_hh, self.bias_hh, self.GATES)
        after, kept = self.step(zx, zh, state)
        self.save_for_backward(x, state[0], kept, hx is not None)
        return after if len(after) > 1 else after[0]

    def backward(self, *delta: Array | None) -> Any:
        x, h, kept, given = self.take_saved(*delta)
        # after = step(zx, zh, state)
        dzx, dzh, direct = self.step_back(
            kept, tuple(np.zeros_like(h) if d is None else d for d in delta)
        )
        # zx = through_gates(x, W_ih, b_ih), zh = through_gates(h, W_hh, b_hh)
        add_gradients(dzx, x, self.weight_ih, self.bias_ih)
        add_gradients(dzh, h, self.weight_hh, self.bias_hh)
        dx = back_through_gates(dzx, x, self.weight_ih)
        dh = back_through_gates(dzh, h, self.weight_hh)
        if not given:
            return dx
        before = (dh if direct[0] is None else dh + direct[0], *direct[1:])
        return dx, before if len(before) > 1 else before[0]


class RNNCell(RNNStep, Cell):
    """A recurrent cell of Elman's kind, one step: tanh or ReLU of zx + zh."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: None = None,
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.set_nonlinearity(nonlinearity)
        self.set_up(input_size, hidden_size, bias, device, dtype, generator)


class LSTMCell(LSTMStep, Cell):
    """Long short-term memory, one step: the states are (h, c), given and returned as a tuple."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: None = None,
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.set_up(input_size, hidden_size, bias, device, dtype, generator)


class GRUCell(GRUStep, Cell):
    """A gated recurrent unit, one step."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: None = None,
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.set_up(input_size, hidden_size, bias, device, dtype, generator)
