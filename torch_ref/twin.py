"""A by-hand module or optimizer -> its PyTorch twin, holding the same numbers.

A by-hand class has the name, the constructor arguments and the parameter names of its twin, so a
twin is made by calling the class of that name with the same arguments and loading the same state.
"""

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, overload

import numpy as np
import torch

from manual import Module, ModuleDict, ModuleList, Optimizer, Sequential
from manual.containers import Container

from . import models

DTYPES = {np.dtype(np.float32): torch.float32, np.dtype(np.float64): torch.float64}


def to_torch(value: Any) -> Any:
    """Arrays become tensors with their own memory, dtypes become PyTorch's; all else stays.

    So they do in dicts, lists and tuples: `to_torch(network.state_dict())`, and an optimizer's, is
    what the twin's `load_state_dict` takes.
    """
    if isinstance(value, Mapping | list | tuple):
        return converted(to_torch, value)
    if isinstance(value, np.dtype):
        if value not in DTYPES:
            raise TypeError(f"dtype is {value}, expected float32 or float64, as PyTorch has them")
        return DTYPES[value]
    if isinstance(value, np.ndarray | np.generic):
        return torch.from_numpy(np.array(value))
    return value


def to_numpy(value: Any) -> Any:
    """Tensors become arrays, which share their memory, in dicts, lists and tuples too.

    So `to_numpy(twin.state_dict())`, and an optimizer's, is what `load_state_dict` by hand takes.
    """
    if isinstance(value, Mapping | list | tuple):
        return converted(to_numpy, value)
    return value.detach().numpy() if isinstance(value, torch.Tensor) else value


def converted(one: Callable[[Any], Any], values: Any) -> Any:
    """A dict, list or tuple of what `one` makes of each value."""
    if isinstance(values, Mapping):
        return {name: one(value) for name, value in values.items()}
    return type(values)([one(value) for value in values])


@overload
def twin_of(original: Module) -> torch.nn.Module: ...


@overload
def twin_of(
    original: Optimizer, parameters: Iterable[torch.nn.Parameter]
) -> torch.optim.Optimizer: ...


def twin_of(original: Any, parameters: Any = None) -> Any:
    """The PyTorch twin of a by-hand module or optimizer, holding the same numbers.

    Args:
        original: a module of `manual`, or an optimizer.
        parameters: for an optimizer, the twins of its parameters, in the same order.
    Raises:
        NotImplementedError: PyTorch has no class of that name.
    """
    if isinstance(original, Optimizer):
        return _twin_optimizer(original, list(parameters))
    return _twin_module(original, {})


def _twin_module(module: Module, made_already: dict[Module, torch.nn.Module]) -> torch.nn.Module:
    if module in made_already:  # used in several places: so is its twin
        return made_already[module]
    if isinstance(module, Container):
        kind = next(k for k in (Sequential, ModuleList, ModuleDict) if isinstance(module, k))
        twin: torch.nn.Module = getattr(torch.nn, kind.__name__)()
        for name, part in module._modules.items():
            twin.add_module(name, _twin_module(part, made_already))
    else:
        twin_class = getattr(module, "twin_class", None)  # a module of one's own can name its twin
        twin_class = twin_class or _torch_class(type(module).__name__, models, torch.nn)
        arguments = {
            name: _twin_module(value, made_already)
            if isinstance(value, Module)
            else to_torch(value)
            for name, value in module.arguments().items()
        }
        if hasattr(module, "generator"):  # its twin draws the same numbers from a copy
            arguments["generator"] = copy.deepcopy(module.generator)
        twin = twin_class(**arguments)
    twin.load_state_dict(to_torch(module.state_dict()))
    for (_, mine), theirs in zip(module.named_parameters(), twin.parameters(), strict=True):
        theirs.requires_grad_(mine.requires_grad)
    made_already[module] = twin
    return twin.train(module.training)


def _twin_optimizer(
    optimizer: Optimizer, parameters: list[torch.nn.Parameter]
) -> torch.optim.Optimizer:
    left = iter(parameters)
    groups = [{"params": [next(left) for _ in group["params"]]} for group in optimizer.param_groups]
    twin_class = _torch_class(type(optimizer).__name__, torch.optim)
    accepted = inspect.signature(type(optimizer)).parameters
    twin = twin_class(groups, **{k: v for k, v in optimizer.defaults.items() if k in accepted})
    twin.load_state_dict(to_torch(optimizer.state_dict()))
    return twin


@contextmanager
def all_in(dtype: np.dtype) -> Iterator[None]:
    """Within this block PyTorch's optimizers compute in this dtype throughout.

    By themselves they do not: NAdam's product of momenta and ASGD's η and μ are tensors of the
    default dtype, float32, also where the weights are float64; and Muon iterates in bfloat16.
    """
    default, bfloat16 = torch.get_default_dtype(), torch.Tensor.bfloat16
    torch.set_default_dtype(DTYPES[dtype])
    torch.Tensor.bfloat16 = torch.Tensor.clone  # type: ignore[method-assign]
    try:
        yield
    finally:
        torch.set_default_dtype(default)
        torch.Tensor.bfloat16 = bfloat16  # type: ignore[method-assign]


def _torch_class(name: str, *places: Any) -> Any:
    for place in places:
        if hasattr(place, name):
            return getattr(place, name)
    raise NotImplementedError(
        f"{name} has no twin in {' or '.join(p.__name__ for p in places)}; "
        "a class of one's own names one: twin_class = MyTorchModule"
    )
