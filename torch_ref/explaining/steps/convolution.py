"""One place of a convolution, and of its transpose: the window, the products, their gradients."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from manual.arrays import Array

from ..example import Run
from .parts import Formula, Index, Step, at, constant, entry, total


def places(sizes: Index) -> Iterator[Index]:
    return product(*map(range, sizes))


def reached(module: Any, p: Index, k: Index) -> Index:
    """q = p·s + k·d − padding: what the weight k is at where the kernel is at place p."""
    sizes = zip(p, k, module.stride, module.dilation, module.padding, strict=True)
    return tuple(i * s + j * d - border for i, j, s, d, border in sizes)


def meetings(module: Any, q: Index, sizes: Index) -> list[tuple[Index, Index]]:
    """Every p within these sizes and k from which `q` is reached."""
    pairs = product(places(sizes), places(module.kernel_size))
    return [(p, k) for p, k in pairs if reached(module, p, k) == q]


def element(name: str, x: Array, first: Index, q: Index) -> Formula:
    """x[first, q]; the 0 of the padding where that lies outside."""
    inside = all(0 <= i < n for i, n in zip(q, x.shape[len(first) :], strict=True))
    return entry(name, x, (*first, *q)) if inside else constant(0)


def convolution(run: Run) -> Step:
    """One output, one weight and one input of a convolution; of one group, padded with zeros."""
    module: Any = run.module
    W, b = module.weight.data, module.bias.data
    (x,), (g,) = run.inputs, run.upstream
    axes, channels = module.AXES, range(x.shape[1])
    n = o = c = 0
    p = (0,) + (1,) * (axes - 1)
    k = q = (0,) * (axes - 1) + (1,)
    step = Step(f"the output {at('y', (n, o, *p))}")

    def seen(c: int, k: Index) -> Formula:
        return element("x", x, (n, c), reached(module, p, k))

    window = np.array([[seen(c, k).value for k in places(module.kernel_size)] for c in channels])
    window = window.reshape(W[o].shape)
    step.show("window ∘ kernel", window, "∘", W[o], "=", window * W[o] + 0.0)  # no −0
    products = [
        entry("W", W, (o, c, *k)) * seen(c, k) for c in channels for k in places(W.shape[2:])
    ]
    value = total([*products, entry("b", b, (o,))])
    step.work(at("y", (n, o, *p)), value, run.output((n, o, *p)))

    step.backward()
    uses = [
        (entry("∂L/∂y", g, (n, o, *p)), element("x", x, (n, c), reached(module, p, k)))
        for n in range(len(x))
        for p in places(g.shape[2:])
    ]
    inside = total(gy * seen for gy, seen in uses if seen.parts != constant(0).parts)
    step.work(at("∂L/∂W", (o, c, *k)), inside, run.gradient("weight", (o, c, *k)))
    from_outputs = total(
        entry("W", W, (o, c, *k)) * entry("∂L/∂y", g, (n, o, *p))
        for o in range(g.shape[1])
        for p, k in meetings(module, q, g.shape[2:])
    )
    step.work(at("∂L/∂x", (n, c, *q)), from_outputs, run.gradient("input 0", (n, c, *q)))
    return step


def transposed_convolution(run: Run) -> Step:
    """One output, one weight and one input of a transposed convolution; of one group."""
    module: Any = run.module
    W, b = module.weight.data, module.bias.data
    (x,), (g,) = run.inputs, run.upstream
    channels = range(x.shape[1])
    n = o = c = 0
    q = (1,) * module.AXES
    k = p = (0,) * (module.AXES - 1) + (1,)
    step = Step(f"the output {at('y', (n, o, *q))}")
    spread = total(
        entry("W", W, (c, o, *k)) * entry("x", x, (n, c, *p))
        for c in channels
        for p, k in meetings(module, q, x.shape[2:])
    )
    step.show("kernel of each channel", W[:, o])
    step.work(at("y", (n, o, *q)), spread + entry("b", b, (o,)), run.output((n, o, *q)))

    step.backward()
    uses = total(
        entry("x", x, (n, c, *p)) * element("∂L/∂y", g, (n, o), reached(module, p, k))
        for n in range(len(x))
        for p in places(x.shape[2:])
    )
    step.work(at("∂L/∂W", (c, o, *k)), uses, run.gradient("weight", (c, o, *k)))
    window = total(
        entry("W", W, (c, o, *k)) * element("∂L/∂y", g, (n, o), reached(module, p, k))
        for o in range(g.shape[1])
        for k in places(module.kernel_size)
    )
    step.work(at("∂L/∂x", (n, c, *p)), window, run.gradient("input 0", (n, c, *p)))
    return step
