"""One step of a recurrence: from an input and the state before it to the state after it.

A step sees its input and the state only through two linear layers of the same size, whose results
it is handed, each as (gates, N, H):

    zx = W_ih x + b_ih          zh = W_hh h + b_hh

So these classes are the mathematics between them; `step` and `step_back` stand one under the other.
What a cell, recurrent_cells.py, does once and a layer, recurrent.py, at every step of time with
the two linear layers is the same for all three.
"""

from typing import Any

import numpy as np

from ..arrays import Array
from ..module import Module

State = tuple[Any, ...]  # h, or h and c; of gradients None where there is none


def by_gate(W: Array, gates: int) -> Array:
    """(gates · H, in) -> (gates, in, H), to multiply from the right; a copy."""
    return np.ascontiguousarray(W.reshape(gates, -1, W.shape[1]).swapaxes(1, 2))


def logistic_(z: Array) -> Array:
    """σ(z) = (1 + tanh(z/2))/2, in which nothing overflows; in place."""
    z *= 0.5
    np.tanh(z, out=z)
    z += 1
    z *= 0.5
    return z


class Step(Module):
    """What a step is: its two halves, and how many gates and states they are about.

    A step that sees only zx + zh, `SUMMED`, gives both the same gradient.
    """

    GATES: int
    STATES: int
    SUMMED = True

    def step(self, zx: Array, zh: Array, state: State) -> tuple[State, Any]:
        """The state after a step, and what `step_back` will need.

        Args:
            zx, zh: (GATES, N, H); zh may be overwritten.
            state: h, or h and c, each (N, H).
        """
        raise NotImplementedError(f"{type(self).__name__} has no step")

    def step_back(self, kept: Any, delta: State) -> tuple[Array, Array, State]:
        """∂L/∂zx, ∂L/∂zh, and what reaches the state before on its direct way, not through zh.

        Args:
            kept: what `step` returned with the state.
            delta: the gradients of the state after the step.
        """
        raise NotImplementedError(f"{type(self).__name__} has no step_back")


class RNNStep(Step):
    """h′ = f(z), with z = zx + zh: f is tanh or ReLU.

    Backward, with δ = ∂L/∂h′:
        tanh    ∂h′/∂z = 1 − h′²        see Tanh
        relu    ∂h′/∂z = [z > 0]        see ReLU
        ∂L/∂zx = δ ∂h′/∂z               chain rule
        ∂L/∂zh = δ ∂h′/∂z               zh stands in z as zx does
    """

    GATES, STATES = 1, 1
    nonlinearity: str

    def set_nonlinearity(self, nonlinearity: str) -> None:
        """Keep it, if it is one.

        Raises:
            ValueError: it is neither tanh nor relu.
        """
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"{type(self).__name__}: nonlinearity is {nonlinearity!r}, expected tanh or relu"
            )
        self.nonlinearity = nonlinearity

    def step(self, zx: Array, zh: Array, state: State) -> tuple[State, Any]:
        zh += zx
        h = np.tanh(zh[0]) if self.nonlinearity == "tanh" else np.maximum(zh[0], 0)
        return (h,), h

    def step_back(self, kept: Any, delta: State) -> tuple[Array, Array, State]:
        (dh,), h = delta, kept
        # h = tanh(zx + zh)
        dz = dh * (1 - h * h if self.nonlinearity == "tanh" else h > 0)
        return dz[np.newaxis], dz[np.newaxis], (None,)


