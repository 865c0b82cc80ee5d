"""One query of an attention: scores, weights, their mean of the values, and the way back.

The gradient of the scores, which is no result of an attention, both sides show as that of a mask of
zeros, which is added to them; and the weights as the output where the values are a unit matrix.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from manual.arrays import Array

from ..example import Both, Run, run_of
from .parts import (
    Formula,
    Index,
    Step,
    at,
    constant,
    entry,
    exponential,
    square_root,
    total,
)

Formulas = list[Formula]
Found = Callable[[Index], Both]
QUERY = HEAD = 0  # that are followed


def row_of(name: str, array: Array, i: int) -> Formulas:
    return [entry(name, array, (i, m)) for m in range(array.shape[1])]


def rows_of(name: str, array: Array) -> list[Formulas]:
    return [row_of(name, array, i) for i in range(len(array))]


def dot(a: Sequence[Formula], b: Sequence[Formula]) -> Formula:
    return total(x * y for x, y in zip(a, b, strict=True))


def root(size: int) -> Formula:
    """√d."""
    return square_root(constant(size))


def weights(
    step: Step, place: Index, q: Formulas, keys: list[Formulas], both: Found | None = None
) -> Formulas:
    """A query's weights, the softmax of its scores.

    Args:
        place: the query's, which stands before the key's in the names.
    """
    scores = [step.work(at("s", (*place, j)), dot(q, k) / root(len(q))) for j, k in enumerate(keys)]
    powers = [exponential(score) for score in scores]
    return [
        step.work(at("A", (*place, j)), power / total(powers), both and both((*place, j)))
        for j, power in enumerate(powers)
    ]


def back_to_scores(
    step: Step, place: Index, A: Formulas, slopes: Formulas, both: Found | None = None
) -> Formulas:
    """The gradients of a query's scores from those of its weights."""
    dA = [step.work(at("∂L/∂A", (*place, j)), slope) for j, slope in enumerate(slopes)]
    mean = step.work("mean(∂L/∂A)", dot(A, dA))
    return [
        step.work(at("∂L/∂s", (*place, j)), a * (d - mean), both and both((*place, j)))
        for j, (a, d) in enumerate(zip(A, dA, strict=True))
    ]


def attention(run: Run) -> Step:
    """One query's output, its gradient, and that of one value from all queries."""
    (Q, K, V), (g,) = run.inputs, run.upstream
    keys, values, m = rows_of("K", K), rows_of("V", V), 0
    alone = run_of(run.module, [Q, K, np.eye(len(K))], [np.zeros((len(Q), len(K)))])
    masked = run_of(run.module, [Q, K, V, np.zeros((len(Q), len(K)))], run.upstream)
    step = Step(f"the query {QUERY}")
    step.show("Q, K, V", Q[[QUERY]], K, V)
    A = [
        weights(*(step, (i,), row_of("Q", Q, i), keys), alone.output)
        if i == QUERY
        else weights(Step(""), (i,), row_of("Q", Q, i), keys)
        for i in range(len(Q))
    ]
    mean = dot(A[QUERY], [v[m] for v in values])
    step.work(at("y", (QUERY, m)), mean, run.output((QUERY, m)))

    step.backward()
    by_output = row_of("∂L/∂y", g, QUERY)
    slopes = [dot(by_output, v) for v in values]
    dS = back_to_scores(
        step, (QUERY,), A[QUERY], slopes, lambda place: masked.gradient("input 3", place)
    )
    by_query = dot(dS, [k[m] for k in keys]) / root(Q.shape[1])
    step.work(at("∂L/∂Q", (QUERY, m)), by_query, run.gradient("input 0", (QUERY, m)))
    by_value = total(A[i][0] * entry("∂L/∂y", g, (i, m)) for i in range(len(Q)))
    step.work(at("∂L/∂V", (0, m)), by_value, run.gradient("input 2", (0, m)))
    return step


def multihead_attention(run: Run) -> Step:
    """One query through one head, and its gradient; the other heads stand beside it in the sums."""
    module: Any = run.module
    (query, key, value), (g, g_weights) = run.inputs, run.upstream
    E, heads, e = module.embed_dim, range(module.num_heads), 0
    d = E // len(heads)
    W, b = module.in_proj_weight.data, module.in_proj_bias.data
    W_out, b_out = module.out_proj.weight.data, module.out_proj.bias.data
    mask = np.zeros((len(heads), len(query), len(key)))
    masked = run_of(module, [query, key, value, None, True, mask], run.upstream)
    quiet, x = Step(""), row_of("x", query, QUERY)
    step = Step(f"the query {QUERY}, x, and its head {HEAD}")

    def projected(x: Array, part: int, h: int) -> Array:
        rows = slice(part * E + h * d, part * E + (h + 1) * d)
        return x @ W[rows].T + b[rows]

    K, V = ([projected(x, part, h) for h in heads] for part, x in ((1, key), (2, value)))
    keys, values = ([rows_of(n, of[h]) for h in heads] for n, of in (("k", K), ("v", V)))
    A, out = [], []
    for h in heads:
        pen = step if h == HEAD else quiet
        q = [
            pen.work(at("q", (r,)), dot(row_of("W_in", W, r), x) + entry("b_in", b, (r,)))
            for r in range(h * d, (h + 1) * d)
        ]
        pen.show(f"k, v = key, value through rows of W_in; of head {h}", K[h], V[h])
        A.append(weights(pen, (h, QUERY), q, keys[h]))
        out += [
            pen.work(at("o", (h * d + m,)), dot(A[h], [v[m] for v in values[h]])) for m in range(d)
        ]
    mixed = dot(row_of("W_out", W_out, e), out) + entry("b_out", b_out, (e,))
    step.work(at("y", (QUERY, e)), mixed, run.output((QUERY, e)))
    of_key = total(of_head[0] for of_head in A) / constant(len(heads))
    step.work(at("w", (QUERY, 0)), of_key, run.output((QUERY, 0), 1))

    step.backward()
    by_output, by_query = row_of("∂L/∂y", g, QUERY), []
    for h in heads:
        pen = step if h == HEAD else quiet
        by_out = [
            pen.work(
                at("∂L/∂o", (r,)), dot([entry("W_out", W_out, (c, r)) for c in range(E)], by_output)
            )
            for r in range(h * d, (h + 1) * d)
        ]
        slopes = [
            dot(by_out, v) + entry("∂L/∂w", g_weights, (QUERY, j)) / constant(len(heads))
            for j, v in enumerate(values[h])
        ]
        dS = back_to_scores(
            pen, (h, QUERY), A[h], slopes, lambda place: masked.gradient("input 5", place)
        )
        by_query += [
            pen.work(at("∂L/∂q", (h * d + m,)), dot(dS, [k[m] for k in keys[h]]) / root(d))
            for m in range(d)
        ]
    by_x = dot([entry("W_in", W, (r, e)) for r in range(E)], by_query)
    step.work(at("∂L/∂x", (QUERY, e)), by_x, run.gradient("input 0", (QUERY, e)))
    return step
