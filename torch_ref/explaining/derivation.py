"""One class: its derivation, its source, its twin, and both on a small example."""

import inspect
import textwrap
from difflib import get_close_matches
from typing import Any

import numpy as np
import torch

import manual
from manual.article.description import DescriptionError

from ..parity.one_pass import one_pass
from .terminal import block


def class_text(name: str) -> str:
    """The derivation of a by-hand class, its source, its twin, and a small example.

    Raises:
        DescriptionError: there is no public class of that name.
    """
    made = getattr(manual, name, None)
    public = sorted(n for n in manual.__all__ if isinstance(getattr(manual, n), type))
    if name not in public or not isinstance(made, type):
        lower = {n.lower(): n for n in public}
        close = get_close_matches(name.lower(), lower, n=3, cutoff=0.5)
        hint = f"; is it {' or '.join(lower[n] for n in close)}?" if close else ""
        raise DescriptionError(f"there is no class {name}{hint}")
    lines = [name, "=" * len(name), "", inspect.cleandoc(made.__doc__ or ""), ""]
    for method in (
        "forward",
        "value",
        "loss",
        "backward",
        "derivative",
        "slope",
        "target_slope",
        "step",
    ):
        function = next((vars(c)[method] for c in made.__mro__ if method in vars(c)), None)
        if function is None or function.__module__ == "manual.module":
            continue
        source, first = inspect.getsourcelines(function)
        file = f"{function.__module__.replace('.', '/')}.py"
        lines += [f"{file}, lines {first} to {first + len(source) - 1}", ""]
        lines += textwrap.dedent("".join(source)).rstrip().splitlines()
        lines.append("")
    return "\n".join([*lines, *twin_lines(made)])


def twin_lines(made: type) -> list[str]:
    """The PyTorch class of the same name, and both on a small example."""
    from .. import models as own

    twin = next((p for p in (own, torch.nn, torch.optim) if hasattr(p, made.__name__)), None)
    if twin is None:
        twin = (
            torch.optim.lr_scheduler if hasattr(torch.optim.lr_scheduler, made.__name__) else None
        )
    if twin is None:
        return ["It has no twin in PyTorch."]
    found = getattr(twin, made.__name__)
    return [
        f"its twin: {found.__module__.partition('.modules')[0]}.{found.__name__}",
        *example_lines(made),
    ]


def example_lines(made: type) -> list[str]:
    """Both sides on three numbers a row, where the class can be made without being told how."""
    from ..parity.distance import compare
    from ..twin import twin_of

    generator = np.random.default_rng(0)
    x = generator.normal(size=(2, 3)).round(1).astype(np.float32)
    t = generator.uniform(0.1, 0.9, size=(2, 3)).round(1).astype(np.float32)
    tries: list[tuple[tuple[Any, ...], tuple[Any, ...]]] = [  # constructor's arguments, inputs
        ((), (x,)),
        ((3, 2), (x,)),
        ((), (x, t)),
        ((), (x, np.array([0, 2]))),
        ((-1,), (x,)),
        ((4, 3), (np.array([0, 2]),)),
        ((3, 3, 2), (x, t)),
        ((), (t, t)),
    ]
    if not issubclass(made, manual.Module):
        return []
    for arguments, inputs in tries:
        try:
            options: dict[str, Any] = {"generator": generator} if arguments else {}
            if made is manual.KLDivLoss:  # its plain mean is not the divergence's
                options = {"reduction": "batchmean"}
            module = made(*arguments, **options)
            module.to(np.float32)
            y = module(*inputs)
        except (TypeError, ValueError, RuntimeError, IndexError, NotImplementedError):
            continue  # it is not made or called so: the next way
        twin = twin_of(module)
        upstream = [np.asarray(generator.normal(size=np.shape(y)).round(1), np.float32)]
        module.forget_passes()
        mine, theirs = one_pass(module, inputs, upstream), one_pass(twin, inputs, upstream)
        report = compare(mine.quantities, theirs.quantities, mine.allowed)
        lines = ["", f"An example: {module!r}"]
        for name, value in (
            *(("input", i) for i in inputs),
            ("output", y),
            ("∂L/∂output", *upstream),
        ):
            lines += [
                f"{name:12}{line}" if not i else f"{'':12}{line}"
                for i, line in enumerate(block(value))
            ]
        return [*lines, "", str(report)]
    return []
