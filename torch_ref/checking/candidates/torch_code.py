"""Someone's code in PyTorch: a `torch.autograd.Function`, or an `nn.Module`."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from manual.arrays import as_tuple

from ...twin import to_torch
from ..layouts import CandidateError
from .base import Array, Candidate, as_array, call_code


class TorchCandidate(Candidate):
    """A `torch.autograd.Function`, which takes the parameters after the inputs; or an nn.Module."""

    def __init__(self, code: Any, *rest: Any) -> None:
        super().__init__(*rest)
        self.code = code
        self.is_module = isinstance(code, torch.nn.Module)
        self.leaves: dict[str, torch.Tensor] = {}

    @property
    def runs_back_again(self) -> bool:
        return True

    def restore(self, parameters: Mapping[str, Array]) -> None:
        """Nothing: a module is called with the reference's parameters, its own are not touched."""

    def load(self, parameters: Mapping[str, Array]) -> None:
        self.leaves = {name: to_torch(value).requires_grad_() for name, value in parameters.items()}

    def forward(self, inputs: Sequence[Any]) -> list[Array]:
        self.tensors = [
            x.clone() if torch.is_tensor(x) else torch.from_numpy(x) if isinstance(x, Array) else x
            for x in inputs
        ]
        for i in self.floating:
            self.tensors[i].requires_grad_()
        if self.is_module:
            arguments: tuple[Any, ...] = (self.code, self.leaves, tuple(self.tensors))
            returned = call_code(f"{self.name}.forward", torch.func.functional_call, *arguments)
        else:
            arguments = (*self.tensors, *self.leaves.values())
            returned = call_code(f"{self.name}.forward", self.code.apply, *arguments)
        self.outputs = as_tuple(returned)
        return self.read_outputs(returned)

    def backward(self, upstream: Sequence[Array]) -> dict[str, Array]:
        leaves = {f"input {i}": self.tensors[i] for i in self.floating} | self.leaves
        for leaf in leaves.values():
            leaf.grad = None
        pairs = [
            (out, to_torch(g))
            for out, g in zip(self.outputs, upstream, strict=True)
            if out.requires_grad
        ]
        if not pairs:
            raise CandidateError(f"{self.name}: its output has no gradient")
        outputs, grads = zip(*pairs, strict=True)
        arguments = outputs, grads, True  # the graph is kept, for a second backward
        call_code(f"{self.name}.backward", torch.autograd.backward, *arguments)
        gradients = {}
        for name, leaf in leaves.items():
            if leaf.grad is not None:
                gradients[name] = as_array(name, leaf.grad)
            elif not (self.partial and name != "input 0"):
                raise CandidateError(f"{self.name}: the gradient of {name} is None")
        return gradients

    @property
    def parameters(self) -> dict[str, Array]:
        return {name: as_array(name, leaf) for name, leaf in self.leaves.items()}
