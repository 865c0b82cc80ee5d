"""From words on a command line to classes, inputs and losses; one clear line where that fails."""

import ast
import importlib
import importlib.util
import json
import sys
import tokenize
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .candidates import called
from .layouts import CandidateError
from .models import HalfSquaredError

LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "half-squared": HalfSquaredError(),
    "mse": torch.nn.MSELoss(),
    "cross-entropy": torch.nn.CrossEntropyLoss(),
}
# What NumPy raises for a header that is damaged or made up.
DAMAGED = (
    OSError,
    ValueError,
    EOFError,
    SyntaxError,
    TypeError,
    OverflowError,
    MemoryError,
    tokenize.TokenError,
)
JSON_LIMIT = 2**22  # bytes
LARGEST = 2**27  # elements of one array: a gigabyte in float64


def find(text: str) -> Any:
    """What `FILE.py:NAME`, `FILE.py:NAME,NAME` or `package.module.NAME` names.

    Raises:
        CandidateError: there is no such file, module or name, or importing it fails.
    """
    place, colon, names = text.rpartition(":")
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
    found = []
    for name in names.split(","):
        if not hasattr(module, name):
            own = [
                n
                for n, v in vars(module).items()
                if getattr(v, "__module__", "") == module.__name__
            ]
            known = ", ".join(own)
            hint = f"; it has {known}" if known and len(known) < 200 else ""
            raise CandidateError(f"{text}: there is no {name} in {place}{hint}")
        found.append(getattr(module, name))
    return found[0] if len(found) == 1 else tuple(found)


def load_file(path: Path) -> Any:
    """A Python file as a module."""
    if not path.is_file():
        raise CandidateError(f"{path}: there is no such file")
    name = f"checked_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise CandidateError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent.resolve()))  # it may import its neighbours
    try:
        called(f"importing {path}", spec.loader.exec_module, module)
    finally:
        sys.path.pop(0)
    return module


def arguments(words: Sequence[str]) -> tuple[list[Any], dict[str, Any]]:
    """`3 4 bias=False` -> [3, 4], {"bias": False}; what is no Python literal is text."""
    positional, named = [], {}
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name.isidentifier():
            named[name] = literal(value)
        else:
            positional.append(literal(word))
    return positional, named


def literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def made(what: Any, words: Sequence[str]) -> Any:
    """A class is called with these arguments; anything else stays."""
    if not isinstance(what, type) or issubclass(what, torch.autograd.Function):
        if words and not isinstance(what, type):
            raise CandidateError(
                f"{getattr(what, '__name__', what)} is no class: it takes no --args"
            )
        return what
    positional, named = arguments(words)
    return called(what.__name__, lambda: what(*positional, **named))


def drawn(spec: str, generator: np.random.Generator, dtype: Any) -> np.ndarray:
    """One input: `5,3` normal, `5,3:uniform` from 0 to 1, `5:int<4` below 4, or a .npy file.

    Raises:
        CandidateError: it is none of these.
    """
    if spec.endswith(".npy"):
        return read_array(Path(spec), spec)
    shape_text, _, kind = spec.partition(":")
    try:
        shape = tuple(int(size) for size in shape_text.split(",") if size) if shape_text else ()
        if any(size < 0 for size in shape) or np.prod(shape, dtype=float) > LARGEST:
            raise ValueError
        if kind.startswith("int<"):
            return np.asarray(generator.integers(0, int(kind[4:]), size=shape))
    except ValueError:
        raise CandidateError(
            f"--input {spec}: expected sizes, as in 5,3 or 5,3:uniform or 5:int<4, or a .npy file"
        ) from None
    if kind in ("", "normal"):
        return np.asarray(generator.normal(size=shape), dtype)
    if kind == "uniform":
        return np.asarray(generator.uniform(0.05, 0.95, size=shape), dtype)
    raise CandidateError(f"--input {spec}: expected normal, uniform or int<N after the colon")


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        CandidateError: there is none, or it is too large or damaged.
    """
    try:
        if path.stat().st_size > JSON_LIMIT:
            raise CandidateError(f"{path}: larger than {JSON_LIMIT:,} bytes")
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CandidateError(f"{path}: there is no such file") from None
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise CandidateError(f"{path}: not readable as JSON ({reason})") from None


def read_array(path: Path, name: str) -> np.ndarray:
    """A .npy file of plain numbers. Nothing is unpickled, and nothing allocated before it fits.

    Raises:
        CandidateError: there is none, it is damaged, too large, or holds something else.
    """
    if path.exists() and not path.is_file():
        raise CandidateError(f"{name}: not a regular file")
    try:
        held = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise CandidateError(f"{name}: there is no such file") from None
    except DAMAGED as error:
        if path.is_file() and path.stat().st_size == 0:
            raise CandidateError(f"{name}: the file is empty") from None
        empty = _empty_array(path)
        if empty is not None:
            return empty
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CandidateError(f"{name}: not a readable .npy array ({reason})") from None
    if not isinstance(held, np.ndarray):
        raise CandidateError(f"{name}: expected one .npy array")
    if held.dtype.kind not in "fiub" or held.dtype.itemsize > 8:
        raise CandidateError(f"{name}: an array of {held.dtype}, expected plain numbers")
    if held.size > LARGEST:
        raise CandidateError(f"{name}: {held.size:,} elements, at most {LARGEST:,} are taken")
    return np.array(held, held.dtype.newbyteorder("="))


def _empty_array(path: Path) -> np.ndarray | None:
    """An array without elements, which cannot be mapped into memory."""
    try:
        held = np.load(path, allow_pickle=False) if path.stat().st_size < 4096 else None
    except DAMAGED:
        return None
    return held if isinstance(held, np.ndarray) and held.size == 0 else None


def loss_on(name: str, outputs: Sequence[int], generator: np.random.Generator, dtype: Any) -> Any:
    """A target for this loss, drawn at random: classes, or numbers of the output's shape."""
    if name == "cross-entropy":
        shape = (outputs[0], *outputs[2:])
        return np.asarray(generator.integers(0, outputs[1], size=shape))
    return np.asarray(generator.normal(size=tuple(outputs)), dtype)
