"""One window of a pooling: what it keeps, and where the gradient goes."""

from itertools import product
from typing import Any

from manual.arrays import Array
from manual.layers.adaptive_pooling import AdaptivePooling

from ..example import Run
from .convolution import places
from .parts import (
    Formula,
    Index,
    Step,
    at,
    constant,
    entry,
    largest,
    mean,
    number,
    square_root,
    total,
)


def windows(run: Run) -> dict[Index, list[Index]]:
    """For each place of the output, which of the input lie in its window; without padding."""
    module: Any = run.module
    sizes, out = run.inputs[0].shape[2:], run.upstream[0].shape[2:]
    seen: dict[Index, list[Index]] = {}
    for p in places(out):
        if isinstance(module, AdaptivePooling):
            shares = [module.shares(n, parts) for n, parts in zip(sizes, out, strict=True)]
            spans = [range(n)[share[i]] for n, share, i in zip(sizes, shares, p, strict=True)]
        else:
            steps = zip(p, module._stride, module._kernel, strict=True)
            spans = [range(i * s, i * s + k) for i, s, k in steps]
        seen[p] = list(product(*spans))
    return seen


def followed(run: Run) -> tuple[dict[Index, list[Index]], Index, list[Formula], Step]:
    """The windows, the place that is followed, what lies in its window, and the step to fill."""
    seen, p = windows(run), (0,) * (run.upstream[0].ndim - 3) + (1,)
    window = [entry("x", run.inputs[0], (0, 0, *q)) for q in seen[p]]
    return seen, p, window, Step(f"the output {at('y', (0, 0, *p))}")


def largest_of(x: Array, window: list[Index]) -> Index:
    """Where in the first channel of x the largest number of a window is, the first of equals."""
    return max(window, key=lambda q: float(x[0, 0, *q]))


def most_seen(seen: dict[Index, list[Index]], p: Index) -> Index:
    """Which place of the window at p lies in the most windows."""
    return max(seen[p], key=lambda q: sum(q in inside for inside in seen.values()))


def max_pooling(run: Run) -> Step:
    """The largest of a window, and the gradient of that input from all windows that it lies in."""
    (x,), (g,) = run.inputs, run.upstream
    seen, p, window, step = followed(run)
    step.work(at("y", (0, 0, *p)), largest(window), run.output((0, 0, *p)))
    step.backward()
    winner = largest_of(x, seen[p])
    for q in dict.fromkeys((winner, most_seen(seen, p))):
        shares = [
            number(f"[{at('x', (0, 0, *q))} = {at('y', (0, 0, *p))}]", q == largest_of(x, inside))
            * entry("∂L/∂y", g, (0, 0, *p))
            for p, inside in seen.items()
            if q in inside
        ]
        step.work(at("∂L/∂x", (0, 0, *q)), total(shares), run.gradient("input 0", (0, 0, *q)))
    return step


def average_pooling(run: Run) -> Step:
    """The mean of a window, and an input's gradient from all windows that it lies in."""
    (g,) = run.upstream
    seen, p, window, step = followed(run)
    step.work(at("y", (0, 0, *p)), mean(window), run.output((0, 0, *p)))
    step.backward()
    q = most_seen(seen, p)
    shares = [
        entry("∂L/∂y", g, (0, 0, *p)) / constant(len(inside))
        for p, inside in seen.items()
        if q in inside
    ]
    step.work(at("∂L/∂x", (0, 0, *q)), total(shares), run.gradient("input 0", (0, 0, *q)))
    return step


def power_pooling(run: Run) -> Step:
    """The Euclidean length of a window, and an input's gradient: norm_type is 2."""
    (x,), (g,) = run.inputs, run.upstream
    seen, p, _, step = followed(run)
    q = most_seen(seen, p)
    lengths: dict[Index, Formula] = {}
    for p, inside in seen.items():
        if q in inside:
            squares = total(entry("x", x, (0, 0, *q)).squared() for q in inside)
            name = at("y", (0, 0, *p))
            lengths[p] = step.work(name, square_root(squares), run.output((0, 0, *p)))
    step.backward()
    own = entry("x", x, (0, 0, *q))
    shares = [entry("∂L/∂y", g, (0, 0, *p)) * own / y for p, y in lengths.items()]
    step.work(at("∂L/∂x", (0, 0, *q)), total(shares), run.gradient("input 0", (0, 0, *q)))
    return step
