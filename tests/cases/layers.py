"""Layers: a line for each way in which one is made and what it is given."""

from collections.abc import Iterator
from typing import Any

import numpy as np

import manual

from .case import Case, Recipe, plain, typed
from .draws import normal, numbers

SAMPLES = {"": (5,), "-axes": (2, 5), "-unbatched": (), "-single": (1,), "-empty": (0,)}


def linear(bias: bool) -> Iterator[Case]:
    """Linear and Bilinear over samples of every shape."""
    for suffix, shape in SAMPLES.items():
        name, proves = f"-bias={bias}{suffix}", suffix != "-empty"
        one, two = typed(manual.Linear, 3, 4, bias=bias), typed(manual.Bilinear, 2, 3, 4, bias=bias)
        yield Case(f"Linear{name}", one, normal((*shape, 3)), proves=proves)
        yield Case(f"Bilinear{name}", two, normal((*shape, 2), (*shape, 3)), proves=proves)


def flatten(start: int, end: int) -> Case:
    return Case(f"Flatten-{start}-{end}", plain(manual.Flatten, start, end), normal((2, 3, 4, 5)))


def unflatten(dim: int, sizes: tuple[int, ...], *shape: int) -> Case:
    return Case(f"Unflatten-{dim}", plain(manual.Unflatten, dim, sizes), normal(shape))


def embedding(padding: int | None, *shape: int) -> Case:
    return Case(
        f"Embedding-padding={padding}-{len(shape)}axes",
        typed(manual.Embedding, 5, 3, padding_idx=padding),
        numbers(3, *shape) if shape else lambda g: (np.array(2),),
        smooth=padding is None,  # the padding's row is held fixed, derivative or not
    )


def dropout(made: Any, p: float, *shape: int) -> Case:
    name = f"{made.__name__}-p={p}-{len(shape)}axes"
    return Case(name, Recipe(made, (p,), draws=True), normal(shape))


def evaluating(made: Any) -> Case:
    recipe = Recipe(made, (0.4,), draws=True, training=False)
    return Case(f"{made.__name__}-eval", recipe, normal((5, 3)))


LAYERS = [
    *linear(bias=True),
    *linear(bias=False),
    Case("Linear-square", typed(manual.Linear, 4, 4), normal((5, 4))),
    Case("Linear-wide", typed(manual.Linear, 100, 7), normal((30, 100))),
    Case("Identity", plain(manual.Identity), normal((5, 3))),
    flatten(1, -1),
    flatten(0, -1),
    flatten(1, 2),
    flatten(-2, -1),
    flatten(2, 2),
    unflatten(1, (2, 3), 5, 6),
    unflatten(-1, (2, 2), 3, 4),
    unflatten(0, (2, -1, 1), 4, 3),
    *(
        embedding(padding, *shape)
        for padding in (None, 0, -2)
        for shape in ((6,), (3, 4), (), (2, 3, 2))
    ),
    *(
        dropout(made, p, *shape)
        for p in (0.0, 0.3, 0.5, 0.9)
        for made, *shapes in (
            (manual.Dropout, (5, 3), (30,), (2, 3, 4)),
            (manual.AlphaDropout, (5, 3), (30,)),
            (manual.Dropout1d, (4, 6, 3), (9, 4)),
            (manual.Dropout2d, (4, 6, 3, 2)),
        )
        for shape in shapes
    ),
    Case("Dropout-p=1", Recipe(manual.Dropout, (1.0,), draws=True), normal((5, 3)), proves=False),
    evaluating(manual.Dropout),
    evaluating(manual.AlphaDropout),
]
