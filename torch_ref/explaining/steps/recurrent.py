"""One unit of a recurrent layer at one step of time: its gates, and what comes back through them.

All steps, samples and units are worked out by the formulas. Written down is one unit at the last
step, to which no later one hands anything back.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from manual.layers.recurrent_cells import Cell
from manual.layers.recurrent_steps import GRUStep, LSTMStep

from ..example import Both, Run, run_of
from .parts import Formula, Index, Step, at, constant, entry, hyperbolic, logistic, number, total

SAMPLE = UNIT = FEATURE = 0  # that are followed
ONE = constant(1)
Formulas = list[Formula]
# From the gradients of a unit's states after the step: by gate those of its zx and zh, and what
# reaches its states before the step on their direct way.
Back = Callable[[Formulas], tuple[Formulas, Formulas, list[Formula | None]]]


class Pen:
    """Writes down what a unit works out, if it is the followed one.

    Args:
        both: what the layer and autograd have, by the names of the quantities.
    """

    def __init__(self, j: int, step: Step | None, both: dict[str, Both]) -> None:
        self.j, self.both = j, both
        self.step = step if j == UNIT else None

    def __call__(self, name: str, formula: Formula) -> Formula:
        name = at(name, (self.j,))
        if self.step is None:
            return number(name, formula.value)
        return self.step.work(name, formula, self.both.get(name))


def lstm(pen: Pen, zx: Formulas, zh: Formulas, before: Formulas) -> tuple[Formulas, Back]:
    """A unit's h′ and c′, and the way back."""
    _, c = before
    z_i, z_f, z_g, z_o = (pen(f"z_{k}", x + h) for k, x, h in zip("ifgo", zx, zh, strict=True))
    i, f, g, o = (
        *(pen("i", logistic(z_i)), pen("f", logistic(z_f))),
        *(pen("g", hyperbolic(z_g)), pen("o", logistic(z_o))),
    )
    after = pen("c′", f * c + i * g)
    read = pen("tanh c′", hyperbolic(after))

    def back(delta: Formulas) -> tuple[Formulas, Formulas, list[Formula | None]]:
        dh, dc = delta
        dc = pen("δc", dc + dh * o * (ONE - read.squared()))
        dz = [
            pen("δ_i", dc * g * i * (ONE - i)),
            pen("δ_f", dc * c * f * (ONE - f)),
            pen("δ_g", dc * i * (ONE - g.squared())),
            pen("δ_o", dh * read * o * (ONE - o)),
        ]
        return dz, dz, [None, pen("∂L/∂c", dc * f)]

    return [pen("h′", o * read), after], back


def gru(pen: Pen, zx: Formulas, zh: Formulas, before: Formulas) -> tuple[Formulas, Back]:
    """A unit's h′, and the way back."""
    (h,) = before
    r, z = (
        pen(k, logistic(pen(f"z_{k}", from_x + from_h)))
        for k, from_x, from_h in zip("rz", zx, zh, strict=False)
    )
    zx_n, zh_n = pen("zx_n", zx[2]), pen("zh_n", zh[2])
    n = pen("n", hyperbolic(zx_n + r * zh_n))

    def back(delta: Formulas) -> tuple[Formulas, Formulas, list[Formula | None]]:
        (dh,) = delta
        dn = pen("δ_n", dh * (ONE - z) * (ONE - n.squared()))
        dzh_n = pen("∂L/∂zh_n", dn * r)
        dr = pen("δ_r", dn * zh_n * r * (ONE - r))
        dz = pen("δ_z", dh * (h - n) * z * (ONE - z))
        return [dr, dz, dn], [dr, dz, dzh_n], [pen("carry", dh * z)]

    return [pen("h′", (ONE - z) * n + z * h)], back


