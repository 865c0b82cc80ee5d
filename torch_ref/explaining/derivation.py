"""One class: its derivation, its source, its twin, and both on a small example."""

import inspect
import textwrap
from difflib import get_close_matches

import torch

import manual
from manual.article.description import DescriptionError

from .. import models as own
from ..parity.distance import compare
from .example import run_example
from .examples import EXAMPLES
from .steps.text import step_lines
from .terminal import block


def class_text(name: str) -> str:
    """The derivation of a by-hand class, its source, its twin, and a small example.

    Raises:
        DescriptionError: there is no public class of that name.
    """
    cls = getattr(manual, name, None)
    public = sorted(n for n in manual.__all__ if isinstance(getattr(manual, n), type))
    if name not in public or not isinstance(cls, type):
        lower = {n.lower(): n for n in public}
        close = get_close_matches(name.lower(), lower, n=3, cutoff=0.5)
        hint = f"; is it {' or '.join(lower[n] for n in close)}?" if close else ""
        raise DescriptionError(f"there is no class {name}{hint}")
    lines = [name, "=" * len(name), "", inspect.cleandoc(cls.__doc__ or ""), ""]
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
        function = next((vars(c)[method] for c in cls.__mro__ if method in vars(c)), None)
        if not inspect.isfunction(function) or function.__module__ == "manual.module":
            continue
        source, first = inspect.getsourcelines(function)
        file = f"{function.__module__.replace('.', '/')}.py"
        lines += [f"{file}, lines {first} to {first + len(source) - 1}", ""]
        lines += textwrap.dedent("".join(source)).rstrip().splitlines()
        lines.append("")
    return "\n".join([*lines, *twin_lines(cls)])


def twin_lines(cls: type) -> list[str]:
    """The PyTorch class of the same name, and both on a small example."""
    places = (own, torch.nn, torch.optim, torch.optim.lr_scheduler)
    place = next((p for p in places if hasattr(p, cls.__name__)), None)
    if place is None:
        return ["It has no twin in PyTorch."]
    twin = getattr(place, cls.__name__)
    return [
        f"its twin: {twin.__module__.partition('.modules')[0]}.{twin.__name__}",
        *example_lines(cls),
    ]


def example_lines(cls: type) -> list[str]:
    """A class and its twin on a few numbers; no lines for a class without an example."""
    if cls not in EXAMPLES:
        return []
    run = run_example(cls)
    lines = ["", f"An example: {run.module!r}"]
    shown = {"input": run.inputs, "output": run.mine.outputs, "∂L/∂output": run.upstream}
    for name, values in shown.items():
        for value in values:
            rows = block(value)
            lines += [f"{name:12}{row}" if not i else f"{'':12}{row}" for i, row in enumerate(rows)]
    report = compare(run.mine.quantities, run.theirs.quantities, run.mine.allowed)
    return [*lines, "", str(report), *step_lines(run)]
