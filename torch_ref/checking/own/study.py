"""What someone's code holds and gives, found out by running it on copies."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from ..layouts import CandidateError
from ..reference import is_floating
from .matching import (
    GRADIENTS,
    INPUTS,
    Given,
    Leaf,
    Source,
    could_fit,
    given_by,
    is_gradient_of,
    match,
    rank,
)
from .programs import Program, start_anew
from .state import Path, at, children, is_theirs, survey
from .swapping import copied_modules, same_draws
from .tracing import real_copy, to_theirs
from .words import RATES, is_target

SEARCHED = 1000  # objects


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
        rate: the learning rate of a backward that updates weights; `guessed`, if nobody says it.
        mean: whether its backward is that of the mean of its outputs, which are losses.
        unclaimed: the shapes of what backward gave and nothing was found to be the gradient of.
        divided: the parameters that are divided by the number of samples, by convention.
        unused: arrays whose gradient it gives, though its forward does not use them.
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
    mean: bool = False
    unclaimed: list[tuple[int, ...]] = field(default_factory=list)
    guessed: bool = False
    divided: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)

    @property
    def paths(self) -> dict[str, Path]:
        """Where the leaves that the code holds stand."""
        return {name: leaf.path for name, leaf in self.leaves.items() if leaf.path is not None}


def number(value: Any) -> np.ndarray:
    return np.array(value.detach().numpy() if torch.is_tensor(value) else value)


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
    parts = ["params" if part == "parameters" else part.replace(".", "_") for part in parts]
    return ".".join(f"{part}_" if hasattr(torch.nn.Module, part) else part for part in parts)


def other_inputs(inputs: Sequence[Any]) -> list[Any]:
    """Inputs of the same shapes, near these but nowhere the same."""
    generator = np.random.default_rng(2)
    return [
        0.9 * x + 0.001 * generator.uniform(size=x.shape) if is_floating(x) else x for x in inputs
    ]


def study(program: Program, inputs: Sequence[Any], lr: float) -> Study:
    """Run a program's forward and backward on copies, and find its leaves and their gradients.

    Raises:
        CandidateError: it does not run, or gives no gradient.
    """
    held = held_leaves(program, inputs)
    fed = [
        Leaf(f"input {i}", np.shape(x), None, names(program, i))
        for i, x in enumerate(inputs)
        if is_floating(x)
    ]
    held_rate = rate_of(program.root)
    rate = program.assumed_rate if held_rate is None else held_rate
    with copied_modules(program.spaces, real_copy(program, {}, {})):
        root = fresh(program)
        done = run(program, root, handed(program, inputs))
        generator = np.random.default_rng(1)
        upstream = [drawn(program, y, generator) for y in done.outputs]
        outputs = [number(y) for y in done.outputs]
        start = numbers_of(root)
        returned = program.backward(root, upstream, handed(program, inputs), done, lr)
        rate = program.rate or rate
        now = numbers_of(root)
        moved = [x.name for x in held if x.path and not same(start[x.path], now.get(x.path))]
        given = given_by(returned, root, held)
        arrays_first = sorted(held, key=lambda leaf: leaf.shape == ())
        only = not isinstance(returned, tuple | list | dict)
        if only:  # a loss's gradient is one of what it compares, not of the target
            fed = sorted(fed, key=lambda leaf: is_target(leaf.names[0]))
        called = program.returned_names
        sources = match([*fed, *arrays_first], given, moved, returned, called)
        once = {n: read(root, returned, s, start, rate) for n, s in sources.items()}
        stateful = adds = False
        if not moved:
            again = run(program, root, handed(program, inputs))
            stateful = not all(map(same, outputs, again.outputs))
            returned = program.backward(root, upstream, handed(program, inputs), again, lr)
            adds = any(
                s.kind == "held" and doubled(once[n], read(root, returned, s, start, rate))
                for n, s in sources.items()
            )
    leaves = {leaf.name: leaf for leaf in [*fed, *arrays_first] if leaf.name in sources}
    if not leaves:
        raise CandidateError(
            f"{program.name}: no gradient was found in what backward returned or left behind"
        )
    unmatched = {x.name: x for x in held if x.shape and x.name not in sources}
    values = {n: start[leaf.path] for n, leaf in leaves.items() if leaf.path is not None}
    unfit = named_but_unfit(unmatched.values(), given)
    found = Study(program, leaves, sources, unmatched, unfit, values, stateful, adds, rate)
    found.guessed = bool(moved) and program.rate is None and held_rate is None
    found.unclaimed = [
        g.shape
        for g in given
        if g.source not in sources.values()
        and (g.source.kind == "returned" or not same(start.get(g.source.path), now[g.source.path]))
    ]
    return found


def rate_of(root: Any) -> float | None:
    """The learning rate that code holds, perhaps in an optimizer of its own."""
    rates: set[float] = set()
    queue, seen = [root], {id(root)}
    while queue and len(seen) < SEARCHED:
        one = queue.pop()
        shared = vars(type(one)).items() if is_theirs(one) else ()
        for key, value in [*children(one), *shared]:
            if str(key).lower() in RATES and isinstance(value, float | int):
                rates.add(float(value))
            elif id(value) not in seen and (is_theirs(value) or isinstance(value, dict | list)):
                seen.add(id(value))
                queue.append(value)
    return rates.pop() if len(rates) == 1 else None


def handed(program: Program, inputs: Sequence[Any]) -> list[Any]:
    """Copies of the inputs as a program takes them."""
    return [to_theirs(program, x) for x in inputs]


def held_leaves(program: Program, inputs: Sequence[Any]) -> list[Leaf]:
    """The arrays and numbers that a program holds and that its forward leaves as they are.

    Where it holds no array before its first forward, it makes them there: then what it holds after
    that one is the program's root from now on.
    """
    copy = real_copy(program, {}, {})
    with same_draws(), copied_modules(program.spaces, copy):
        root = copy(program.root)
        before = numbers_of(root)
        program.forward(root, handed(program, inputs))
        after = numbers_of(root)
        if not any(array.ndim for array in before.values()) and any(a.ndim for a in after.values()):
            program.forward(root, handed(program, other_inputs(inputs)))
            before, after = after, numbers_of(root)
            if any(a.ndim and same(a, after.get(p)) for p, a in before.items()):
                start_anew(root)
                program.root = root
    places = survey(program.root)
    bases = {id(place.value.base) for place in places if isinstance(place.value, np.ndarray)}
    there = {
        place.path for place in places if id(place.value) not in bases
    }  # views, not their base
    kept = [p for p, a in before.items() if p in there and same(a, after.get(p))]
    kept = [path for path in kept if not is_a_gradient(path, kept)]
    called = [name_of(path) for path in kept]
    return [
        Leaf(name if clear(name, called) else "_".join(map(str, path)), before[path].shape, path)
        for name, path in zip(called, kept, strict=True)
    ]


def clear(name: str, others: Sequence[str]) -> bool:
    """Whether one array has this name, and none stands inside it."""
    return others.count(name) == 1 and not any(other.startswith(f"{name}.") for other in others)


def is_a_gradient(path: Path, others: Iterable[Path]) -> bool:
    """Whether an array is called the gradient of another one."""
    named = any(rank(other, path, False) is not None for other in others)
    inside = [key for i, key in enumerate(path) if i or key != "g"]  # a gain may be called g
    return named or any(key in GRADIENTS for key in inside)


def named_but_unfit(leaves: Iterable[Leaf], given: Sequence[Given]) -> list[str]:
    """What is called the gradient of an array beside it, and has another number of elements."""
    return [
        f"{last} has the shape {g.shape}, {leaf.name} {leaf.shape}: not judged"
        for leaf in leaves
        for g in given
        for last in g.source.path[-1:]
        if leaf.path is not None
        and isinstance(last, str)
        and g.source.path[:-1] == leaf.path[:-1]
        and is_gradient_of(last, str(leaf.path[-1]))
        and not could_fit(g.shape, leaf.shape)
    ]


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
    known = one is not None and other is not None
    return known and np.array_equal(one, number(other), equal_nan=True)


def doubled(once: Any, twice: Any) -> bool:
    return (
        bool(np.any(once))
        and np.shape(once) == np.shape(twice)
        and np.allclose(twice, 2 * np.asarray(once), rtol=1e-5, atol=0)
    )


def read(root: Any, returned: Any, source: Source, start: Any, rate: float) -> np.ndarray:
    """A gradient from where it is found."""
    if source.kind == "returned":
        return number(at(returned, source.path) if source.path else returned)
    if source.kind == "held":
        return number(at(root, source.path))
    return (start[source.path] - number(at(root, source.path))) / rate
