"""Recurrent layers: a step of recurrent_steps.py at every element of a sequence.

Backpropagation through time is backpropagation through the network that the steps are when they are
written out one after the other, a layer for each element, all with the same weights:

    zxₜ = W_ih xₜ + b_ih
    zhₜ = W_hh hₜ₋₁ + b_hh
    hₜ = step(zxₜ, zhₜ) where t > 0, else 0                 one after the other, for t from 1 to T
Backward, with gₜ what reaches hₜ as an output, for t from T to 1:
    carryₜ = ∂L/∂zhₜ₊₁ W_hh where t < T, else 0             and what the step hands back directly
    δₜ = gₜ + carryₜ
    ∂L/∂zxₜ = step_back(δₜ, hₜ)                             and ∂L/∂zhₜ, as the step has derived it
hₜ is used twice: it is an output, from which gₜ comes, and it is the next step's state, from which
the carry comes; so the two are added. And as every step uses the same weights, the steps add up:
    ∂L/∂W_ih = Σₜ (∂L/∂zxₜ)ᵀ xₜ
    ∂L/∂W_hh = Σₜ (∂L/∂zhₜ)ᵀ hₜ₋₁
    ∂L/∂xₜ = ∂L/∂zxₜ W_ih

Only the state must wait for the step before it. So W_ih x is one product for all steps before them,
and each of the three sums is one product for all steps behind them.
"""

from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array, float_dtype
from ..generator import given_or_new
from ..module import check_positive, refuse
from ..parameter import Parameter
from .dropout import Dropout
from .recurrent_cells import (
    add_gradients,
    back_through_gates,
    check_state,
    reset_uniformly,
    through_gates,
)
from .recurrent_steps import GRUStep, LSTMStep, RNNStep, State, Step, by_gate


