"""The reference that a check compares with, run by PyTorch itself."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..parity.one_pass import Passed, Upstream, flat, one_pass
from ..parity.tolerance import Allowed, Moves, shadow_distance
from ..safe_files import one_line
from ..twin import DTYPES, to_numpy, to_torch
from .layouts import Array, CandidateError

DROPOUTS = ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d")


def parameters_of(reference: Any) -> dict[str, torch.Tensor]:
    """A reference's parameters that have a gradient, by name."""
    if not isinstance(reference, torch.nn.Module):
        return {}
    return {n: p for n, p in reference.named_parameters() if p.requires_grad}


def every_parameter(reference: Any) -> dict[str, torch.Tensor]:
    """All parameters of a reference by name, those that are held fixed too."""
    return dict(reference.named_parameters()) if isinstance(reference, torch.nn.Module) else {}


def prepared(reference: Any, dtype: Any, seed: int) -> Any:
    """A copy of a reference in this dtype, with parameters that show a factor left out.

    Those that are one number everywhere, such as ones, are moved at random.
    """
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
    reference: Any, inputs: Sequence[Any], upstream: Upstream, inside: bool = False
) -> Passed:
    """One pass of a copy of the reference; a gradient of what has no part in the output is zero.

    Raises:
        CandidateError: it does not take these inputs, or has no gradient.
    """
    reference = copy.deepcopy(reference) if isinstance(reference, torch.nn.Module) else reference

    def made(outputs: Sequence[Any]) -> Sequence[Any]:
        if not any(y.requires_grad for y in outputs):
            raise CandidateError("the reference has no gradient: its output depends on no input")
        return upstream(outputs) if callable(upstream) else upstream

    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        passed = one_pass(reference, inputs, made, inside)
    leaves = {f"input {i}": to_torch(x) for i, x in enumerate(inputs) if is_floating(x)}
    for name, leaf in (leaves | parameters_of(reference)).items():
        if passed.gradients.get(name) is None:
            passed.gradients[name] = torch.zeros_like(leaf)
    return passed


def outputs_of(reference: Any, tensors: Sequence[Any]) -> list[torch.Tensor]:
    """Run a reference: its outputs, those in nested tuples, as LSTM's (y, (h, c)), one by one.

    Raises:
        CandidateError: it does not take these inputs, or returns something else.
    """
    name = getattr(reference, "__name__", type(reference).__name__)
    try:
        returned = reference(*tensors)
    except Exception as error:
        reason = one_line(f"{type(error).__name__}: {error}")
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


def masked(
    reference: Any,
    inputs: Sequence[Any],
    outputs: Sequence[Array],
    upstream: Array | None = None,
    gradient: Array | None = None,
) -> Any:
    """The reference; of dropout, with the mask that someone's own forward has just drawn.

    Args:
        upstream, gradient: tell the mask where the input is zero, and the output does not.
    """
    drawing = drawing_of(reference)
    if not drawing:
        return reference
    if type(reference).__name__ not in DROPOUTS:
        raise CandidateError(
            f"{type(drawing[0]).__name__} draws its own random numbers: check with p=0 or in eval "
            "mode, and dropout by itself"
        )
    p = float(getattr(reference, "p", 0))
    x, y, scale = inputs[0], outputs[0], 1 / (1 - p) if p < 1 else 0.0
    kept = np.abs(y) > np.abs(x) * scale / 2
    if upstream is not None and gradient is not None and gradient.shape == x.shape:
        kept = np.where(x == 0, np.abs(gradient) > np.abs(upstream) * scale / 2, kept)
    mask = torch.from_numpy(np.where(kept, scale, 0.0).astype(x.dtype))

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


def is_floating(x: Any) -> bool:
    return is_array(x) and to_numpy(x).dtype.kind == "f"


def is_array(x: Any) -> bool:
    return isinstance(x, np.ndarray | torch.Tensor)


def load_reference(reference: Any, weights: Mapping[str, Array]) -> None:
    with torch.no_grad():
        for name, parameter in parameters_of(reference).items():
            parameter.copy_(to_torch(weights[name]))


@dataclass(frozen=True)
class Descended:
    """One step of plain gradient descent of a reference.

    Attributes:
        passed: the pass that it was taken from.
        weights: after it, by name.
        explained: how far rounding alone may have taken each from where it would be, in eps.
    """

    passed: Passed
    weights: dict[str, Array]
    explained: dict[str, float]


def descent(
    reference: Any,
    inputs: Sequence[Any],
    upstream: Upstream,
    lr: float,
    steps: int,
    allowed: Allowed,
) -> Iterator[Descended]:
    """w ← w − η ∂L/∂w on the same batch, step by step; afterwards it has its own weights again.

    Args:
        allowed: of each gradient, see tolerance.py: the shadows are moved by as much.
    """
    start = {name: to_numpy(p).copy() for name, p in parameters_of(reference).items()}
    runs = [(None, start), (Moves(1), start), (Moves(-1), start)]
    explained = dict.fromkeys(start, 0.0)
    for _ in range(steps):
        passes = []
        for i, (moves, weights) in enumerate(runs):
            load_reference(reference, weights)
            passes.append(autograd(reference, inputs, upstream))
            after = {}
            for name, w in weights.items():
                gradient = to_numpy(passes[-1].gradients[name])
                if moves is not None:
                    gradient = moves(gradient, allowed("gradient", name))
                after[name] = w - w.dtype.type(lr) * gradient
            runs[i] = moves, after
        (_, unmoved), *shadows = runs
        for name, w in unmoved.items():
            apart = sum(shadow_distance(weights[name], w) for _, weights in shadows)
            explained[name] = max(explained[name], apart)
        yield Descended(passes[0], unmoved, dict(explained))
    load_reference(reference, start)
