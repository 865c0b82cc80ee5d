"""The reference that a check compares with, run by PyTorch itself."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from .layouts import CandidateError
from .parity import Quantities
from .twin import DTYPES, to_torch

Array = np.ndarray


DROPOUTS = ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d")


def parameters_of(reference: Any) -> dict[str, torch.Tensor]:
    """Those that have a gradient, by name."""
    if not isinstance(reference, torch.nn.Module):
        return {}
    return {n: p for n, p in reference.named_parameters() if p.requires_grad}


def every_parameter(reference: Any) -> dict[str, torch.Tensor]:
    """Also those that are held fixed."""
    return dict(reference.named_parameters()) if isinstance(reference, torch.nn.Module) else {}


def prepared(reference: Any, dtype: Any, seed: int) -> Any:
    """A copy in this dtype. Parameters that are all equal, such as ones, are drawn at random:
    a factor of one that is left out would not show."""
    if not isinstance(reference, torch.nn.Module):
        return reference
    reference = copy.deepcopy(reference).to(dtype)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in parameters_of(reference).values():
            if parameter.numel() > 1 and bool((parameter == parameter.reshape(-1)[0]).all()):
                noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
                parameter += noise.to(dtype) / 2
    return reference


def autograd(
    reference: Any, inputs: Sequence[Any], upstream: Callable[[list[torch.Tensor]], list[Any]]
) -> tuple[Quantities, list[torch.Tensor]]:
    """Outputs and gradients by PyTorch itself, and the upstream gradients that were used."""
    reference = copy.deepcopy(reference) if isinstance(reference, torch.nn.Module) else reference
    tensors = [to_torch(x) for x in inputs]
    floating = {i: t for i, t in enumerate(tensors) if torch.is_tensor(t) and t.is_floating_point()}
    for tensor in floating.values():
        tensor.requires_grad_()
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        outputs = list(outputs_of(reference, tensors))
    given = [to_torch(g) for g in upstream(outputs)]
    used = [(y, g) for y, g in zip(outputs, given, strict=True) if y.requires_grad]
    if not used:
        raise CandidateError("the reference has no gradient: its output depends on no input")
    torch.autograd.backward([y for y, _ in used], [g for _, g in used])
    found: Quantities = {("output", str(i)): y for i, y in enumerate(outputs)}
    leaves = {f"input {i}": t for i, t in floating.items()} | parameters_of(reference)
    for name, leaf in leaves.items():
        grad = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
        found["gradient", name] = grad
    return found, given


def outputs_of(reference: Any, tensors: Sequence[Any]) -> tuple[torch.Tensor, ...]:
    """Run a reference: its outputs, those in nested tuples, as LSTM's (y, (h, c)), one by one.

    Raises:
        CandidateError: it does not take these inputs, or returns something else.
    """
    name = getattr(reference, "__name__", type(reference).__name__)
    try:
        returned = reference(*tensors)
    except NotImplementedError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise CandidateError(f"{name} does not take these inputs ({reason})") from error
    outputs = flat(returned)
    for y in outputs:
        if not torch.is_tensor(y):
            raise CandidateError(f"{name} returned a {type(y).__name__}, expected tensors")
        if y.dtype not in DTYPES.values():
            raise CandidateError(
                f"{name} returned {y.dtype}: only float32 and float64 are compared"
            )
    return outputs


def random_like(outputs: Sequence[torch.Tensor], seed: int) -> list[torch.Tensor]:
    """Random, non-uniform upstream gradients: all ones would hide mistakes."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(y.shape, generator=generator, dtype=torch.float64).to(y) for y in outputs]


def gradients_of_loss(
    loss: Callable[[torch.Tensor], torch.Tensor], outputs: Sequence[torch.Tensor]
) -> list[torch.Tensor]:
    """∂loss/∂output for the first output, which the loss is of; zero for the others."""
    leaf = outputs[0].detach().requires_grad_()
    (grad,) = torch.autograd.grad(loss(leaf), leaf)
    return [grad, *(torch.zeros_like(y) for y in outputs[1:])]


def flat(returned: Any) -> tuple[Any, ...]:
    """What nested tuples hold."""
    if isinstance(returned, tuple | list):
        return tuple(one for part in returned for one in flat(part))
    return (returned,)


def masked(reference: Any, inputs: Sequence[Any], outputs: Sequence[Array]) -> Any:
    """Dropout with the mask that someone's own forward has just drawn."""
    drawing = drawing_of(reference)
    if not drawing:
        return reference
    if type(reference).__name__ not in DROPOUTS:
        raise CandidateError(
            f"{type(drawing[0]).__name__} draws its own random numbers: check with p=0 or in eval "
            "mode, and dropout by itself"
        )
    p = float(getattr(reference, "p", 0))
    x, y, kept = inputs[0], outputs[0], 1 / (1 - p) if p < 1 else 0.0
    mask = torch.from_numpy(np.where(np.abs(y) > np.abs(x) * kept / 2, kept, 0.0).astype(x.dtype))

    def dropout(x: torch.Tensor) -> torch.Tensor:
        return x * mask

    return dropout


def drawing_of(reference: Any) -> list[torch.nn.Module]:
    """The parts of a reference that draw random numbers of their own."""
    parts = reference.modules() if isinstance(reference, torch.nn.Module) else ()
    return [
        part
        for part in parts
        if part.training and "Dropout" in type(part).__name__ and float(getattr(part, "p", 0)) > 0
    ]


def is_array(x: Any) -> bool:
    return isinstance(x, np.ndarray | torch.Tensor)


def load_reference(reference: Any, weights: Mapping[str, Array]) -> None:
    with torch.no_grad():
        for name, parameter in parameters_of(reference).items():
            parameter.copy_(to_torch(weights[name]))