class LSTMStep(Step):
    """A cell state c that is written, kept and read through gates: numbers between 0 and 1.

    Forward, for each gate with z the sum of its zx and its zh:
        i = σ(zᵢ)                               what is written
        f = σ(z_f)                              what is kept
        g = tanh z_g                            the new values
        o = σ(zₒ)                               what is read
        c′ = f c + i g
        h′ = o tanh c′
    Backward, with what comes back to h′, δₕ, and from the next step to c′, δ_c:
        ∂L/∂o = δₕ tanh c′                      the other factor of h′
        ∂L/∂c′ = δ_c + δₕ o (1 − tanh² c′)      c′ is used twice, and both add up; see Tanh
        ∂L/∂f = ∂L/∂c′ c                        chain rule: the other factors of c′, four times
        ∂L/∂i = ∂L/∂c′ g
        ∂L/∂g = ∂L/∂c′ i
        ∂L/∂c = ∂L/∂c′ f                        the carry: no weights are on its way
        ∂L/∂zᵢ = ∂L/∂i i (1 − i)                see Sigmoid, three times
        ∂L/∂z_f = ∂L/∂f f (1 − f)
        ∂L/∂zₒ = ∂L/∂o o (1 − o)
        ∂L/∂z_g = ∂L/∂g (1 − g²)                see Tanh

    The gates stand in the order i, f, g, o.
    """

    GATES, STATES = 4, 2

    def step(self, zx: Array, zh: Array, state: State) -> tuple[State, Any]:
        _, c = state
        zh += zx
        of_sigmoid = zh[:2], zh[3]
        for z in of_sigmoid:
            z *= 0.5
        np.tanh(zh, out=zh)  # one for all gates: σ(z) = (1 + tanh(z/2))/2
        for z in of_sigmoid:
            z += 1
            z *= 0.5
        i, f, g, o = zh
        after = f * c
        after += i * g
        read = np.tanh(after)
        return (o * read, after), (zh, c, read)

    def step_back(self, kept: Any, delta: State) -> tuple[Array, Array, State]:
        (dh, dc), ((i, f, g, o), c, read) = delta, kept
        dz = np.empty((4, *c.shape), c.dtype)
        di, df, dg, do = dz
        # h′ = o tanh c′
        np.multiply(dh, read, out=do)
        through_read = read * read
        np.subtract(1, through_read, out=through_read)
        through_read *= o
        through_read *= dh
        dc = np.add(dc, through_read, out=through_read)
        # c′ = f c + i g
        np.multiply(dc, c, out=df)
        np.multiply(dc, g, out=di)
        np.multiply(dc, i, out=dg)
        # i = σ(zᵢ), …, g = tanh(z_g)
        for gate, slope in ((i, di), (f, df), (o, do)):
            slope *= gate
            slope *= 1 - gate
        dg *= 1 - g * g
        return dz, dz, (None, dc * f)


class GRUStep(Step):
    """A state of which a gate z says how much stays as it is.

    Forward
        r = σ(zx_r + zh_r)                  how much of the old state the new values see
        z = σ(zx_z + zh_z)                  how much of it stays
        n = tanh(zx_n + r zh_n)             the new values
        h′ = (1 − z) n + z h
    Backward, with δ = ∂L/∂h′:
        ∂L/∂n = δ (1 − z)                   the factors of n, of z and of h in h′
        ∂L/∂z = δ (h − n)
        ∂L/∂h = δ z                         the carry
        ∂L/∂zx_n = ∂L/∂n (1 − n²)           see Tanh
        ∂L/∂zh_n = ∂L/∂zx_n r               the reset gate is on its way
        ∂L/∂r = ∂L/∂zx_n zh_n
        ∂L/∂zx_r = ∂L/∂r r (1 − r)          see Sigmoid, twice
        ∂L/∂zh_r = ∂L/∂zx_r
        ∂L/∂zx_z = ∂L/∂z z (1 − z)
        ∂L/∂zh_z = ∂L/∂zx_z

    The gates stand in the order r, z, n. The reset gate is PyTorch's: it scales what has come out
    of W_hh, with its bias; in the paper (Cho et al., 2014) it scales h before it goes in.
    """

    GATES, STATES = 3, 1
    SUMMED = False

    def step(self, zx: Array, zh: Array, state: State) -> tuple[State, Any]:
        (h,), gates = state, zh[:2]
        gates += zx[:2]
        r, z = logistic_(gates)
        n = np.tanh(zx[2] + r * zh[2])
        return (n + z * (h - n),), (r, z, n, h, zh[2])

    def step_back(self, kept: Any, delta: State) -> tuple[Array, Array, State]:
        (dh,), (r, z, n, h, zh_n) = delta, kept
        # h′ = (1 − z) n + z h
        dn, dz = dh * (1 - z), dh * (h - n)
        # n = tanh(zx_n + r zh_n)
        dn *= 1 - n * n
        dr = dn * zh_n
        # r = σ(zx_r + zh_r), z = σ(zx_z + zh_z)
        dr *= r * (1 - r)
        dz *= z * (1 - z)
        return np.stack([dr, dz, dn]), np.stack([dr, dz, dn * r]), (dh * z,)
