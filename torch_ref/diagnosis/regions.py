"""The functions within a forward pass: operations that make of one value another of its shape.

A GELU written out, `x − x.mean()`, or a softmax opened is several operations, and its derivative is
one formula. A mistake in that formula is none at any one of the operations.
"""

from collections.abc import Iterator

from .operations import MOVES, Op, Value
from .tape import Span, Tape

DEEP = 14  # operations that one formula is made of
LARGE = 20_000  # elements


def regions_of(tape: Tape) -> Iterator[Span]:
    """Every function of one value, from each operation back; those within a module's are its own.

    Those that are done again at every time step are left out.
    """
    modules = [frozenset(op.index for op in span.ops) for span in tape.spans]
    for last in tape.ops:
        if last.function is None or last.step or len(last.outputs) != 1:
            continue
        for ops, (entry, *others) in functions_ending_in(last):
            indices = frozenset(op.index for op in ops)
            one_of_its_own = len(ops) > 1 and not others and indices not in modules
            if not one_of_its_own or not is_seen_as_one(ops, entry, last):
                continue
            span = Span(words(last, entry), last.place or last.line, ops)
            span.find_edges()
            yield span


def functions_ending_in(last: Op) -> Iterator[tuple[list[Op], list[Value]]]:
    """The operations behind one value, one after the other taken in, where they read one value,
    or two."""
    inside = {last.index: last}
    frontier = {id(value): value for value in last.inputs}
    while frontier and len(inside) <= DEEP:
        if len(frontier) < 3:
            yield [inside[i] for i in sorted(inside)], [*frontier.values()]
        value = max(frontier.values(), key=lambda v: v.producer.index if v.producer else -1)
        op = value.producer
        if op is None or op.function is None or op.step:
            return
        if not all(use.index in inside for v in op.outputs for use, _ in v.consumers):
            return
        inside[op.index] = op
        frontier = {i: v for i, v in frontier.items() if v.producer is not op}
        frontier |= {id(v): v for v in op.inputs}


def is_seen_as_one(ops: list[Op], entry: Value, last: Op) -> bool:
    """Whether it is a function that somebody would write one derivative of."""
    x, y = entry.tensor, last.outputs[0].tensor
    computing = [op for op in ops if op.short not in MOVES]
    return x.shape == y.shape and 0 < x.numel() <= LARGE and len(computing) > 1


def words(last: Op, entry: Value) -> str:
    return f"{last.name}, as a function of {entry.name}"
