"""A network as an SVG drawing: values in neurons, weights on edges, gradients as strokes."""

import math
import re
from collections.abc import Sequence
from html import escape

import numpy as np

from manual.article.description import Description
from manual.article.formulas import Values
from manual.article.names import Names, shown_of

from .quantities import anchor_of, kind_of

WIDTH, LINE, ACROSS, GAP = 150, 22, 345, 34  # a neuron's width, a line in it, and the distances
LABELLED = 2  # neurons of a layer, at most, for whose edges there is room for a label


def drawing(d: Description, values: Values) -> str:
    """The network after one forward and backward pass, of its first sample.

    Every quantity of a single sample leads to where it is computed. A weight's gradient has its
    sign as colour and as dash, its size as the stroke's width.
    """
    names = Names(d)
    shown = [shown_of(size) for size in d.sizes]
    boxes = [
        len(rows_of_box(names, d, values, layer, 0)) * LINE + 14 for layer in range(d.layers + 1)
    ]
    step = max(boxes) + GAP
    height = max(len(rows) for rows in shown) * step + (
        30 if max(d.sizes) > len(shown_of(99)) else 0
    )
    width = ACROSS * (d.layers + 1) + 2 * WIDTH + GAP + 20
    largest = max(float(np.abs(values[f"dW{i}"]).max()) for i in range(1, d.layers + 1)) or 1.0

    def middle(layer: int, place: int) -> float:
        return height / 2 + (place - (len(shown[layer]) - 1) / 2) * step

    def left(layer: int) -> float:
        return 10 + layer * ACROSS

    edges, nodes = [], []
    for layer in range(1, d.layers + 1):
        for place, i in enumerate(shown[layer]):
            for place_below, j in enumerate(shown[layer - 1]):
                x1, y1 = left(layer - 1) + WIDTH, middle(layer - 1, place_below)
                x2, y2 = left(layer), middle(layer, place)
                w, g = float(d.weights[layer - 1][i, j]), float(values[f"dW{layer}"][i, j])
                name = names.weight(layer, i, j)
                line = edge((x1, y1, x2, y2), name, w, g, abs(g) / largest)
                if max(d.sizes[layer - 1], d.sizes[layer]) <= LABELLED:
                    below = j > 0 and y1 == y2  # the others' labels stand above their lines
                    line += beside((x1, y1, x2, y2), label(name, w, 3), below)
                edges.append(link(name, line))
    for layer in range(d.layers + 1):
        for place, i in enumerate(shown[layer]):
            rows = rows_of_box(names, d, values, layer, i)
            nodes.append(box(left(layer), middle(layer, place), boxes[layer], rows))
        if len(shown[layer]) < d.sizes[layer]:
            more, x = d.sizes[layer] - len(shown[layer]), left(layer) + WIDTH / 2
            nodes.append(words(x, height - 6, f"{more} more between"))
    middles = [middle(d.layers, place) for place in range(len(shown[-1]))]
    nodes.append(error(d, names, values, left(d.layers) + WIDTH, middles))
    seen = (
        f"A network of {' to '.join(map(str, d.sizes))} neurons with their values. Every line is a "
        "weight; its width is the size of its gradient, dashed where that is negative."
    )
    inside = "".join([*edges, *nodes])
    if len(d.x) > 1:
        inside = unlinked(inside)
    start = f'<svg viewBox="0 0 {width} {height:.0f}" role="group" aria-label="{escape(seen)}">'
    return f"{start}{inside}</svg>"


def rows_of_box(
    names: Names, d: Description, values: Values, layer: int, i: int
) -> list[tuple[str, float]]:
    """What stands in a neuron: names and numbers."""
    if layer == 0:
        return [(names.of(0, i), float(d.x[0, i]))]
    return [
        (names.bias(layer, i), float(d.biases[layer - 1][i])),
        (names.neuron("net", layer, i), float(values[f"z{layer}"][0, i])),
        (names.neuron("out", layer, i), float(values[f"a{layer}"][0, i])),
    ]


