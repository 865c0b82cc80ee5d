"""Both sides of a check of code against itself: its forward pass traced, and the code as it is."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import numpy as np
import torch

from ..candidates.base import Candidate
from ..layouts import Array as Numbers
from ..layouts import CandidateError
from .programs import Program, start_anew
from .state import at, put
from .study import Study, fresh, number, read, run
from .swapping import generator_copy
from .tracing import Leaves, trace


class OwnForward(torch.nn.Module):
    """Someone's own forward pass as a PyTorch module: its leaves are the parameters."""

    def __init__(self, program: Program, paths: Leaves, values: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self.program, self.paths = program, dict(paths)
        for name, value in values.items():
            *rooms, last = name.split(".")
            place: torch.nn.Module = self
            for room in rooms:
                if not hasattr(place, room):
                    place.add_module(room, torch.nn.Module())
                place = getattr(place, room)
            place.register_parameter(last, torch.nn.Parameter(value.detach().clone()))
        self.__name__ = program.name

    def __deepcopy__(self, memo: Any) -> "OwnForward":
        copied = OwnForward(self.program, self.paths, dict(self.named_parameters()))
        for name, parameter in self.named_parameters():
            copied.get_parameter(name).requires_grad_(parameter.requires_grad)
        return copied

    def __call__(self, *inputs: Any) -> Any:
        """Forward, noted by the lines of their code, not as one module's place."""
        return self.forward(*inputs)

    def forward(self, *inputs: Any) -> Any:
        values = {name: attrgetter(name)(self) for name in self.paths}
        outputs = trace(self.program, self.paths, values, inputs)
        return outputs[0] if len(outputs) == 1 else tuple(outputs)


class OwnCandidate(Candidate):
    """Someone's code, its gradients read from where the study found them."""

    def __init__(self, known: Study) -> None:
        paths = known.paths
        floating = [int(n.split()[1]) for n, leaf in known.leaves.items() if leaf.path is None]
        shapes = {name: known.leaves[name].shape for name in paths}
        super().__init__(known.program.name, shapes, floating)
        self.known, self.program, self.adds = known, known.program, known.adds
        self.root = fresh(known.program)
        self.inputs: list[Any] = []
        self.start: dict[str, Numbers] = {}
        self.moves = any(source.kind == "moved" for source in known.sources.values())

    @property
    def partial(self) -> bool:
        """Only what was found is judged."""
        return True

    @partial.setter
    def partial(self, value: bool) -> None:
        """Whether it is a loss makes no difference."""

    @property
    def takes_upstream(self) -> bool:
        return self.program.takes_upstream

    def load(self, parameters: Mapping[str, Numbers]) -> None:
        self.start = {name: np.copy(value) for name, value in parameters.items()}
        if self.known.stateful:
            self.root = fresh(self.program)
        for name, value in parameters.items():
            there = at(self.root, self.known.paths[name])
            new = torch.from_numpy(np.copy(value)) if torch.is_tensor(there) else value
            put(self.root, self.known.paths[name], new)

    def restore(self, parameters: Mapping[str, Numbers]) -> None:
        """Nothing: all runs are on a copy."""

    def zero_grad(self) -> None:
        start_anew(self.root)
        if self.known.adds:
            for source in self.known.sources.values():
                if source.kind == "held":
                    there = at(self.root, source.path)
                    put(self.root, source.path, there * 0)

    def forward(self, inputs: Sequence[Any]) -> list[Numbers]:
        if self.known.stateful:
            self.root = fresh(self.program)
        if self.known.stateful or self.moves:
            OwnCandidate.load(self, self.start)
        self.handed = list(inputs)
        self.inputs = [
            torch.from_numpy(x) if self.program.tensors and isinstance(x, np.ndarray) else x
            for x in inputs
        ]
        reset_generators(self.root, self.program.root)
        self.done = run(self.program, self.root, self.inputs)
        return [number(y) for y in self.done.outputs]

    def backward(self, upstream: Sequence[Numbers]) -> dict[str, Numbers]:
        given = [torch.from_numpy(g) if self.program.tensors else g for g in upstream]
        start = {p: number(at(self.root, p)) for p in self.known.paths.values()}
        returned = self.program.backward(self.root, given, self.inputs, self.done, self.known.rate)
        gradients = {}
        for name, source in self.known.sources.items():
            try:
                value = read(self.root, returned, source, start, self.known.rate)
            except (AttributeError, KeyError, IndexError, TypeError):
                raise CandidateError(f"{self.name}: backward gives no gradient of {name}") from None
            wanted = self.shape_of(name)
            if [s for s in value.shape if s != 1] == [s for s in wanted if s != 1]:
                value = value.reshape(wanted)
            samples = self.done.outputs[0].shape[-1] if name in self.known.divided else 1
            gradients[name] = value * samples
        return gradients

    def shape_of(self, name: str) -> tuple[int, ...]:
        if name.startswith("input "):
            return np.shape(self.handed[int(name.split()[1])])
        return self.known.leaves[name].shape

    @property
    def parameters(self) -> dict[str, Numbers]:
        return {
            name: number(at(self.root, path))
            for name, path in self.known.paths.items()
            if self.known.sources[name].kind != "moved"
        }


def reset_generators(root: Any, pristine: Any) -> None:
    """Have the random generators that an object holds draw again what its first forward drew."""
    for name, value in vars(pristine).items() if hasattr(pristine, "__dict__") else ():
        if isinstance(value, np.random.Generator | np.random.RandomState):
            object.__setattr__(root, name, generator_copy(value))
