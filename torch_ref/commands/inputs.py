"""What --against, --args, --input and --loss name: a reference, its inputs, a loss."""

import argparse
import ast
import difflib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from manual.arrays import float_dtype

from ..checking.candidates.base import call_code
from ..checking.layouts import CandidateError
from ..checking.reference import outputs_of, prepared
from ..models.losses import LOSSES
from ..output import quoted
from ..safe_files import LARGEST, read_array
from ..training.experiments import EXPERIMENTS
from ..twin import to_torch, twin_of

AXES = 32  # of an input: what NumPy's and PyTorch's functions all take


def find(text: str) -> Any:
    """What `FILE.py:NAME`, `FILE.py:NAME,NAME` or `package.module.NAME` names.

    Raises:
        CandidateError: there is no such file, module or name, or importing it fails.
    """
    place, colon, names = text.rpartition(":")
    if not colon and text.endswith(".py"):
        refuse_without_name(Path(text))
    if not colon:
        place, _, names = text.rpartition(".")
    if not place or not names:
        raise CandidateError(
            f"{text!r}: expected FILE.py:NAME or a dotted name like torch.nn.Linear"
        )
    if place.endswith(".py") or "/" in place:
        module = load_file(Path(place))
    else:
        try:
            module = importlib.import_module(place)
        except (ImportError, TypeError, ValueError) as error:
            raise CandidateError(f"{text}: there is no module {place} ({error})") from None
    objects = []
    for name in names.split(","):
        if not hasattr(module, name):
            known = ", ".join(names_of(module))
            hint = f"; it has {known}" if known and len(known) < 400 else ""
            raise CandidateError(f"{text}: there is no {name} in {place}{hint}")
        objects.append(getattr(module, name))
    return objects[0] if len(objects) == 1 else tuple(objects)


def names_of(module: Any) -> list[str]:
    """The functions and classes that a module defines itself."""
    own = vars(module).items()
    return [n for n, v in own if getattr(v, "__module__", "") == module.__name__]


def refuse_without_name(path: Path) -> None:
    """Say what a file has that can be checked; of a bare script, how to make it so."""
    from ..checking.own.scripts import how_to_wrap

    answer = how_to_wrap(path) if path.is_file() else ""
    if answer:
        raise CandidateError(answer)
    known = names_of(load_file(path))
    raise CandidateError(f"{path}: which of it? {', '.join(f'{path}:{name}' for name in known)}")


def load_file(path: Path) -> Any:
    """A Python file as a module."""
    if not path.is_file():
        names = sorted(one.name for one in path.parent.glob("*.py"))
        near = difflib.get_close_matches(path.name, names, 5, 0) if names else []
        hint = f"; beside it: {', '.join(str(path.with_name(name)) for name in near)}"
        hint = hint if near else ""
        raise CandidateError(f"{path}: there is no such file{hint}")
    name = f"checked_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise CandidateError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent.resolve()))  # it may import its neighbours
    try:
        call_code(f"importing {path}", spec.loader.exec_module, module)
    finally:
        sys.path.pop(0)
    return module


def constructor_arguments(words: Sequence[str]) -> tuple[list[Any], dict[str, Any]]:
    """`3 4 bias=False` -> [3, 4], {"bias": False}; `3,4:normal` is an array; else it is text."""
    positional, named = [], {}
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name.isidentifier():
            named[name] = literal(value)
        else:
            positional.append(literal(word))
    return positional, named


def literal(text: str) -> Any:
    if text.endswith((":normal", ":uniform")):
        return draw_input(text, np.random.default_rng(len(text)), np.float64)
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def construct(value: Any, words: Sequence[str]) -> Any:
    """An object of a class, called with these arguments; anything else stays."""
    if not isinstance(value, type) or issubclass(value, torch.autograd.Function):
        if words and not isinstance(value, type):
            raise CandidateError(
                f"{getattr(value, '__name__', value)} is no class: it takes no --args"
            )
        return value
    positional, named = constructor_arguments(words)
    return call_code(value.__name__, lambda: value(*positional, **named))


def draw_input(spec: str, generator: np.random.Generator, dtype: Any) -> np.ndarray:
    """One input: `5,3` normal, `5,3:uniform` from 0 to 1, `5:int<4` below 4, or a .npy file.

    Raises:
        CandidateError: it is none of these.
    """
    if spec.endswith(".npy"):
        array = read_array(Path(spec), spec)
        return array if dtype is None or array.dtype.kind != "f" else array.astype(dtype)
    dtype = np.float64 if dtype is None else dtype
    shape_text, _, kind = spec.partition(":")
    if (axes := len(list(filter(None, shape_text.split(","))))) > AXES:
        raise CandidateError(f"--input {quoted(spec)}: {axes} axes, at most {AXES}")
    try:
        shape = tuple(int(size) for size in shape_text.split(",") if size) if shape_text else ()
        if any(size < 0 for size in shape) or np.prod(shape, dtype=float) > LARGEST:
            raise ValueError
        if kind.startswith("int<"):
            return np.asarray(generator.integers(0, int(kind[4:]), size=shape))
    except ValueError:
        raise CandidateError(
            f"--input {spec}: expected sizes, as in 5,3 or 5,3:uniform or '5:int<4', or a .npy "
            "file; with a name in front, x=5,3, or several in brackets, '(5,4 5,4)'"
        ) from None
    if kind in ("", "normal"):
        return np.asarray(generator.normal(size=shape), dtype)
    if kind == "uniform":
        return np.asarray(generator.uniform(0.05, 0.95, size=shape), dtype)
    raise CandidateError(f"--input {spec}: expected normal, uniform or int<N after the colon")


