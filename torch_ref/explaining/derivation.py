"""One class: its derivation, its source, its twin, and both on a small example."""

import inspect
import sys
import textwrap
from collections.abc import Iterator
from difflib import get_close_matches

import torch

import manual
from manual.article.description import DescriptionError
from manual.names import name_meant

from .. import models as own
from ..parity.distance import compare
from ..training.settings import SCHEDULES
from .example import Run, run_example
from .examples import EXAMPLES
from .over_steps import optimizer_lines, schedule_lines
from .steps.text import step_lines
from .terminal import block, width, wrapped

LARGEST = (16, 8)  # rows and columns of an example's arrays that are shown: all but a few
METHODS = (  # where the mathematics of a class stands
    *("forward", "through_time", "value", "loss", "backward", "back_through_time", "derivative"),
    *("slope", "target_slope", "step", "step_back", "update", "next"),
)


def class_named(name: str) -> type:
    """The public by-hand class of that name.

    Raises:
        DescriptionError: there is none.
    """
    public = sorted(n for n in manual.__all__ if isinstance(getattr(manual, n), type))
    meant = name_meant(name, public)
    if meant is None:
        lower = dict.fromkeys(n.lower() for n in public)
        close = get_close_matches(name.lower(), lower, n=3, cutoff=0.5)
        like = [n for each in close for n in public if n.lower() == each]
        hint = f"; is it {' or '.join(like)}?" if like else ""
        raise DescriptionError(f"there is no class {name}{hint}")
    cls: type = getattr(manual, meant)
    return cls


def derivations_of(cls: type) -> Iterator[tuple[str, str]]:
    """Its docstring, then those of its bases and of their files in which a gradient is derived.

    Returns:
        Where each stands, of its own "", and the text.
    """
    yield "", inspect.cleandoc(cls.__doc__ or "")
    own_rooms = [c for c in cls.__mro__ if c.__module__.startswith("manual.")]
    for base in own_rooms[1:]:
        if "∂L/∂" in (vars(base).get("__doc__") or ""):
            yield base.__name__, inspect.cleandoc(base.__doc__ or "")
    for module in dict.fromkeys(c.__module__ for c in own_rooms):
        text = sys.modules[module].__doc__ or ""
        if "∂L/∂" in text:
            yield f"the head of {module.replace('.', '/')}.py", inspect.cleandoc(text)


def sources_of(cls: type) -> Iterator[tuple[str, str]]:
    """Its methods that are mathematics: where each stands, and its source."""
    for method in METHODS:
        function = next((vars(c)[method] for c in cls.__mro__ if method in vars(c)), None)
        if not inspect.isfunction(function) or function.__module__ == "manual.module":
            continue
        source, first = inspect.getsourcelines(function)
        file = f"{function.__module__.replace('.', '/')}.py"
        code = textwrap.dedent("".join(source)).rstrip()
        yield f"{file}, lines {first} to {first + len(source) - 1}", code


def class_text(name: str) -> str:
    """The derivation of a by-hand class, its source, its twin, a small example and its step.

    Raises:
        DescriptionError: there is no public class of that name.
    """
    cls = class_named(name)
    lines = [cls.__name__, "=" * len(cls.__name__), ""]
    for place, text in derivations_of(cls):
        lines += [*([f"From {place}:", ""] if place else []), text, ""]
    for place, code in sources_of(cls):
        lines += [place, "", code, ""]
    lines.append(twin_line(cls))
    if cls in EXAMPLES:
        run = run_example(cls)
        lines += ["", *example_lines(run), *step_lines(run)]
    elif over_steps(cls):
        lines += ["", *over_steps(cls)]
    return "\n".join(lines)


def over_steps(cls: type) -> list[str]:
    """The example of an optimizer or a schedule; nothing of another class."""
    if issubclass(cls, manual.Optimizer) and cls is not manual.Optimizer:
        return optimizer_lines(cls)
    return schedule_lines(cls) if cls.__name__.lower() in SCHEDULES else []


def twin_line(cls: type) -> str:
    """The PyTorch class of the same name."""
    places = (own, torch.nn, torch.optim, torch.optim.lr_scheduler)
    place = next((p for p in places if hasattr(p, cls.__name__)), None)
    if place is None:
        return "It has no twin in PyTorch."
    twin = getattr(place, cls.__name__)
    return f"its twin: {twin.__module__.partition('.modules')[0]}.{twin.__name__}"


def input_names(run: Run) -> list[str]:
    """What the forward pass calls its inputs; counted through where they are in tuples."""
    names = list(inspect.signature(run.module.forward).parameters)
    if len(run.inputs) > len(names) or inspect.signature(run.module.forward).parameters[
        names[0]
    ].kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
        return [f"input {i}" for i in range(len(run.inputs))]
    return names[: len(run.inputs)]


def example_lines(run: Run) -> list[str]:
    """A module and its twin on a few numbers: what goes in, what comes out, forward and backward;
    and how far the two are apart."""
    lines = wrapped(f"An example: {run.module.one_line()}", 12)
    named = dict(zip(input_names(run), run.inputs, strict=True))
    shown = [*named.items(), *((name, p.data) for name, p in run.module.named_parameters())]
    for side, values in (("output", run.mine.outputs), ("∂L/∂output", run.upstream)):
        numbers = [""] if len(values) == 1 else [f" {i}" for i in range(len(values))]
        shown += [(f"{side}{number}", v) for number, v in zip(numbers, values, strict=True)]
    inputs = {f"input {i}": name for i, name in enumerate(named)}
    for (kind, name), value in run.mine.quantities.items():
        if kind == "gradient":
            shown.append((f"∂L/∂{inputs.get(name, name)}", value))
    wide = max(width(name) for name, _ in shown) + 2
    for name, value in shown:
        pad = " " * (wide - width(name))
        for i, row in enumerate(block(value, *LARGEST)):
            lines.append(f"{' ' * wide if i else name + pad}{row}")
    report = compare(run.mine.quantities, run.theirs.quantities, run.mine.allowed)
    return [*lines, "", *str(report).splitlines()]
