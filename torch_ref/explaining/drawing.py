"""A network as an SVG drawing: values in the nodes, weights on the edges, gradients as strokes."""

from html import escape

import numpy as np

from manual.article.description import Description
from manual.article.formulas import Values
from manual.article.neuron_by_neuron import NEURONS, Names

RADIUS, ACROSS, DOWN = 34, 260, 120


def drawing(d: Description, values: Values) -> str:
    """The network after one forward and backward pass, of its first sample.

    A weight's gradient has its sign as colour and as dash, its size as the stroke's width.
    """
    names = Names(d)
    counts = [min(size, NEURONS) for size in d.sizes]
    height = max(max(counts) * DOWN, 2 * DOWN) + 40
    width = ACROSS * d.layers + 2 * RADIUS + 40
    largest = max(float(np.abs(values[f"dW{i}"]).max()) for i in range(1, d.layers + 1)) or 1.0

    def at(layer: int, i: int) -> tuple[float, float]:
        top = (height - (counts[layer] - 1) * DOWN) / 2
        return 20 + RADIUS + layer * ACROSS, top + i * DOWN

    edges, nodes = [], []
    for layer in range(1, d.layers + 1):
        for i in range(counts[layer]):
            for j in range(counts[layer - 1]):
                w, g = float(d.weights[layer - 1][i, j]), float(values[f"dW{layer}"][i, j])
                (x1, y1), (x2, y2) = at(layer - 1, j), at(layer, i)
                sign = "minus" if g < 0 else "plus"
                stroke = 1 + 5 * abs(g) / largest
                name = names.weight(layer, i, j)
                tip = f"{name} = {w:.6g}, its gradient {g:.6g}".replace("-", "−")
                edges.append(
                    f'<g><title>{escape(tip)}</title><line class="{sign}" x1="{x1:.0f}" '
                    f'y1="{y1:.0f}" x2="{x2:.0f}" y2="{y2:.0f}" stroke-width="{stroke:.2f}"/></g>'
                )
                if max(counts) <= 2:  # labels of more edges would lie on each other
                    share = 0.3 + 0.04 * (i % 2)
                    x, y = x1 + share * (x2 - x1), y1 + share * (y2 - y1)
                    label = f"{name} {w:.3g}".replace("-", "−")
                    edges.append(
                        f'<text class="weight" x="{x:.0f}" y="{y - 6:.0f}">{escape(label)}</text>'
                    )
    for layer in range(d.layers + 1):
        for i in range(counts[layer]):
            x, y = at(layer, i)
            value = float(values[f"a{layer}"][0, i])
            name = names.neuron("out", layer, i)
            shown = f"{value:.3g}".replace("-", "−")
            nodes.append(
                f'<g><title>{escape(name)} = {shown}</title><circle cx="{x:.0f}" cy="{y:.0f}" '
                f'r="{RADIUS}"/><text x="{x:.0f}" y="{y - 6:.0f}">{escape(name)}</text>'
                f'<text class="value" x="{x:.0f}" y="{y + 13:.0f}">{shown}</text></g>'
            )
        if d.sizes[layer] > counts[layer]:
            x, y = at(layer, counts[layer] - 1)
            more = d.sizes[layer] - counts[layer]
            nodes.append(f'<text x="{x:.0f}" y="{y + 56:.0f}">and {more} more</text>')
    label = (
        f"A network of {' to '.join(map(str, d.sizes))} neurons with their values. Every line is a "
        "weight; its width is the size of its gradient, dashed where that is negative."
    )
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">'
        f"{''.join(edges)}{''.join(nodes)}</svg>"
    )
