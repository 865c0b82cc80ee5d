"""What a forward pass is handed, whatever its form: arrays in a row, and how to put them back."""

import ast
import inspect
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..layouts import CandidateError
from ..reference import is_array
from .words import PREDICTED, RATES, SWITCHES, is_cache, is_target


@dataclass(frozen=True)
class Place:
    """Stands in a skeleton for the array of this number."""

    index: int


class Handed:
    """The arguments of a forward pass, and what its backward is handed beside them.

    Args:
        positional, named: arrays, numbers, texts, and dicts, tuples and lists of them.

    Attributes:
        arrays: the arrays in them, one after the other; `names` says what each is called.
        skeletons: the forward pass's arguments in their order, a `Place` for every array.
        more: what is for the backward pass alone, such as a target.
    """

    def __init__(self, positional: Sequence[Any], named: Mapping[str, Any] | None = None) -> None:
        self.positional, self.named = list(positional), dict(named or {})
        self.arrays: list[Any] = []
        self.names: list[str] = []
        self.skeletons: list[Any] = []
        self.more: dict[str, Any] = {}

    @property
    def is_plain(self) -> bool:
        """Whether the arguments are the arrays themselves."""
        return self.skeletons == [Place(i) for i in range(len(self.arrays))] and not self.more

    @property
    def legend(self) -> str:
        """What is called otherwise than by its number: what stands in a dict or a tuple."""
        inside = any(isinstance(part, dict | tuple | list) for part in self.skeletons)
        if not inside and not self.more:
            return ""
        return ", ".join(f"input {i} is {name}" for i, name in enumerate(self.names))

    def bound(self, forward: Any, backward: Any = None) -> "Handed":
        """These, in the order of a function's arguments; named ones of no argument fill a dict.

        Args:
            backward: a function whose further arguments what is left over is for.
        Raises:
            CandidateError: an argument is missing, or one too many.
        """
        result = Handed(self.positional, self.named)
        parameters = _positional(forward)
        known = [p.name for p in parameters]
        named, left = dict(self.named), list(self.positional)
        filled = {n: named.pop(n) for n in known if n in named}
        beyond = [n for n in _names(backward) if n.lower() not in [k.lower() for k in known]]
        more = {name: named.pop(name) for name in beyond if name in named}
        open_ = [p for p in parameters if p.name not in filled]
        needed = [p.name for p in open_ if p.default is p.empty]
        if named and len(needed) > len(left):
            filled[needed[-1]] = {name: named.pop(name) for name in list(named)}
        for parameter in open_:
            if left and parameter.name not in filled:
                filled[parameter.name] = left.pop(0)
        again: list[str] = []  # what forward's own arguments are called in backward
        if takes_what_forward_does(backward, beyond) and len(beyond) == len(self.positional):
            again = beyond[: len(self.positional) - len(left)]
        further = left if _takes_more(forward) else []
        left = left if further is not left else []
        for name in beyond:
            if left and name not in [*more, *again] and _may_be_handed(name):
                more[name] = left.pop(0)
        if named or left:
            extra = [*named, *(["one more"] if left else [])]
            raise CandidateError(
                f"handed {', '.join(extra)} too many: {_name(forward)} takes {', '.join(known)}"
            )
        for parameter in parameters:
            bare = parameter.default is parameter.empty and parameter.name not in SWITCHES
            if bare and parameter.name not in filled:
                raise CandidateError(missing(forward, known, parameter.name))
        last = max((i for i, p in enumerate(parameters) if p.name in filled), default=-1)
        for parameter in parameters[: last + 1]:
            value = filled.get(parameter.name, parameter.default)
            result.skeletons.append(result._taken_apart(parameter.name, value))
        result.skeletons += [result._taken_apart("input", value) for value in further]
        result.more = {name: result._taken_apart(name, value) for name, value in more.items()}
        result.more |= dict(zip(again, result.skeletons, strict=False))
        return result

    def _taken_apart(self, name: str, value: Any) -> Any:
        if is_array(value):
            self.arrays.append(value)
            self.names.append(name)
            return Place(len(self.arrays) - 1)
        if isinstance(value, dict):
            return {key: self._taken_apart(str(key), part) for key, part in value.items()}
        if isinstance(value, list | tuple) and any(_holds_array(part) for part in value):
            parts = [self._taken_apart(f"{name}[{i}]", part) for i, part in enumerate(value)]
            return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
        return value


def built(skeleton: Any, arrays: Sequence[Any]) -> Any:
    """What a skeleton stands for, with these arrays in it."""
    if isinstance(skeleton, Place):
        return arrays[skeleton.index]
    if isinstance(skeleton, dict):
        return {key: built(part, arrays) for key, part in skeleton.items()}
    if isinstance(skeleton, list | tuple):
        parts = [built(part, arrays) for part in skeleton]
        return type(skeleton)(*parts) if hasattr(skeleton, "_fields") else type(skeleton)(parts)
    return skeleton


def _holds_array(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_array, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_array, value))
    return is_array(value)


def _positional(function: Any) -> list[inspect.Parameter]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        known = inspect.signature(function).parameters.values() if function else []
    except (TypeError, ValueError):
        return []
    return [p for p in known if p.kind in kinds]


def _takes_more(function: Any) -> bool:
    """Whether a function takes as many arguments as there are."""
    try:
        known = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return True
    return any(p.kind is p.VAR_POSITIONAL for p in known)


def _name(function: Any) -> str:
    return str(getattr(function, "__qualname__", "forward"))


def missing(function: Any, known: Sequence[str], name: str) -> str:
    """What to type for an argument that is missing."""
    keys = keys_read(function, name)
    if keys:
        how = f"{name} is a dict of {', '.join(keys)}: add "
        how += " ".join(f"--input {key}=SIZES" for key in keys)
    else:
        how = f"no {name} was handed in: add --input {name}=SIZES, as in {name}=5,3, or for what "
        how += f"is no array --args {name}=VALUE"
    return f"{_name(function)} takes {', '.join(known)}; {how}"


def keys_read(function: Any, name: str) -> list[str]:
    """The keys with which a function reads an argument that is a dict."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (TypeError, OSError, SyntaxError):
        return []
    keys = [
        (node.lineno, node.col_offset, node.slice.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id == name
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, str)
    ]
    return list(dict.fromkeys(key for _, _, key in sorted(keys)))


def _names(function: Any) -> list[str]:
    """The arguments of a backward that somebody may hand in."""
    return [p.name for p in _positional(function)]


def takes_what_forward_does(backward: Any, beyond: Sequence[str]) -> bool:
    """Whether a backward such as `backprop(x, y)` runs forward itself, from input and target."""
    names = _names(backward)
    return (
        bool(names)
        and names == list(beyond)
        and all(map(_may_be_handed, names))
        and not is_target(names[0])
        and any(map(is_target, names[1:]))
        and not any(name.lower() in PREDICTED for name in names)
    )


def _may_be_handed(name: str) -> bool:
    return not is_cache(name) and name not in RATES