def box(x: float, middle: float, height: float, rows: Sequence[tuple[str, float]]) -> str:
    top = middle - height / 2
    rect = f'<rect x="{x:.0f}" y="{top:.1f}" width="{WIDTH}" height="{height:.0f}" rx="10"/>'
    lines = [
        link(
            name,
            f'<text x="{x + WIDTH / 2:.0f}" y="{top + 22 + k * LINE:.1f}">{label(name, v)}</text>',
        )
        for k, (name, v) in enumerate(rows)
    ]
    return rect + "".join(lines)


def edge(ends: tuple[float, ...], name: str, w: float, g: float, share: float) -> str:
    """A weight's line."""
    x1, y1, x2, y2 = ends
    kind = "zero" if g == 0 else "minus" if g < 0 else "plus"
    tip = f"{name} = {w:.6g}, ∂E/∂{name} = {g + 0.0:.6g}".replace("-", "−")
    return (
        f'<title>{escape(tip)}</title><line class="{kind}" x1="{x1:.0f}" y1="{y1:.1f}" '
        f'x2="{x2:.0f}" y2="{y2:.1f}" stroke-width="{1.2 + 5 * share:.2f}"/>'
    )


def beside(ends: tuple[float, ...], text: str, below: bool) -> str:
    """A label along an edge, near its start, above or below it."""
    x1, y1, x2, y2 = ends
    x, y = x1 + 0.3 * (x2 - x1), y1 + 0.3 * (y2 - y1)
    angle = math.degrees(math.atan2(y2 - y1, x2 - x1))
    along = f"translate({x:.1f} {y:.1f}) rotate({angle:.1f})"
    return f'<text transform="{along}" y="{19 if below else -7}">{text}</text>'


def words(x: float, y: float, text: str) -> str:
    """What is said beside the drawing."""
    return f'<text class="soft" x="{x:.0f}" y="{y:.1f}">{escape(text)}</text>'


def error(d: Description, names: Names, values: Values, x: float, middles: Sequence[float]) -> str:
    """The targets beside the outputs, or of classes the shares; and the error that they make.

    Args:
        x: where the outputs end.
        middles: how far down those are that are shown.
    """
    right, parts = x + ACROSS - WIDTH, []
    classes = d.loss == "cross-entropy"
    for i, y in zip(shown_of(d.sizes[-1]), middles, strict=True):
        row = (
            (f"p_o{i + 1}", float(values["p"][0, i]))
            if classes
            else (f"t{i + 1}", float(d.t[0, i]))
        )
        kind = "target true" if classes and i == int(d.t[0]) else "target"
        parts.append(f'<path class="soft" d="M{x:.0f} {y:.1f}H{right:.0f}"/>')
        parts.append(f'<g class="{kind}">{box(right, y, LINE + 14, [row])}</g>')
    x = right + WIDTH / 2
    what = f"the true class is {names.of(d.layers, int(d.t[0]))}" if classes else "targets"
    parts.append(words(x, middles[0] - LINE - 4, what))
    end, y = right + WIDTH, (middles[0] + middles[-1]) / 2
    for middle in middles:
        parts.append(f'<path class="soft" d="M{end:.0f} {middle:.1f}L{end + GAP:.0f} {y:.1f}"/>')
    return "".join(parts) + box(end + GAP, y, LINE + 14, [("E", float(values["L"]))])


def link(name: str, inside: str) -> str:
    """Leads to a quantity, and is marked with it."""
    anchor = anchor_of(name)
    return f'<a href="#{anchor}" data-q="{anchor}" class="{kind_of(name)}">{inside}</a>'


def unlinked(svg: str) -> str:
    """Without the links: of a batch no single quantity is written out."""
    return re.sub(r'<a href="[^"]*" data-q="[^"]*"', "<g", svg).replace("</a>", "</g>")


def label(name: str, value: float, digits: int = 4) -> str:
    """A name with its subscript, and its number."""
    base, _, below = name.partition("_")
    if not below and base.rstrip("0123456789") != base:
        letters = base.rstrip("0123456789")
        base, below = letters, base[len(letters) :]
    number = f"{value + 0.0:.{digits}g}".replace("-", "−")
    sub = f'<tspan class="sub" dy="4">{escape(below)}</tspan><tspan dy="-4"> = </tspan>'
    return f'{escape(base)}{sub if below else " = "}<tspan class="value">{number}</tspan>'
