"""A slip of the pen in the formula of a gradient, as books write it for the function called."""

import ast
import inspect
from collections import defaultdict
from collections.abc import Iterator

import torch

from ..kinds import SLIP, Mistake
from ..operations import Edit, Op, Tensor, Value
from ..pages import PAGES, Page
from ..recognized import recognized, tensor_of
from ..slips import Slip, read, slips_of, value_of, words
from ..tape import Call, Tape
from .spans import on_span

CLOSE = 1e-6  # how near its gradient must be to what the formula gives
LARGE = 20_000  # elements


class Misprint:
    """The formula of a call's gradient towards one of its arguments, with any slip in it."""

    def __init__(self, call: Call, argument: str, value: Value, page: Page, formula: str) -> None:
        self.call, self.argument, self.value = call, argument, value
        self.page, self.formula = page, formula
        self.span = call.towards(value)
        named = {n.id for n in ast.walk(read(formula)) if isinstance(n, ast.Name)}
        arrays = [n for n, v in page.names.items() if torch.is_tensor(v) and n not in named]
        self.slips = slips_of(formula, page.others, tuple(arrays))
        self.slips += tuple(
            Slip("wrong-derivative", f"stands that of {whose}, {words(read(other))}", read(other))
            for whose, other in page.siblings
        )

    @property
    def last(self) -> Op:
        return self.call.last

    def __len__(self) -> int:
        return len(self.slips)

    @property
    def is_step(self) -> bool:
        return self.last.step is not None

    def gradient(self, slip: Slip | None, g: Tensor) -> Tensor | None:
        """What the formula gives, as it is or with a slip; None if nobody's code could run so."""
        expression = read(self.formula) if slip is None else slip.now
        x = self.value.tensor
        try:
            names = {**self.page.names, "g": self.page.upstream(g)}
            found = value_of(expression, names)
            found = found.expand(x.shape) if torch.is_tensor(found) else None
        except (RuntimeError, TypeError, IndexError, ArithmeticError):
            return None
        if found is None or found.dtype != x.dtype or not bool(torch.isfinite(found).all()):
            return None
        return found

    def stacks(self, g: Tensor) -> Iterator[tuple[list[int], Tensor, Tensor | None]]:
        """The gradients that the slips give, one in a row, and which these are."""
        right = self.gradient(None, g)
        numbers, rows = [], []
        for number, slip in enumerate(self.slips):
            found = self.gradient(slip, g)
            if found is not None and (right is None or not torch.equal(found, right)):
                numbers.append(number)
                rows.append(found.reshape(-1))
        if rows:
            yield numbers, torch.stack(rows), None

    def mistake(self, number: int) -> Mistake:
        slip = self.slips[number]

        def change(g: Tensor) -> Tensor:
            found = self.gradient(slip, g)
            if found is None:
                raise ValueError("a slip that nobody's code could run with")
            return found

        formula = words(read(self.formula))
        what = (
            f"in the gradient of {self.call.name} towards {self.argument}, {formula}, {slip.what}"
        )
        edits = on_span(self.span, change)
        reaches = self.value.reaches
        return Mistake(slip.kind, what, self.span.place, edits, reaches, SLIP)


def misprints(tape: Tape) -> list[Misprint]:
    """Every formula that there is for the calls of a forward pass, where it gives the gradient."""
    found = []
    for call in (*tape.calls, *recognized(tape)):
        values = [*call.values]
        above = tape.at_outputs(call.last)[0]
        if above is None or sum(v.tensor.numel() for v in values) > LARGE:
            continue
        try:
            page = PAGES[call.name](
                *map(tensor_of, call.args), **{n: tensor_of(a) for n, a in call.kwargs.items()}
            )
        except (TypeError, RuntimeError, IndexError):
            continue  # it may be called in more ways than its page knows
        arguments = inspect.signature(PAGES[call.name]).bind(*call.args, **call.kwargs).arguments
        for argument, formulas in page.formulas.items():
            value = arguments[argument]
            if not isinstance(value, Value) or values.count(value) > 1:
                continue
            for formula in formulas:
                one = Misprint(call, argument, value, page, formula)
                if gives(one, tape, above):
                    found.append(one)
    return found


def gives(one: Misprint, tape: Tape, above: Tensor) -> bool:
    """Whether the formula is that of the gradient."""
    parts = [tape.right(op)[slot] for op, slot in one.span.edges]
    own = sum(part for part in parts if part is not None)
    found = one.gradient(None, above)
    if found is None or not torch.is_tensor(own):
        return False
    return bool((found - own).abs().max() <= CLOSE * (float(own.abs().max()) or 1.0))


def at_all_places(found: list[Misprint]) -> Iterator[Mistake]:
    """The same slip in all calls of a function: in every layer, at every time step."""
    groups = defaultdict(list)
    for one in found:
        slips = tuple(slip.what for slip in one.slips)
        groups[one.call.name, one.argument, one.formula, slips].append(one)
    for alike in groups.values():
        if len(alike) < 2:
            continue
        for number, slip in enumerate(alike[0].slips):
            mistakes = [one.mistake(number) for one in alike]
            edits: dict[int, list[Edit]] = defaultdict(list)
            for mistake in mistakes:
                for index, own in mistake.edits.items():
                    edits[index] += own
            first = mistakes[0]
            what = f"{first.what}; and so in all {len(alike)} places like it"
            reaches = frozenset().union(*(mistake.reaches for mistake in mistakes))
            yield Mistake(slip.kind, what, first.place, dict(edits), reaches, first.rank + 1)


def misprint_mistakes(tape: Tape) -> Iterator[Mistake]:
    """All of them, those that cannot fit too."""
    found = misprints(tape)
    for one in found:
        for number in range(len(one.slips)):
            yield one.mistake(number)
    yield from at_all_places(found)