class Recurrent(Step):
    """Layers of steps, one above the other; each sees the outputs of the one below.

    With `bidirectional` every layer has a second set of weights, suffix _reverse, that goes through
    the sequence from its end; the outputs of both stand side by side.

    Shapes, with D = 2 if bidirectional, else 1: input (T, N, input_size), with batch_first
    (N, T, input_size), or (T, input_size); output the same with D · hidden_size; each state, given
    or returned, (D · num_layers, N, hidden_size) or (D · num_layers, hidden_size). For layer k
    weight_ih_lk (gates · hidden_size, input_size, above the first layer D · hidden_size),
    weight_hh_lk (gates · hidden_size, hidden_size), bias_ih_lk and bias_hh_lk
    (gates · hidden_size,).

    forward(input, hx, lengths) returns the output of the highest layer at every step, and each
    layer's last state. hx is zeros if not given. With `lengths`, whole numbers (N,), of which 1 is
    the least, a sequence ends there: outputs behind its end are 0, its last state is the one at its
    end, and what stands behind has no gradient; in PyTorch that is a packed sequence.
    backward(g, g_state) returns the gradient of input, or of (input, hx) if hx was given.

    Args:
        dropout: the probability of leaving out an output between two layers.
        generator: draws the first values, and the masks of the dropout.
    """

    proj_size = 0  # LSTM only

    def set_up(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        device: None,
        dtype: DTypeLike | None,
        generator: np.random.Generator | None,
    ) -> None:
        refuse(self, device=device)
        self.input_size = check_positive(self, "input_size", input_size)
        self.hidden_size = check_positive(self, "hidden_size", hidden_size)
        self.num_layers = check_positive(self, "num_layers", num_layers)
        self.bias, self.batch_first = bool(bias), bool(batch_first)
        self.dropout, self.bidirectional = dropout, bool(bidirectional)
        self.generator = given_or_new(generator)
        self.between = Dropout(dropout, generator=self.generator)
        dtype, rows, out = float_dtype(dtype), self.GATES * hidden_size, self.output_size
        for layer in range(num_layers):
            inputs = len(self.suffixes(0)) * out if layer else input_size
            for suffix in self.suffixes(layer):
                shapes: dict[str, tuple[int, ...]] = {
                    "weight_ih": (rows, inputs),
                    "weight_hh": (rows, out),
                }
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                if self.proj_size:
                    shapes |= {"weight_hr": (out, hidden_size)}
                for name, shape in shapes.items():
                    setattr(self, name + suffix, Parameter(np.empty(shape, dtype)))
        self.reset_parameters(self.generator)

    def reset_parameters(self, generator: np.random.Generator | None = None) -> None:
        """Uniform within ±1/√hidden_size."""
        reset_uniformly(self, self.hidden_size, generator)

    @property
    def output_size(self) -> int:
        """How many numbers h has."""
        return self.proj_size or self.hidden_size

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """How many numbers h has, or h and c."""
        return (self.output_size, self.hidden_size)[: self.STATES]

    def suffixes(self, layer: int) -> list[str]:
        """What the names of a layer's parameters end in, for each direction."""
        return [f"_l{layer}{end}" for end in ("", "_reverse")[: 2 if self.bidirectional else 1]]

    def of(self, suffix: str) -> tuple[Parameter, Parameter, Any, Any, Any]:
        """W_ih, W_hh, b_ih, b_hh, W_hr of one layer and direction; None for what is not there."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
        W_ih, W_hh, *others = (getattr(self, name + suffix, None) for name in names)
        assert W_ih is not None
        assert W_hh is not None
        return W_ih, W_hh, *others

    def __repr__(self) -> str:  # the dropout inside is one of its arguments
        return self.one_line()

    def sum_lengths(self, input: Array, hx: Any = None, lengths: Any = None) -> dict[str, int]:
        steps, samples, _ = self.time_first(input).shape
        rows, out = self.GATES * self.hidden_size, self.output_size
        inputs = max(self.input_size, len(self.suffixes(0)) * out)
        through = self.num_layers * steps  # one state after the other, one layer after the other
        sums = {"output": through * (inputs + out + self.proj_size), "input": through * 2 * rows}
        names = [name for name, _ in self.named_parameters()]
        return sums | {name: steps * samples for name in names}

    def time_first(self, x: Array) -> Array:
        """(T, N, …), whatever the order of the axes in and whether there are samples."""
        if x.ndim == 2:
            return x[:, np.newaxis]
        return x.swapaxes(0, 1) if self.batch_first else x

    def forward(self, input: Array, hx: Any = None, lengths: Array | None = None) -> Any:
        dtype = self.of("_l0")[0].data.dtype
        x = self.check_input(input, dtype)
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size:
            order = "(N, T, {0})" if self.batch_first else "(T, N, {0})"
            raise ValueError(
                f"{self!r}: input has shape {x.shape}, expected "
                f"{order.format(self.input_size)} or (T, {self.input_size})"
            )
        unbatched, x = x.ndim == 2, self.time_first(x)
        steps, samples = x.shape[:2]
        if not steps:
            raise ValueError(f"{self!r}: input has no steps")
        going = self.going_on(lengths, steps, samples)
        count = self.num_layers * len(self.suffixes(0))
        shapes = [(count, *([] if unbatched else [samples]), size) for size in self.state_sizes]
        given = hx is not None
        state = (
            check_state(self, hx, shapes, dtype) if given else [np.zeros(s, dtype) for s in shapes]
        )
        first = [values.reshape(count, samples, -1) for values in state]
        last: list[State] = []
        saved = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                x = self.between(x)
            outputs = []
            for suffix in self.suffixes(layer):
                before = tuple(values[len(last)] for values in first)
                y, after, kept = self.through_time(x, before, suffix, going)
                outputs.append(y)
                last.append(after)
                saved.append((x, kept))
            x = np.concatenate(outputs, axis=-1) if len(outputs) > 1 else outputs[0]
        self.save_for_backward(saved, going, unbatched, given, x.shape)
        final = tuple(
            np.stack([state[k] for state in last]).reshape(shapes[k]) for k in range(self.STATES)
        )
        return self.as_given(x, unbatched), final if self.STATES > 1 else final[0]

    def as_given(self, y: Array, unbatched: bool) -> Array:
        """(T, N, …) as the input's axes were."""
        return y[:, 0] if unbatched else y.swapaxes(0, 1) if self.batch_first else y

    def going_on(self, lengths: Array | None, steps: int, samples: int) -> Array | None:
        """(T, N, 1): whether a sequence still goes on at a step; None if all do at all steps."""
        if lengths is None:
            return None
        self.check_indices(lengths, "lengths", 1, steps)
        if lengths.shape != (samples,):
            raise ValueError(f"{self!r}: lengths has shape {lengths.shape}, expected ({samples},)")
        return (np.arange(steps)[:, np.newaxis] < lengths)[..., np.newaxis]

    def order(self, steps: int, suffix: str) -> range:
        """The steps in the order in which a direction takes them."""
        return range(steps - 1, -1, -1) if suffix.endswith("_reverse") else range(steps)

    def through_time(
        self, x: Array, state: State, suffix: str, going: Array | None
    ) -> tuple[Array, State, Any]:
        """One layer in one direction: the outputs (T, N, H), the last state, what is kept."""
        steps, samples, _ = x.shape
        W_ih, W_hh, b_ih, b_hh, projection = self.of(suffix)
        zx = through_gates(x, W_ih, b_ih, self.GATES)  # (gates, T, N, H)
        W = by_gate(W_hh.data, self.GATES)
        b = None if b_hh is None else b_hh.data.reshape(self.GATES, 1, -1)
        if b is not None and self.SUMMED:
            zx += b[:, np.newaxis]  # of all steps at once
            b = None
        y = np.empty((steps, samples, self.output_size), x.dtype)
        before = np.empty_like(y)  # h as each step found it
        whole = y if projection is None else np.empty((steps, samples, self.hidden_size), x.dtype)
        inside: list[Any] = [None] * steps
        for t in self.order(steps, suffix):
            before[t] = state[0]
            zh = state[0] @ W  # (N, H) x (gates, H, H) -> (gates, N, H)
            if b is not None:
                zh += b
            after, inside[t] = self.step(zx[:, t], zh, state)
            if projection is not None:
                whole[t] = after[0]
                after = (whole[t] @ projection.data.T, *after[1:])
            y[t] = after[0]
            if going is not None:
                y[t] *= going[t]
                pairs = zip(after, state, strict=True)
                after = tuple(np.where(going[t], new, old) for new, old in pairs)
            state = after
        return y, state, (before, whole, inside)

    def backward(self, g: Array | None, g_state: Any = None) -> Any:
        saved, going, unbatched, given, shape = self.take_saved(g, g_state)
        samples, dtype, count = shape[1], saved[0][0].dtype, len(saved)
        directions, sizes = self.suffixes(0), self.state_sizes
        out = self.output_size
        delta = np.zeros(shape, dtype) if g is None else self.time_first(g)
        several = g_state if isinstance(g_state, tuple | list) else (g_state,)
        states = repeat(None) if g_state is None else several
        last = [
            np.zeros((count, samples, size), dtype)
            if values is None
            else values.reshape(count, samples, size)
            for values, size in zip(states, sizes, strict=False)
        ]
        first = [np.empty_like(values) for values in last]
        for layer in reversed(range(self.num_layers)):
            below: Any = 0  # every direction sees the whole input
            for k, suffix in reversed([*enumerate(self.suffixes(layer))]):
                place = layer * len(directions) + k
                x, kept = saved[place]
                dy = delta[..., k * out : (k + 1) * out]
                after = tuple(values[place] for values in last)
                dx, before = self.back_through_time(x, kept, dy, after, suffix, going)
                below = None if dx is None else dx + below
                for values, gradient in zip(first, before, strict=True):
                    values[place] = gradient
            delta = self.between.backward(below) if layer and self.dropout else below
        dx = None if delta is None else self.as_given(delta, unbatched)
        if not given:
            return dx
        if unbatched:
            first = [values[:, 0] for values in first]
        return dx, tuple(first) if self.STATES > 1 else first[0]

    def back_through_time(
        self, x: Array, kept: Any, dy: Array, carry: State, suffix: str, going: Array | None
    ) -> tuple[Any, State]:
        """Back through `through_time`: the gradients of its input and of its first state.

        The data's is spared where nobody asks for it.
        """
        (before, whole, inside), (steps, samples, _) = kept, x.shape
        W_ih, W_hh, b_ih, b_hh, projection = self.of(suffix)
        W = W_hh.data.reshape(self.GATES, self.hidden_size, -1)
        dzx = np.empty((self.GATES, steps, samples, self.hidden_size), x.dtype)
        dzh = dzx if self.SUMMED else np.empty_like(dzx)
        projected = np.empty(dy.shape, x.dtype)
        for t in reversed(self.order(steps, suffix)):
            delta = carry
            if going is not None:  # behind its end a state is handed through as it is
                delta = tuple(values * going[t] for values in carry)
            at_output = dy[t] if going is None else dy[t] * going[t]
            delta = (at_output + delta[0], *delta[1:])
            if projection is not None:
                # after = (whole[t] @ W_hr.T, …)
                projected[t] = delta[0]
                delta = (delta[0] @ projection.data, *delta[1:])
            of_x, of_h, direct = self.step_back(inside[t], delta)
            dzh[:, t] = of_h
            if not self.SUMMED:
                dzx[:, t] = of_x
            through = (of_h @ W).sum(axis=0)  # (gates, N, H) x (gates, H, H)
            reached = (through if direct[0] is None else through + direct[0], *direct[1:])
            if going is not None:
                pairs = zip(reached, carry, strict=True)
                reached = tuple(np.where(going[t], new, old) for new, old in pairs)
            carry = reached
        if projection is not None:
            rows = projected.reshape(-1, self.output_size)
            projection.accumulate(rows.T @ whole.reshape(-1, self.hidden_size))
        if self.SUMMED:  # both biases were added to the same sum
            add_gradients(dzh, before, W_hh)
            add_gradients(dzx, x, W_ih, b_ih, b_hh)
        else:
            add_gradients(dzh, before, W_hh, b_hh)
            add_gradients(dzx, x, W_ih, b_ih)
        if suffix.startswith("_l0") and not self.input_gradient:
            return None, carry
        return back_through_gates(dzx, x, W_ih), carry


class RNN(RNNStep, Recurrent):
    """A recurrent network of Elman's kind: tanh or ReLU of W_ih xₜ + b_ih + W_hh hₜ₋₁ + b_hh."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: None = None,
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.set_nonlinearity(nonlinearity)
        self.set_up(
            *(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional),
            *(device, dtype, generator),
        )


class LSTM(LSTMStep, Recurrent):
    """Long short-term memory: its states are (h, c), given and returned as a tuple.

    With proj_size hₜ is W_hr (o tanh cₜ), of proj_size numbers; weight_hr_lk is
    (proj_size, hidden_size).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: None = None,
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= proj_size < hidden_size:
            raise ValueError(f"LSTM: proj_size is {proj_size}, expected 0 to {hidden_size - 1}")
        self.proj_size = proj_size
        self.set_up(
            *(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional),
            *(device, dtype, generator),
        )


class GRU(GRUStep, Recurrent):
    """A network of gated recurrent units."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: None = None,
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.set_up(
            *(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional),
            *(device, dtype, generator),
        )
