"""What someone's code holds and gives, found out by running it on copies."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from ..layouts import CandidateError
from ..reference import is_array, is_floating
from .matching import (
    GRADIENTS,
    INPUTS,
    Leaf,
    Source,
    could_fit,
    given_by,
    is_gradient_of,
    match,
    rank,
)
from .programs import RATES, Program
from .state import Path, at, survey
from .swapping import copied_modules, same_draws
from .tracing import real_copy, to_theirs


@dataclass
class Study:
    """What is known of a program after a few runs.

    Attributes:
        leaves: the inputs and the arrays it holds whose gradients it gives, by name.
        sources: where each of those gradients is found.
        unmatched: arrays it holds of which no gradient was found.
        unfit: what is named like a gradient but has another number of elements.
        values: the leaves' numbers, of those that it holds.
        stateful: whether a forward pass depends on the one before.
        adds: whether each backward adds to what the one before left.
        rate: the learning rate of a backward that updates weights.
    """

    program: Program
    leaves: dict[str, Leaf]
    sources: dict[str, Source]
    unmatched: dict[str, Leaf]
    unfit: list[str]
    values: dict[str, np.ndarray]
    stateful: bool
    adds: bool
    rate: float
    notes: list[str] = field(default_factory=list)

    @property
    def paths(self) -> dict[str, Path]:
        """Where the leaves that the code holds stand."""
        return {name: leaf.path for name, leaf in self.leaves.items() if leaf.path is not None}


def number(value: Any) -> np.ndarray:
    return np.array(value.detach() if torch.is_tensor(value) else value)


def fresh(program: Program) -> Any:
    """A copy of what a program holds."""
    return real_copy(program, {}, {})(program.root)


def numbers_of(root: Any) -> dict[Path, np.ndarray]:
    return {place.path: number(place.value) for place in survey(root)}


def name_of(path: Path) -> str:
    """A path as a name; PyTorch has `data` and `value` of something for the thing itself."""
    parts = [str(key) for key in path]
    if len(parts) > 1 and parts[-1] in ("data", "value", "val", "v"):
        parts = parts[:-1]
    return ".".join(part.replace(".", "_") for part in parts)


def other_inputs(inputs: Sequence[Any]) -> list[Any]:
    return [x * x.dtype.type(0.9) if is_array(x) and x.dtype.kind == "f" else x for x in inputs]


def study(program: Program, inputs: Sequence[Any], lr: float) -> Study:
    """Run a program's forward and backward on copies, and find its leaves and their gradients.

    Raises:
        CandidateError: it does not run.
    """
    def handed(values: Sequence[Any]) -> list[Any]:
        return [to_theirs(program, x) for x in values]

    with same_draws(), copied_modules(program.spaces, real_copy(program, {}, {})):
        root = fresh(program)
        before = numbers_of(root)
        first = program.forward(root, handed(inputs))
        after = numbers_of(root)
        if not any(array.ndim for array in before.values()):  # made at the first forward, if any
            program.forward(root, handed(other_inputs(inputs)))
            again = numbers_of(root)
            made = [p for p in after if p not in before and same(after[p], again.get(p))]
            if made:
                before |= {p: after[p] for p in made}
                program.root = root
        kept = [p for p in before if same(before[p], after.get(p))]
    places = {p.path: p for p in survey(program.root)}
    held = [Leaf(name_of(p), before[p].shape, p) for p in kept if p in places]
    held = [leaf for leaf in held if not is_a_gradient(leaf, held)]
    wanted = [Leaf(f"input {i}", np.shape(x), None, names(program, i)) for i, x in enumerate(inputs) if is_floating(x)]
    rate = next((getattr(program.root, n) for n in RATES if hasattr(program.root, n)), lr)
    rate = float(rate) if isinstance(rate, float | int) else lr
    with copied_modules(program.spaces, real_copy(program, {}, {})):
        root = fresh(program)
        done = run(program, root, handed(inputs))
        generator = np.random.default_rng(1)
        upstream = [drawn(program, y, generator) for y in done.outputs]
        start = numbers_of(root)
        returned = program.backward(root, upstream, handed(inputs), done, lr)
        now = numbers_of(root)
        moved = [x.name for x in held if x.path is not None and not same(start.get(x.path), now.get(x.path))]
        given = given_by(returned, root, [x for x in held if x.name not in moved or True])
        usable = [x for x in held if not isinstance(places[x.path].value, float) or x.path is None]
        floats = [x for x in held if x not in usable]
        sources = match([*wanted, *usable, *floats], given, moved, returned)
        gradient = {n: read(root, returned, s, start, rate) for n, s in sources.items()}
        program_outputs = [number(y) for y in first.outputs]
        second = run(program, root, handed(inputs)) if not moved else first
        stateful = not moved and not all(
            same(a, number(b)) for a, b in zip([number(y) for y in done.outputs], second.outputs, strict=True)
        )
        adds = False
        if not moved:
            returned = program.backward(root, upstream, handed(inputs), second, lr)
            adds = any(
                s.kind == "held" and doubled(gradient[n], read(root, returned, s, start, rate))
                for n, s in sources.items()
            )
    del program_outputs
    leaves = {x.name: x for x in [*wanted, *usable, *floats] if x.name in sources}
    unmatched = {x.name: x for x in usable if x.name not in sources}
    unfit = [
        f"{g.source.path[-1]} has the shape {g.shape}, {x.name} {x.shape}: not judged"
        for x in unmatched.values()
        for g in given
        if g.source.path
        and isinstance(g.source.path[-1], str)
        and x.path is not None
        and g.source.path[:-1] == x.path[:-1]
        and is_gradient_of(g.source.path[-1], str(x.path[-1]))
        and not could_fit(g.shape, x.shape)
    ]
    values = {n: np.asarray(before[x.path]) for n, x in leaves.items() if x.path is not None}
    if not leaves:
        raise CandidateError(
            f"{program.name}: no gradient was found in what backward returned or left behind"
        )
    return Study(program, leaves, sources, unmatched, unfit, values, stateful, adds, rate)


def is_a_gradient(leaf: Leaf, others: Sequence[Leaf]) -> bool:
    """Whether an array is called the gradient of another one."""
    assert leaf.path is not None
    return any(key in GRADIENTS for key in leaf.path) or any(
        other.path is not None and rank(other.path, leaf.path, False) is not None
        for other in others
    )


def run(program: Program, root: Any, inputs: Sequence[Any]) -> Any:
    """A forward pass with random numbers from a fixed start."""
    with same_draws():
        return program.forward(root, inputs)


def drawn(program: Program, y: Any, generator: np.random.Generator) -> Any:
    g = np.asarray(generator.normal(size=np.shape(y)), number(y).dtype)
    if not program.takes_upstream:
        g = np.ones_like(g)
    return torch.from_numpy(g) if program.tensors else g


def names(program: Program, position: int) -> tuple[str, ...]:
    """What an input may be called."""
    own = tuple(program.arguments[position : position + 1])
    return (*own, *INPUTS) if position == 0 else own


def same(one: Any, other: Any) -> bool:
    return other is not None and np.array_equal(one, number(other), equal_nan=True)


def doubled(once: Any, twice: Any) -> bool:
    return bool(np.any(once)) and np.shape(once) == np.shape(twice) and np.allclose(
        twice, 2 * np.asarray(once), rtol=1e-5, atol=0
    )


def read(root: Any, returned: Any, source: Source, start: Any, rate: float) -> np.ndarray:
    """A gradient from where it is found."""
    if source.kind == "returned":
        return number(at(returned, source.path) if source.path else returned)
    if source.kind == "held":
        return number(at(root, source.path))
    return (start[source.path] - number(at(root, source.path))) / rate
