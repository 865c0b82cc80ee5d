"""Which of the numbers that someone's backward gives is the gradient of which array.

One to one, and in this order: by its name (`dW` of `W`, `grads["W"]`, `W.grad` …); where backward
itself updates a weight, by what moved it; by the position of what is returned. Then the shape must
fit. The numbers themselves have no say: a wrong gradient is to be found, too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from .state import Path, survey

GRADIENTS = ("grads", "gradients", "grad", "gradient", "dparams", "d_params", "g", "derivatives")
PARAMETERS = ("params", "parameters", "_params", "data", "value", "theta")
BEFORE = ("d", "grad", "g", "dld", "dl", "dlossd", "djd", "ded", "dcd", "nabla", "gradient")
AFTER = ("grad", "gradient", "g")
SAME = {"weights": "w", "weight": "w", "biases": "b", "bias": "b", "kernels": "kernel"}
INPUTS = ("x", "X", "input", "inputs", "dinputs", "A_prev")


@dataclass(frozen=True)
class Source:
    """Where a gradient of theirs comes from.

    Attributes:
        kind: "returned", "held" (an attribute), or "moved" (a weight that backward updated).
        path: where in what was returned, or in what their code holds.
    """

    kind: str
    path: Path


@dataclass(frozen=True)
class Leaf:
    """An array with a gradient: an input, or one that their code holds at `path`.

    Attributes:
        names: what it is called; for an input, the argument's name first.
    """

    name: str
    shape: tuple[int, ...]
    path: Path | None
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Given:
    """A number or array that their backward gave."""

    source: Source
    shape: tuple[int, ...]


def plain(name: Any) -> str:
    """A name without case and underscores, and by its shortest alias."""
    text = str(name).lower().replace("_", "")
    return SAME.get(text, text)


def is_gradient_of(found: str, name: str) -> bool:
    """Whether `found` is what somebody calls the gradient of `name`."""
    low, stem = found.lower().replace("_", ""), plain(name)
    stems = {stem, str(name).lower().replace("_", "")}
    candidates = {pre + s for pre in BEFORE for s in stems} | {
        s + post for post in AFTER for s in stems
    }
    aliased = any(low.startswith(p) and plain(low[len(p) :]) == stem for p in BEFORE)
    return low in candidates or found == f"B{name}" or (aliased and stem in SAME.values())


def rank(leaf: Path, found: Path, returned: bool) -> int | None:
    """How well a path's name says that it is a leaf's gradient: 0 is best; None: it does not."""
    mine = [key for key in leaf if key not in PARAMETERS]
    theirs: list[Any] = [key for key in found if key not in GRADIENTS]
    if returned:
        while theirs and isinstance(theirs[0], int) and len(theirs) > len(mine):
            theirs = theirs[1:]
    named = len(theirs) < len(found) or returned
    lists = len(mine) < len(leaf) and len(theirs) < len(found)  # params[0] and grads[0]
    if returned and len(theirs) == 1 and len(mine) == 2 and all(isinstance(k, str) for k in mine):
        only = rank(tuple(mine[-1:]), tuple(theirs), True)  # of a dict of all weights
        return None if only is None else 2
    if len(mine) != len(theirs) or not mine:
        return None
    if not lists and not any(isinstance(k, str) for k in theirs):
        return None
    changed = [(m, t) for m, t in zip(mine, theirs, strict=True) if m != t]
    if not changed:
        return 0 if named else None
    if len(changed) > 1:
        return None
    ((mine_key, their_key),) = changed
    if not isinstance(their_key, str) or not isinstance(mine_key, str):
        return None
    if their_key in (f"d{mine_key}", f"grad_{mine_key}", f"{mine_key}_grad", f"d_{mine_key}"):
        return 0
    return 1 if is_gradient_of(their_key, mine_key) else None


def squeezed(shape: Sequence[int]) -> list[int]:
    return [size for size in shape if size != 1]


def fits(found: Sequence[int], leaf: Sequence[int]) -> bool:
    return squeezed(found) == squeezed(leaf)


def could_fit(found: Sequence[int], leaf: Sequence[int]) -> bool:
    """Whether the shape is right or a wrong one of as many numbers."""
    return fits(found, leaf) or (
        int(np.prod(found)) == int(np.prod(leaf)) and len(squeezed(found)) > 1
    )


def arrays_in(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The arrays and numbers in what was returned, each with its path."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from arrays_in(part, (*path, key))
    elif isinstance(value, tuple | list):
        for i, part in enumerate(value):
            yield from arrays_in(part, (*path, i))
    elif isinstance(value, np.ndarray | np.generic | float | torch.Tensor):
        yield path, value


def given_by(returned: Any, root: Any, leaves: Sequence[Leaf]) -> list[Given]:
    """All that a backward gave: what it returned, and what the code holds now."""
    own = {leaf.path for leaf in leaves}
    found = [Given(Source("returned", path), tuple(np.shape(v))) for path, v in arrays_in(returned)]
    held = [Given(Source("held", p.path), np.shape(p.value)) for p in survey(root)]
    return found + [g for g in held if g.source.path not in own]


def match(
    leaves: Sequence[Leaf],
    given: Sequence[Given],
    moved: Sequence[str],
    returned: Any,
    called: Sequence[str] = (),
) -> dict[str, Source]:
    """The source of each leaf's gradient; a leaf that has none is left out.

    Args:
        moved: the names of the leaves that backward itself changed.
        called: what the values that are returned are called where they are.
    """
    matched: dict[str, Source] = {}
    taken: set[Source] = set()

    def take(name: str, source: Source) -> None:
        matched[name] = source
        taken.add(source)

    for wanted in (0, 1, 2):
        for leaf in leaves:
            if leaf.name in matched:
                continue
            rivals = [x for x in leaves if x.name not in matched and x is not leaf]
            sources = [
                g.source
                for g in given
                if g.source not in taken
                and could_fit(g.shape, leaf.shape)
                and rank_of(leaf, g.source) == wanted
                and not (wanted == 2 and any(rank_of(x, g.source) == 2 for x in rivals))
            ]
            first = [s for s in sources if s.kind == "returned"] or sources
            if len(first) == 1:
                take(leaf.name, first[0])
    for leaf in leaves:
        if leaf.name in moved and leaf.name not in matched and leaf.path is not None:
            take(leaf.name, Source("moved", leaf.path))
    for name, source in by_variable(leaves, called, returned):
        if source not in taken and name not in matched:
            take(name, source)
    for name, source in by_position(leaves, matched, returned):
        if source not in taken:
            take(name, source)
    return matched


def rank_of(leaf: Leaf, source: Source) -> int | None:
    paths: list[Path] = [leaf.path] if leaf.path is not None else [(name,) for name in leaf.names]
    if leaf.path is None and any(isinstance(key, int) for key in source.path[1:]):
        return None
    ranks = [rank(path, source.path, source.kind == "returned") for path in paths]
    known = [r for r in ranks if r is not None]
    return min(known) if known else None


def called_in_code(leaf: Leaf) -> tuple[str, ...]:
    return leaf.names if leaf.path is None else (str(leaf.path[-1]),)


def by_variable(
    leaves: Sequence[Leaf], called: Sequence[str], returned: Any
) -> Iterator[tuple[str, Source]]:
    """Gradients told by the variables in `return dx, dw, db`, where all of them are."""
    if not isinstance(returned, tuple) or len(called) != len(returned):
        return
    found = []
    for i, (name, value) in enumerate(zip(called, returned, strict=True)):
        fitting = [
            leaf
            for leaf in leaves
            if any(is_gradient_of(name, own) for own in called_in_code(leaf))
            and could_fit(np.shape(value), leaf.shape)
        ]
        fitting = [leaf for leaf in fitting if leaf.path is None] or fitting
        if len(fitting) != 1:
            return
        found.append((fitting[0].name, Source("returned", (i,))))
    if len({name for name, _ in found}) == len(found):
        yield from found


def by_position(
    leaves: Sequence[Leaf], matched: dict[str, Source], returned: Any
) -> Iterator[tuple[str, Source]]:
    """Gradients told by the place in what was returned: those of the inputs, then the others."""
    inputs = [leaf for leaf in leaves if leaf.path is None]
    others = [leaf for leaf in leaves if leaf.path is not None and leaf.name not in matched]
    if isinstance(returned, dict):
        return
    yield from nested(inputs, others, returned)
    values = list(returned) if isinstance(returned, tuple | list) else [returned]
    if any(isinstance(value, tuple | list | dict) for value in values):
        yield from by_lists(others, values)
        values = [v for v in values if not isinstance(v, tuple | list | dict)]
        if not values:
            return
    shapes = [None if v is None else np.shape(v) for v in values]
    source = [
        Source("returned", (i,) if isinstance(returned, tuple | list) else ())
        for i in range(len(values))
    ]
    for order in ([*inputs, *others], others, inputs[: len(values)]):
        pairs = list(zip(order, shapes, source, strict=False))
        good = [s is None or fits(s, leaf.shape) for leaf, s, _ in pairs]
        more = order is others and len(shapes) <= len(order) + 1  # a state, after the gradients
        if pairs and (more or len(shapes) <= len(order)) and all(good):
            yield from ((leaf.name, src) for leaf, s, src in pairs if s is not None)
            return


def nested(
    inputs: Sequence[Leaf], others: Sequence[Leaf], returned: Any
) -> Iterator[tuple[str, Source]]:
    """Gradients in tuples, as the inputs came: `dx, (dh, dc)`."""
    if not isinstance(returned, tuple | list) or not any(isinstance(v, tuple) for v in returned):
        return
    flat = list(arrays_in(returned))
    for order in ([*inputs, *others], inputs):
        pairs = list(zip(order, flat, strict=False))
        if len(order) == len(flat) and all(fits(np.shape(v), x.shape) for x, (_, v) in pairs):
            yield from ((leaf.name, Source("returned", path)) for leaf, (path, _) in pairs)
            return


def by_lists(leaves: Sequence[Leaf], values: Sequence[Any]) -> Iterator[tuple[str, Source]]:
    """Lists of gradients for lists of arrays, told by the shapes of all that is in them."""
    lists: dict[Path, list[Leaf]] = {}
    for leaf in leaves:
        if leaf.path is not None and isinstance(leaf.path[-1], int):
            lists.setdefault(leaf.path[:-1], []).append(leaf)
    for members in lists.values():
        places = [
            i
            for i, value in enumerate(values)
            if isinstance(value, list | tuple)
            and len(value) == len(members)
            and all(fits(np.shape(v), m.shape) for v, m in zip(value, members, strict=True))
        ]
        if len(places) == 1:
            for k, leaf in enumerate(members):
                yield leaf.name, Source("returned", (places[0], k))
