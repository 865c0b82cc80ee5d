"""Which form someone's code has.

Taken are: an object with `forward` and `backward`, of `manual` or of anyone's; two functions
`forward(x, …) -> y, cache` and `backward(dy, cache) -> gradients`, as courses write them; a
`torch.autograd.Function`; and an `nn.Module`. Parameters are found by their names, or by a map.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..layouts import CandidateError, Layout
from ..reference import is_floating
from .base import Candidate
from .functions import FunctionsCandidate
from .objects import ModuleCandidate, ObjectCandidate
from .torch_code import TorchCandidate


def candidate(
    mine: Any,
    shapes: Mapping[str, tuple[int, ...]],
    inputs: Sequence[Any],
    layouts: Mapping[str, str] | None = None,
    extra: Sequence[Any] = (),
) -> Candidate:
    """Put what was handed in behind the common face.

    Args:
        mine: an object, a pair of functions, a `torch.autograd.Function` or an `nn.Module`.
        shapes: of the reference's parameters, by name.
        inputs: as they will be handed to it.
        layouts: by the reference's name, where a parameter stands in it; see `Layout`.
        extra: further arguments for a course-style forward, after the parameters.
    Raises:
        CandidateError: it is none of these, or lacks something.
    """
    if isinstance(mine, Candidate):
        return mine
    floating = [i for i, x in enumerate(inputs) if is_floating(x)]
    parsed = {name: Layout.parse(text) for name, text in (layouts or {}).items()}
    for name in parsed:
        if name not in shapes:
            known = ", ".join(shapes) or "no parameters"
            raise CandidateError(f"map {name}: the reference has {known}")
    if isinstance(mine, tuple) and len(mine) == 2 and all(map(callable, mine)):
        name = getattr(mine[0], "__name__", "forward")
        rest = (name, shapes, floating)
        return FunctionsCandidate(*mine, *rest, inputs=len(inputs), layouts=parsed, extra=extra)
    if extra:
        raise CandidateError("further arguments (--extra) are for forward and backward functions")
    is_torch = isinstance(mine, torch.nn.Module) or (
        isinstance(mine, type) and issubclass(mine, torch.autograd.Function)
    )
    if is_torch and parsed:
        raise CandidateError("a map is for NumPy code: here the parameters are the reference's")
    if isinstance(mine, type) and issubclass(mine, torch.autograd.Function):
        return TorchCandidate(mine, mine.__name__, shapes, floating)
    name = mine.__name__ if isinstance(mine, type) else type(mine).__name__
    if isinstance(mine, torch.nn.Module):
        return TorchCandidate(mine, name, shapes, floating)
    for method in ("forward", "backward"):
        if isinstance(mine, type) or not callable(getattr(mine, method, None)):
            label = f"the class {name}" if isinstance(mine, type) else name
            raise CandidateError(
                f"{label} cannot be checked: expected an object with forward and backward, a pair "
                "of functions (forward, backward), a torch.autograd.Function or an nn.Module"
            )
    if hasattr(mine, "named_parameters") and not parsed:
        return ModuleCandidate(mine, name, shapes, floating)
    return ObjectCandidate(mine, name, shapes, floating, layouts=parsed)
