"""Another formula where the derivative of a function of one value belongs.

Any function and any derivative that people know, at any array of that shape: σ(y), 1 − y, −y², a
sibling's derivative, the derivative at a neighbouring layer's array or at the upstream gradient.
They are many; `Projection.fitting` tells at once which of them may fit.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch.nn import functional

from ..kinds import POINTWISE, Mistake, name_of, place_of, within
from ..operations import Op, Tensor
from ..regions import regions_of
from ..tape import Span, Tape
from .spans import constant_in, diagonal_of, is_linear, on_span

NEAR = 16  # how far along the tape another array is looked for
SMALL = 4096  # elements, up to which it is looked for

# What people write for a derivative, `a` being what it is taken at.
FORMULAS: dict[str, Callable[[Tensor], Tensor]] = {
    "a": lambda a: a,
    "a²": lambda a: a * a,
    "−a²": lambda a: -a * a,
    "a³": lambda a: a**3,
    "1 − a": lambda a: 1 - a,
    "1 + a": lambda a: 1 + a,
    "a(1 − a)": lambda a: a * (1 - a),
    "a(1 + a)": lambda a: a * (1 + a),
    "1 − a²": lambda a: 1 - a * a,
    "1 + a²": lambda a: 1 + a * a,
    "(1 − a)²": lambda a: (1 - a) ** 2,
    "1 − (1 − a)²": lambda a: 1 - (1 - a) ** 2,
    "1/(1 + a²)": lambda a: 1 / (1 + a * a),
    "1/a": lambda a: 1 / a,
    "1/a²": lambda a: 1 / (a * a),
    "1/√a": lambda a: a.rsqrt(),
    "√a": lambda a: a.sqrt(),
    "ln a": lambda a: a.log(),
    "a ln a": lambda a: a * a.log(),
    "e^a": lambda a: a.exp(),
    "e^−a": lambda a: (-a).exp(),
    "a e^(a − 1)": lambda a: a * (a - 1).exp(),
    "cos a": torch.cos,
    "sin a": torch.sin,
    "|a|": torch.abs,
    "σ(−a)": lambda a: torch.sigmoid(-a),
    "the step a > 0": lambda a: (a > 0).to(a),
    "the step a < 0": lambda a: (a < 0).to(a),
    "sign a": torch.sign,
}
# Functions that are taken for one another; a value of one, and its derivative.
SIBLINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "σ": torch.sigmoid,
    "tanh": torch.tanh,
    "erf": torch.erf,
    "arctan": torch.atan,
    "softsign": functional.softsign,
    "softplus": functional.softplus,
    "log σ": functional.logsigmoid,
    "SiLU": functional.silu,
    "GELU": functional.gelu,
    "GELU's tanh approximation": lambda a: functional.gelu(a, approximate="tanh"),
    "GELU's sigmoid approximation": lambda a: a * torch.sigmoid(1.702 * a),
    "Mish": functional.mish,
    "ELU": functional.elu,
    "SELU": functional.selu,
    "Hardswish": functional.hardswish,
    "hard σ": lambda a: (a / 6 + 0.5).clamp(0, 1),
    "ReLU6": functional.relu6,
    "hard tanh": functional.hardtanh,
    "leaky ReLU": functional.leaky_relu,
}


@dataclass(frozen=True)
class Slope:
    """One formula in place of a derivative.

    Attributes:
        what: the formula, in words.
        value: of all elements.
        times_upstream: whether it is multiplied by the upstream gradient.
    """

    kind: str
    what: str
    value: Tensor
    rank: int
    times_upstream: bool = True


class Written:
    """A function of one value, element by element, for which somebody writes a derivative."""

    def __init__(self, tape: Tape, span: Span, name: str) -> None:
        self.tape, self.span, self.name = tape, span, name

    @property
    def last(self) -> Op:
        return self.span.ops[-1]

    def __len__(self) -> int:
        return len(self.slopes)

    @cached_property
    def slopes(self) -> list[Slope]:
        """Every other formula, but those that give the same number everywhere or the right one."""
        x = self.span.input.tensor
        right = diagonal_of(self.span.run, x)
        kept = []
        for slope in self.formulas():
            value = slope.value
            if value.shape != x.shape or not bool(torch.isfinite(value).all()):
                continue
            constant = bool((value == value.reshape(-1)[0]).all())
            if constant or (slope.times_upstream and torch.equal(value, right)):
                continue  # a constant would be a factor
            kept.append(slope)
        return kept

    @cached_property
    def rows(self) -> dict[bool, tuple[list[int], Tensor]]:
        """All formulas that are multiplied by the upstream gradient, and those that are not."""
        stacks = {}
        for times in (True, False):
            numbers = [i for i, s in enumerate(self.slopes) if s.times_upstream == times]
            if numbers:
                rows = [self.slopes[i].value.reshape(-1) for i in numbers]
                stacks[times] = numbers, torch.stack(rows)
        return stacks

    def stacks(self, g: Tensor) -> Iterator[tuple[list[int], Tensor, Tensor | None]]:
        """What stands for the gradient, one in a row, which these are, and what multiplies all."""
        for times_upstream, (numbers, rows) in self.rows.items():
            yield numbers, rows, g if times_upstream else None

    def arrays(self) -> Iterator[tuple[str, Tensor, int]]:
        """What a derivative may be taken at: a letter or words for it, and how far off it is."""
        x, y = self.span.input, self.span.output
        yield "x", x.tensor, 1
        yield "y", y.tensor, 1
        above = self.tape.at_outputs(self.last)[0]
        if above is not None:
            yield "the upstream gradient", above, 2
        if x.tensor.numel() > SMALL:
            return
        seen: list[Tensor] = [x.tensor, y.tensor]
        first = self.span.ops[0].index
        for other in self.tape.ops[max(0, first - NEAR) : self.last.index + NEAR]:
            for value in other.outputs:
                a = value.tensor
                if a.shape != x.tensor.shape or not a.is_floating_point():
                    continue
                if not any(torch.equal(a, b) for b in seen):
                    seen.append(a)
                    yield name_of(value), a, 3

    def formulas(self) -> Iterator[Slope]:
        """All that may stand for the derivative; at an input, what is multiplied in on top."""
        if self.last.function is None:
            yield from self.once_too_often()
            return
        if (above := self.tape.at_outputs(self.last)[0]) is not None:
            right = diagonal_of(self.span.run, self.span.input.tensor)
            what = "stands its own where the upstream gradient is positive, and zero elsewhere"
            yield Slope("wrong-derivative", what, right * (above > 0), 2)
        for name, a, rank in self.arrays():
            letter = name if len(name) == 1 else "a"
            where = "" if letter == name else f", a being {name}"
            for formula, f in FORMULAS.items():
                what = f"stands {formula.replace('a', letter)}{where}"
                if formula == "a":
                    what = f"stands {name}"
                yield Slope("wrong-derivative", what, f(a), rank)
            for sibling, f in SIBLINGS.items():
                what = f"stands {sibling}({letter}){where}"
                yield Slope("wrong-derivative", what, f(a), rank + 1)
                what = f"stands that of {sibling}{'' if name == 'x' else f', taken at {name}'}"
                yield Slope("wrong-derivative", what, diagonal_of(f, a), rank + 1)
            if name != "x":
                kind, own = "wrong-argument", diagonal_of(self.span.run, a)
                yield Slope(kind, f"stands that at {name}, not at x", own, rank)
                what = f"stands that at {name}, and the upstream gradient is left out"
                yield Slope(kind, what, own, rank, times_upstream=False)

        if len(self.span.ops) == 1 and self.last.short == "pow":
            yield from power_slopes(self.last)

    def once_too_often(self) -> Iterator[Slope]:
        """The derivative of an activation multiplied in, where none belongs: as σ′ on top of what
        is the gradient towards the logits already."""
        x = self.span.input.tensor
        arrays = {"x": x} | ({"softmax(x)": torch.softmax(x, -1)} if x.dim() else {})
        for name, a in arrays.items():
            for formula in ("a(1 − a)", "1 − a²", "the step a > 0"):
                f, letter = FORMULAS[formula], name if name == "x" else "p"
                what = formula.replace("a", letter) + (f", p being {name}" if letter == "p" else "")
                yield Slope("derivative-twice", f"is multiplied by {what} on top", f(a), 3)
        for sibling, f in SIBLINGS.items():
            what = f"is multiplied by the derivative of {sibling} on top"
            yield Slope("derivative-twice", what, diagonal_of(f, x), 3)

    def mistake(self, number: int) -> Mistake:
        slope = self.slopes[number]

        def change(g: Tensor) -> Tensor:
            return g * slope.value if slope.times_upstream else slope.value

        return Mistake(
            slope.kind,
            f"{self.name} {slope.what}",
            self.span.place,
            on_span(self.span, change),
            self.span.input.reaches,
            slope.rank,
        )


def power_slopes(op: Op) -> Iterator[Slope]:
    """Of xⁿ or nˣ: another exponent, or the one's derivative for the other."""
    x = op.inputs[0].tensor
    of_exponent = op.slots[0][0] == 1
    n = constant_in(op, 0 if of_exponent else 1)
    if n is None:
        return
    forms = {
        "n xⁿ": n * x**n,
        "n x^(n + 1)": n * x ** (n + 1),
        "n x^(n − 2)": n * x ** (n - 2),
        "(n − 1) x^(n − 1)": (n - 1) * x ** (n - 1),
        "(n + 1) xⁿ": (n + 1) * x**n,
        "x n^(x − 1)": x * abs(n) ** (x - 1),
        "nˣ": abs(n) ** x,
        "xⁿ ln x": x**n * x.log(),
    }
    for formula, value in forms.items():
        what = f"stands {formula}, n being {n:.6g}" + (", as if of xⁿ" if of_exponent else "")
        yield Slope("wrong-derivative", what, value, 1)


def written(tape: Tape) -> list[Written]:
    """Every function of one value, element by element: one operation, a module, a formula."""
    found = []
    for op in tape.ops:
        if op.function is None or POINTWISE not in op.function.tags or op.step or is_linear(op):
            continue  # of a sum nobody writes a derivative
        if len(op.slots) == 1 and op.inputs[0].tensor.shape == op.outputs[0].tensor.shape:
            span = Span(op.name, op.place or op.line, [op])
            span.find_edges()
            found.append(Written(tape, span, f"for the derivative of {op.name}{within(op)}"))
    for span in (*tape.spans, *regions_of(tape)):
        if span.is_pointwise:
            found.append(Written(tape, span, f"for the derivative of {span.name} in {span.place}"))
    for name, op in tape.at_leaf.items():
        if name.startswith("input"):
            span = Span(name, place_of(op), [op])
            span.find_edges()
            found.append(Written(tape, span, f"the gradient of {name}"))
    return [function for function in found if function.span.input.tensor.numel() > 1]


def slope_mistakes(tape: Tape) -> Iterator[Mistake]:
    """All of them, those that cannot fit too."""
    for function in written(tape):
        for number in range(len(function.slopes)):
            yield function.mistake(number)
