"""What marks a quantity wherever it stands: its address within the page, and its kind's colour."""

import re
from collections.abc import Callable, Iterable, Iterator

from manual.article.description import Description
from manual.article.formulas import Term
from manual.article.names import Names, shown_of


def anchor_of(name: str) -> str:
    """A quantity's name as an address within a page: `∂E/∂w5` is at #dE-dw5."""
    name = name.replace("/∂", "-d").replace("∂", "d").replace("⁺", "-new").replace("ᵀ", "")
    return re.sub(r"[^\w-]", "", name.replace("′", "-slope-"))


def kind_of(name: str) -> str:
    """What its colour says: given, weight, net, out, error, or slope."""
    if name.startswith(("∂", "(∂", "f′")):
        return "slope"
    letters = re.match(r"[^\d_⁺ᵀ]*", name)
    word = letters.group() if letters else ""
    return {"net": "net", "out": "out", "E": "error", "p": "error"}.get(
        word, "weight" if word.lower() in ("w", "b") else "given"
    )


def given(d: Description) -> Iterator[Term]:
    """The quantities that a network's step starts from: numbers, of one sample; then matrices."""
    names = Names(d)
    if len(d.x) == 1:
        yield from given_numbers(d, shown_of)
    else:
        yield Term("η", "η", ())
    yield Term("i", "x")
    yield Term("t", "t")
    if d.loss == "cross-entropy":
        yield Term("onehot_t", "onehot")
    for layer in range(1, d.layers + 1):
        for kind in ("W", "b"):
            yield Term(names.matrix(kind, layer), f"{kind}{layer}")


def given_numbers(d: Description, of: Callable[[int], Iterable[int]] = range) -> Iterator[Term]:
    """The numbers that the step of one sample starts from.

    Args:
        of: which neurons of a layer of that size.
    """
    names = Names(d)
    yield Term("η", "η", ())
    for i in of(d.sizes[0]):
        yield Term(names.of(0, i), "x", (0, i))
    if d.t.ndim == 2:
        for i in of(d.sizes[-1]):
            yield Term(f"t{i + 1}", "t", (0, i))
    for layer in range(1, d.layers + 1):
        for i in of(d.sizes[layer]):
            for j in of(d.sizes[layer - 1]):
                yield Term(names.weight(layer, i, j), f"W{layer}", (i, j))
            if not d.article or i == 0:  # which has one bias for a layer
                yield Term(names.bias(layer, i), f"b{layer}", (i,))