def draw_target(
    name: str, outputs: Sequence[int], generator: np.random.Generator, dtype: Any
) -> Any:
    """A target for a loss, drawn at random: classes, or numbers of the output's shape."""
    if name == "cross-entropy":
        shape = (outputs[0], *outputs[2:])
        return np.asarray(generator.integers(0, outputs[1], size=shape))
    return np.asarray(generator.normal(size=tuple(outputs)), dtype)


def reference_of(arguments: argparse.Namespace) -> Any:
    """The reference that was named, its weights drawn from the seed."""
    name = arguments.against if "against" in arguments else arguments.reference
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(arguments.seed)
        reference = construct(find(name), arguments.args)
    if not callable(reference):
        kind = type(reference).__name__
        raise CandidateError(f"{name} is a {kind}, expected a module or function")
    if isinstance(reference, torch.nn.Module):
        reference.to(to_torch(float_dtype(arguments.dtype or "float64")))
    return reference


def inputs_of(arguments: argparse.Namespace) -> list[Any]:
    """An array for each --input, a tuple of arrays for one in brackets.

    Raises:
        CandidateError: there is none, or one is not what can be drawn or read.
    """
    if not arguments.input:
        raise CandidateError("--input: expected at least one, as in --input 5,3")
    positional, named = handed_in(arguments)
    return [*positional, *named.values()]


def handed_in(arguments: argparse.Namespace) -> tuple[list[Any], dict[str, Any]]:
    """The inputs in their order, and those that have a name, as in `--input x=5,3`."""
    generator = np.random.default_rng(arguments.seed)
    dtype = None if arguments.dtype is None else float_dtype(arguments.dtype)
    positional, named = [], {}
    for spec in arguments.input:
        name, equals, rest = spec.partition("=")
        called = bool(equals) and name.isidentifier()
        text = rest if called else spec
        if text.startswith("(") and text.endswith(")"):
            value: Any = tuple(draw_input(one, generator, dtype) for one in text[1:-1].split())
        else:
            value = draw_input(text, generator, dtype)
        if called:
            named[name] = value
        else:
            positional.append(value)
    return positional, named


def the_loss(
    name: str | None, reference: Any, inputs: Sequence[Any], seed: int
) -> tuple[Callable[[torch.Tensor], torch.Tensor] | None, np.ndarray | None]:
    """A loss of the reference's output with a target drawn for it."""
    if name is None:
        return None, None
    with torch.no_grad():
        y = outputs_of(reference, [to_torch(x) for x in inputs])[0]
    if name == "cross-entropy" and (y.dim() < 2 or not y.shape[1]):
        raise CandidateError(f"--loss {name}: expected an output of (samples, classes)")
    generator = np.random.default_rng(seed + 1)
    target = draw_target(name, y.shape, generator, y.detach().numpy().dtype)
    return (lambda y: LOSSES[name](y, to_torch(target))), target


@dataclass(frozen=True)
class Posed:
    """A reference with what it is run on."""

    reference: Any
    inputs: list[np.ndarray]
    loss: str | None
    target: np.ndarray | None
    lr: float


def experiment(name: str) -> Posed | None:
    """An experiment's network on its first batch; None if there is no experiment of that name."""
    if name not in EXPERIMENTS:
        return None
    settings = EXPERIMENTS[name].defaults.resolve()
    problem = EXPERIMENTS[name].build(settings)
    x, t = next(problem.data.batches(settings.batch_size, problem.generator))
    loss = {type(one).__name__: key for key, one in LOSSES.items()}[type(problem.loss).__name__]
    return Posed(twin_of(problem.network), [x], loss, t, settings.lr)


def problem_of(arguments: argparse.Namespace) -> Posed:
    """What is to be bundled: an experiment, or a reference with the inputs and the loss named."""
    posed = experiment(arguments.reference)
    if posed is None:
        reference = reference_of(arguments)
        reference = prepared(
            reference, to_torch(float_dtype(arguments.dtype or "float64")), arguments.seed
        )
        inputs = inputs_of(arguments)
        target = the_loss(arguments.loss, reference, inputs, arguments.seed)[1]
        posed = Posed(reference, inputs, arguments.loss, target, 0.1)
    return posed if arguments.lr is None else replace(posed, lr=arguments.lr)
