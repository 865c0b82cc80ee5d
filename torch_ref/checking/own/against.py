"""Code in a form that only its study understands, against a reference: with its weights."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ...twin import to_numpy, to_torch
from ..candidates.base import Candidate
from ..layouts import Array as Numbers
from ..layouts import CandidateError, Layout, names_for
from ..reference import every_parameter, is_array, outputs_of, prepared
from .differences import in_double
from .matching import plain
from .readings import readings_of
from .sides import OwnCandidate
from .state import at
from .study import Study, number, study

Turn = Callable[[Any], Any]


def as_it_is(x: Any) -> Any:
    return x


def columns(x: Any) -> Any:
    """A sample a column, where PyTorch has a sample a row; the way back is the same."""
    return x.T if np.ndim(x) == 2 else x


def channels_last(x: Any) -> Any:
    return np.moveaxis(x, 1, -1) if np.ndim(x) == 4 else x


def channels_first(x: Any) -> Any:
    return np.moveaxis(x, -1, 1) if np.ndim(x) == 4 else x


# How their data may lie: the words for it, the way there and the way back.
TURNS: tuple[tuple[str, Turn, Turn], ...] = (
    ("", as_it_is, as_it_is),
    ("a sample a column", columns, columns),
    ("the channels last", channels_last, channels_first),
)


class Studied(OwnCandidate):
    """Their code as its study has found it, with a reference's weights.

    Args:
        shapes: of the reference's parameters.
        turn: how their data lie.
    """

    def __init__(
        self, known: Study, shapes: Mapping[str, tuple[int, ...]], turn: tuple[str, Turn, Turn]
    ) -> None:
        super().__init__(known)
        self.shapes, (_, self.there, self.back) = dict(shapes), turn
        leaves = known.leaves | known.unmatched
        own = {n: leaf for n, leaf in leaves.items() if leaf.path is not None}
        self.silent = [f"input {i}" for i in self.program_inputs() if f"input {i}" not in leaves]
        self.by_name = True  # all of its weights are known by their names
        counts: dict[str, int] = {}
        for name in self.shapes:
            stem = name.rpartition(".")[2]
            called = {plain(n) for n in names_for(name, counts.setdefault(stem, 0))}
            counts[stem] += 1
            fitting = {n: self.lies(name, n, leaf.shape) for n, leaf in own.items()}
            free = {n: layout for n, layout in fitting.items() if layout is not None}
            named = [n for n in free if plain((own[n].path or ("",))[-1]) in called]
            chosen = named or list(free)  # the first of several, in their order
            if not chosen:
                raise CandidateError(
                    f"{self.name} has no array that is {name}, of the shape {shapes[name]}: it "
                    f"holds {', '.join(f'{n} {leaf.shape}' for n, leaf in own.items()) or 'none'}"
                )
            if chosen[0] not in known.sources:
                raise CandidateError(
                    f"{self.name}: no gradient of {chosen[0]} was found, which is {name}"
                )
            self.by_name = self.by_name and len(named) == 1
            self.layouts[name] = free[chosen[0]]
            del own[chosen[0]]

    def program_inputs(self) -> list[int]:
        """Which of the inputs have a gradient."""
        arrays = self.program.handed.arrays
        return [i for i, x in enumerate(arrays) if np.asarray(x).dtype.kind == "f"]

    def lies(self, name: str, own: str, shape: tuple[int, ...]) -> Layout | None:
        """How an array of theirs lies as a parameter of the reference; None if it does not fit."""
        try:
            return self.layout_from_shape(name, own, shape)
        except CandidateError:
            return None

    def load(self, parameters: Mapping[str, Numbers]) -> None:
        own = {n: np.asarray(v) for n, v in self.known.values.items()}
        own |= {self.layouts[n].name: self.layouts[n].to_mine(v) for n, v in parameters.items()}
        super().load({n: v for n, v in own.items() if n in self.known.paths})

    def forward(self, inputs: Sequence[Any]) -> list[Numbers]:
        turned = [np.ascontiguousarray(self.there(x)) if is_array(x) else x for x in inputs]
        return [np.array(self.back(y)) for y in super().forward(turned)]

    def backward(self, upstream: Sequence[Numbers]) -> dict[str, Numbers]:
        own = super().backward([np.ascontiguousarray(self.there(g)) for g in upstream])
        found = {n: np.array(self.back(v)) for n, v in own.items() if n.startswith("input ")}
        for name, layout in self.layouts.items():
            found[name] = self.in_layout(name, own[layout.name])
        return found

    @property
    def parameters(self) -> dict[str, Numbers]:
        return {
            name: self.in_layout(name, number(at(self.root, self.known.paths[layout.name])))
            for name, layout in self.layouts.items()
            if self.known.sources[layout.name].kind != "moved"
        }


def studied(
    mine: Any, reference: Any, inputs: Sequence[Any], lr: float | None
) -> Iterator[Candidate]:
    """Someone's code in each way to understand it, its data as they must lie for its outputs to be
    right.

    Raises:
        CandidateError: it cannot be run, or has not the reference's parameters.
    """
    doubles = in_double([np.asarray(to_numpy(x)) if is_array(x) else x for x in inputs])
    twin = prepared(reference, torch.float64, 0)
    start = {n: to_numpy(p).copy() for n, p in every_parameter(twin).items()}
    with torch.no_grad():
        right = [y.numpy() for y in outputs_of(twin, [to_torch(x) for x in doubles])]
    shapes = {n: v.shape for n, v in start.items()}
    refusal: CandidateError | None = None
    ways: dict[int, list[tuple[bool, Studied]]] = {}
    for turn in TURNS:
        turned = [np.ascontiguousarray(turn[1](x)) if is_array(x) else x for x in doubles]
        for i, program in enumerate(readings_of(mine, turned)):
            try:
                known = study(program, turned, 0.1 if lr is None else lr)
                candidate = Studied(known, shapes, turn)
                candidate.load(start)
                outputs = candidate.forward(doubles)
            except CandidateError as error:
                refusal = refusal or error
                continue
            fits = len(outputs) <= len(right) and all(map(near, outputs, right))
            ways.setdefault(i, []).append((fits, candidate))
    if not ways:
        raise refusal or CandidateError("nothing to check")
    right_ones = [next((c for fits, c in tried if fits), None) for tried in ways.values()]
    sure = [tried[0][1] for tried in ways.values() if tried[0][1].by_name]
    found = [candidate for candidate in right_ones if candidate is not None] or sure
    if not found:
        raise CandidateError("which of its arrays is which weight of the reference is not clear")
    yield from found


def near(y: np.ndarray, right: np.ndarray) -> bool:
    return y.shape == right.shape and np.allclose(y, right, rtol=1e-6, atol=1e-9)