def plain(pen: Pen, zx: Formulas, zh: Formulas, before: Formulas) -> tuple[Formulas, Back]:
    """A unit's h′, which is a tanh, and the way back."""
    h = pen("h′", hyperbolic(pen("z", zx[0] + zh[0])))

    def back(delta: Formulas) -> tuple[Formulas, Formulas, list[Formula | None]]:
        dz = pen("δ", delta[0] * (ONE - h.squared()))
        return [dz], [dz], [None]

    return [h], back


class Unrolled:
    """A layer's example by the formulas; a cell is a layer of one step.

    Attributes:
        states: by step and sample, those before the step: of each kind a number for each unit.
        deltas: by step and sample, a unit's ∂L/∂zx for each gate.
    """

    def __init__(self, run: Run, step: Step) -> None:
        module: Any = run.module
        self.run, self.module, self.step = run, module, step
        self.is_cell, self.units = isinstance(module, Cell), range(module.hidden_size)
        self.suffix = "" if self.is_cell else "_l0"
        self.x = run.inputs[0][np.newaxis] if self.is_cell else run.inputs[0]  # (T, N, in)
        self.followed = (len(self.x) - 1, SAMPLE)
        first = run.inputs[1:]
        if not self.is_cell:
            first = [np.zeros((self.x.shape[1], module.hidden_size))] * module.STATES
        self.states = {
            (0, n): [
                [entry(name, values[n], (j,)) for j in self.units]
                for name, values in zip("hc", first, strict=False)
            ]
            for n in range(self.x.shape[1])
        }
        self.ways: dict[Index, list[Back]] = {}
        self.deltas: dict[Index, Formulas] = {}
        self.both: dict[str, Both] = {}

    def features(self, t: int, n: int) -> Formulas:
        """x of a step and a sample."""
        place = (n,) if self.is_cell else (t, n)
        return [entry("x", self.run.inputs[0], (*place, m)) for m in range(self.x.shape[2])]

    def gates(self, of: str, values: Formulas, j: int) -> Formulas:
        """W values + b for a unit, a formula for each gate."""
        W, b = (getattr(self.module, f"{p}_{of}{self.suffix}").data for p in ("weight", "bias"))
        rows = [k * len(self.units) + j for k in range(self.module.GATES)]
        return [
            total(entry(f"W_{of}", W, (r, m)) * value for m, value in enumerate(values))
            + entry(f"b_{of}", b, (r,))
            for r in rows
        ]

    def pen(self, j: int, t: int, n: int) -> Pen:
        return Pen(j, self.step if (t, n) == self.followed else None, self.both)

    def forward(self, t: int, n: int) -> None:
        """One step of one sample."""
        unit = plain
        if isinstance(self.module, LSTMStep):
            unit = lstm
        elif isinstance(self.module, GRUStep):
            unit = gru
        before, x = self.states[t, n], self.features(t, n)
        if (t, n) == self.followed:
            self.both = self.known(before)
        results = []
        for j in self.units:
            zx, zh = self.gates("ih", x, j), self.gates("hh", before[0], j)
            results.append(unit(self.pen(j, t, n), zx, zh, [values[j] for values in before]))
        self.ways[t, n] = [back for _, back in results]
        self.states[t + 1, n] = [
            [number(at(name, (j,)), state[i].value) for j, (state, _) in enumerate(results)]
            for i, name in enumerate("hc"[: len(before)])
        ]

    def upstream(self, n: int) -> list[Formulas]:
        """The gradients that a sample's last states are handed."""
        handed = self.run.upstream if self.is_cell else self.run.upstream[1:]
        place = (n,) if self.is_cell else (0, n)  # a layer's states have an axis of layers
        names = zip(("∂L/∂h′", "∂L/∂c′"), handed, strict=False)
        return [[entry(name, g, (*place, j)) for j in self.units] for name, g in names]

    def backward(self, t: int, n: int, carry: list[Formulas]) -> list[Formulas]:
        """One step of one sample: from the gradients that come from later steps to those before."""
        dh, *others = carry
        if not self.is_cell:  # h′ is an output too
            g = [entry("∂L/∂y", self.run.upstream[0], (t, n, j)) for j in self.units]
            dh = [self.pen(j, t, n)("δh", g[j] + dh[j]) for j in self.units]
        ways = [back([d[j] for d in (dh, *others)]) for j, back in enumerate(self.ways[t, n])]
        self.deltas[t, n] = ways[UNIT][0]
        W = getattr(self.module, f"weight_hh{self.suffix}").data
        before: list[Formulas] = [[] for _ in carry]
        for m in self.units:
            terms = [
                entry("W_hh", W, (k * len(self.units) + j, m)) * delta
                for j, (_, dzh, _) in enumerate(ways)
                for k, delta in enumerate(dzh)
            ]
            h_direct, *rest = ways[m][2]
            terms += [] if h_direct is None else [h_direct]
            values = [self.pen(m, t, n)("∂L/∂h", total(terms)), *filter(None, rest)]
            for gradients, value in zip(before, values, strict=True):
                gradients.append(value)
        return before

    def known(self, before: list[Formulas]) -> dict[str, Both]:
        """What the layer and autograd have for the followed unit.

        Its step is run once more by itself: with one sample and one step, the gradient of a bias is
        that of the gate that it is added to.
        """
        t, n = self.followed
        run, size = self.run, len(self.units)
        states = [np.array([one.value for one in values]) for values in before]
        if self.is_cell:
            x, upstream = run.inputs[0][n], [g[n] for g in run.upstream]
            after = [run.output((n, UNIT), i) for i in range(len(states))]
            place: Index = (UNIT,)
        else:
            x, states = self.x[t:, n], [state[np.newaxis] for state in states]
            upstream = [run.upstream[0][t:, n], *(g[:, n] for g in run.upstream[1:])]
            after = [run.output((t, n, UNIT))]
            after += [run.output((0, n, UNIT), i) for i in range(2, len(run.upstream))]
            place = (0, UNIT)
        alone = run_of(run.module, [x, states[0] if len(states) == 1 else tuple(states)], upstream)
        both = {at(name, (UNIT,)): one for name, one in zip(("h′", "c′"), after, strict=False)}
        for i, name in enumerate("hc"[: len(states)], 1):
            both[at(f"∂L/∂{name}", (UNIT,))] = alone.gradient(f"input {i}", place)
        for k, name in enumerate(self.names):
            row = (k * size + UNIT,)
            both[at(name, (UNIT,))] = alone.gradient(f"bias_ih{self.suffix}", row)
            if name == "δ_n":
                both[at("∂L/∂zh_n", (UNIT,))] = alone.gradient(f"bias_hh{self.suffix}", row)
        return both

    @property
    def names(self) -> list[str]:
        """What the deltas of the gates are called."""
        letters = {4: "ifgo", 3: "rzn"}.get(self.module.GATES)
        return [f"δ_{letter}" for letter in letters] if letters else ["δ"]


def recurrence(run: Run) -> Step:
    """One unit at the last step of the first sample, and one weight over all steps and samples."""
    step = Step("")
    unrolled = Unrolled(run, step)
    steps, samples, _ = unrolled.x.shape
    step.title = f"unit {UNIT} of sample {SAMPLE}"
    if not unrolled.is_cell:
        step.title += f" at the last step, {steps - 1}"
    for t in range(steps):
        for n in range(samples):
            unrolled.forward(t, n)
    step.backward()
    for n in range(samples):
        carry = unrolled.upstream(n)
        for t in reversed(range(steps)):
            carry = unrolled.backward(t, n, carry)
    name, row = unrolled.names[0], (UNIT, FEATURE)
    uses = []
    for t in range(steps):
        for n in range(samples):
            place = (n, UNIT) if unrolled.is_cell else (t, n, UNIT)
            delta = number(at(name, place), unrolled.deltas[t, n][0].value)
            uses.append(delta * unrolled.features(t, n)[FEATURE])
    both = run.gradient(f"weight_ih{unrolled.suffix}", row)
    step.work(at("∂L/∂W_ih", row), total(uses), both)
    return step
