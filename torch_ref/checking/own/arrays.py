"""The array that stands in for NumPy's while a forward pass is traced: a tensor inside.

It is PyTorch's own (`torch._numpy`), with three things mended. A write into it gives a new tensor,
so that nothing that autograd has saved changes, and views see it; writes that fill an array element
by element become one stack. What would drop the gradient without a word, `float(x)`, `x.item()`,
keeps it. And a sigmoid, a softmax or a relu written out is noted as what it is.
"""

import operator
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch._numpy import _dtypes, _dtypes_impl, _ndarray, _ufuncs, _util

from . import idioms

Key = Any
Tensor = torch.Tensor
Plain = _ndarray.ndarray


cuts: list[str] = []  # the lines of this forward at which traced numbers became text


stands_in: list[Callable[[Any], Any]] = []  # from NumPy's own function to ours; names.py puts it


class UntraceableError(NotImplementedError):
    """What a forward pass does cannot be followed; the message says what."""


class Array(Plain):
    """An array whose writes are seen by its views, and never change what was read before.

    Attributes:
        mark: how it came about, where that may be part of a function written out.
    """

    __hash__ = object.__hash__
    __array_priority__ = 1000.0

    def __init__(
        self, tensor: Tensor | None = None, base: "Array | None" = None, key: Key = None
    ) -> None:
        self._held = torch.zeros(0) if tensor is None else tensor
        self._pending: list[tuple[Key, Any]] = []
        self._form: tuple[int, ...] = ()  # the axes that have a number in all pending writes
        self._places: dict[tuple[int, ...], Any] = {}
        self._writes, self._base, self._key = 0, base, key
        self._seen: Any = base.stamp if base is not None else None
        self.mark: idioms.Mark | None = None

    @property
    def stamp(self) -> tuple[Any, ...]:
        """Changes whenever what it holds does."""
        return (self._writes, self._base.stamp if self._base is not None else None)

    @property
    def tensor(self) -> Tensor:
        if self._base is not None and self._seen != self._base.stamp:
            self._held = self._base.read(self._key)
            self._seen = self._base.stamp
        if self._pending:
            pending, self._pending = self._pending, []
            stacked = stack_of(self._held, self._form, self._places)
            self._held = written(self._held, pending) if stacked is None else stacked
        return self._held

    @tensor.setter
    def tensor(self, value: Tensor) -> None:
        self.assign(value)

    # Asking for its shape is no reading: what is written stays pending.
    shape = property(lambda self: tuple(self._held.shape))
    size = property(lambda self: self._held.numel())
    ndim = property(lambda self: self._held.ndim)
    dtype = property(lambda self: _dtypes.dtype(self._held.dtype))

    def __len__(self) -> int:
        return len(self._held)

    def read(self, key: Key) -> Tensor:
        part: Tensor = Plain(self.tensor)[key].tensor
        return part

    def assign(self, value: Tensor) -> "Array":
        """Hold another tensor, as `x[...] = value` does."""
        held = self.tensor
        self._held = value.to(held.dtype).expand(held.shape)
        self._note(...)
        return self

    def _note(self, key: Key) -> None:
        self._writes += 1
        self.mark = None
        if self._base is not None:
            self._base[self._key] = Array(self.tensor)
            self._seen = self._base.stamp

    def __setitem__(self, key: Key, value: Any) -> None:
        key = numbers_in(key)
        if isinstance(value, Array):
            value = value.tensor
        elif not _dtypes_impl.is_scalar(value):
            value = _ndarray.asarray(value).tensor
        tensor = self._held if self._base is None else self.tensor
        if torch.is_tensor(value):
            value = value.to(tensor.dtype)
        place = place_of(key, tensor.shape)
        if not self._pending:
            self._form, self._places = (place or ((),))[0], {}
        if place is not None and place[0] == self._form:
            self._places[place[1]] = value
        else:
            self._form = ()
        self._pending.append((_util.ndarrays_to_tensors(key), value))
        self._note(key)

    def __getitem__(self, key: Key) -> "Array":
        key = numbers_in(key)
        if self._pending and is_basic(key):
            known = self.unread(key)
            if known is not None:
                return Array(known, self, key)
        tensor = self.read(key)
        return self.carried(Array(tensor, self, key) if is_basic(key) else Array(tensor))

    def unread(self, key: Key) -> Tensor | None:
        """What stands at a key, where all writes since the last reading were to whole places.

        Those are of one form: the same axes have a number, the others are taken whole.
        """
        place = place_of(key, self._held.shape)
        if place is None or self._form != place[0]:
            return None
        value = self._places.get(place[1])
        if value is None:
            return self._held[key]
        value = value if torch.is_tensor(value) else torch.tensor(value, dtype=self._held.dtype)
        return value.expand(self._held[key].shape)

    def carried(self, moved: "Array") -> "Array":
        """The same numbers in another shape: how they came about is carried over."""
        if self.mark is not None and self.mark.kind in idioms.REDUCTIONS:
            moved.mark = self.mark if moved.size == self.size else None
        return moved

    def __iter__(self) -> Iterator["Array"]:
        return (self[i] for i in range(len(self)))

    @property
    def flat(self) -> "Array":
        return Array(self.tensor.reshape(-1))

    def __float__(self) -> float:
        raise UntraceableError("float() of it where a number is needed")

    def item(self, *args: Any) -> Any:
        if not self.tensor.is_floating_point():
            return self.tensor.item() if not args else super().item(*args)
        return Array(self.tensor.reshape(()) if not args else super().item(*args).tensor)

    def tolist(self) -> Any:
        if not self.tensor.is_floating_point():
            return self.tensor.tolist()
        return Array(self.tensor) if not self.ndim else [part.tolist() for part in self]

    def __round__(self, digits: int = 0) -> "Array":
        return Array(torch.round(self.tensor, decimals=digits))

    def __format__(self, spec: str) -> str:
        note_cut()
        return format(self.tensor.detach().tolist(), "" if self.ndim else spec)

    def __str__(self) -> str:
        note_cut()
        return str(self.tensor.detach().tolist())

    __repr__ = __str__

    def __copy__(self) -> "Array":
        return Array(self.tensor)

    def __deepcopy__(self, memo: Any) -> "Array":
        return Array(self.tensor)

    def astype(self, dtype: Any, *_: Any, **__: Any) -> "Array":
        return Array(self.tensor.to(_dtypes.dtype(dtype).torch_dtype))

    def copy(self, order: str = "C") -> "Array":
        return Array(self.tensor.clone())

    def flatten(self, order: str = "C") -> "Array":
        return Array(in_order(self.tensor, order).reshape(-1))

    ravel = flatten

    def reshape(self, *shape: Any, order: str = "C") -> "Array":
        wanted = tuple(shape[0]) if len(shape) == 1 and hasattr(shape[0], "__len__") else shape
        sizes = [int(size) for size in wanted]
        if order == "F":
            return Array(in_order(in_order(self.tensor, "F").reshape(sizes[::-1]), "F"))
        return self.carried(Array(self.tensor.reshape(sizes)))

    def sort(self, axis: int = -1, kind: Any = None, order: Any = None) -> None:
        self.assign(torch.sort(self.tensor, dim=axis)[0])

    def fill(self, value: Any) -> None:
        self[...] = value

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **named: Any) -> Any:
        function = stands_in[0](ufunc)
        return (function if method == "__call__" else getattr(function, method))(*args, **named)

    def __array_function__(self, function: Any, types: Any, args: Any, named: Any) -> Any:
        return stands_in[0](function)(*args, **named)


def note_cut() -> None:
    """Note that no gradient comes back from here, and the line of the code that came here."""
    frame = sys._getframe(2)
    cuts.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}")


def numbers_in(key: Key) -> Key:
    """An index with plain numbers for arrays of one integer."""
    if isinstance(key, tuple):
        return tuple(map(numbers_in, key))
    alone = isinstance(key, np.integer) or (isinstance(key, Array) and not key.ndim)
    if alone and not (isinstance(key, Array) and key.tensor.dtype in (torch.bool, torch.float64)):
        return operator.index(key)
    return key


def in_order(tensor: Tensor, order: str) -> Tensor:
    """Read in this order: "F" runs through the first axis first."""
    return tensor.permute(*range(tensor.ndim)[::-1]) if order == "F" else tensor


def is_basic(key: Key) -> bool:
    """Whether this index gives a view."""
    parts = key if isinstance(key, tuple) else (key,)
    return all(
        part is None or part is ... or isinstance(part, slice) or type(part) is int
        for part in parts
    )


def place_of(key: Key, shape: Any) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """An index of numbers and whole axes: which axes have a number, and the numbers."""
    parts = key if isinstance(key, tuple) else (key,)
    if parts and parts[-1] is ...:
        parts = parts[:-1]
    if len(parts) > len(shape):
        return None
    if not all(
        type(part) is int or (isinstance(part, slice) and part == slice(None)) for part in parts
    ):
        return None
    axes = tuple(i for i, part in enumerate(parts) if type(part) is int)
    return (axes, tuple(parts[i] % shape[i] for i in axes)) if axes else None


def written(held: Tensor, pending: list[tuple[Key, Any]]) -> Tensor:
    """A tensor after these writes, in their order."""
    array = Plain(held.clone())
    for key, value in pending:
        Plain.__setitem__(array, key, value)
    copied: Tensor = array.tensor
    return copied


def stack_of(held: Tensor, axes: tuple[int, ...], places: dict[tuple[int, ...], Any]) -> Any:
    """One stack of all elements, if the writes fill most of some axes; else None."""
    sizes = [held.shape[i] for i in axes]
    whole = torch.Size(sizes).numel()
    if not axes or not held.is_floating_point() or len(places) < max(2, whole / 2):
        return None
    leading = list(range(len(axes)))
    front = held.movedim(axes, leading)
    shape = front.shape[len(axes) :]
    elements = []
    for index in np.ndindex(*sizes):
        value = places.get(index)
        value = front[index] if value is None else value
        value = value if torch.is_tensor(value) else torch.tensor(value)
        elements.append(value.to(held.dtype).expand(shape))
    stack = torch.stack(elements).reshape([*sizes, *shape])
    return stack if list(axes) == leading else stack.movedim(leading, axes)


def finished(name: str, args: Any, result: Any, axis: Any = None) -> Any:
    """A result with its mark, or what it is known as."""
    if not isinstance(result, Array) or not any(isinstance(x, Array) for x in args[:3]):
        return result
    known, mark = idioms.after(name, args, axis)
    if known is not None and known.shape == result.tensor.shape:
        result = Array(known)
    result.mark = mark
    return result


def _binary(name: str) -> Any:
    function = getattr(_ufuncs, name)
    return lambda self, other: finished(name, (self, other), function(self, other))


def _reflected(name: str) -> Any:
    function = getattr(_ufuncs, name)
    return lambda self, other: finished(name, (other, self), function(other, self))


def _in_place(name: str) -> Any:
    function = getattr(_ufuncs, name)

    def changed(self: Array, other: Any) -> Array:
        result = finished(name, (self, other), function(self, other))
        self.assign(result.tensor)
        self.mark = result.mark
        return self

    return changed


def _reduction(name: str) -> Any:
    function = getattr(Plain, name)

    def reduced(self: Array, axis: Any = None, *args: Any, **named: Any) -> Any:
        return finished(name, (self,), function(self, axis, *args, **named), axis)

    return reduced


for _operator, _name in _ndarray.ri_dunder.items():
    _full = _name or _operator
    setattr(Array, f"__{_operator}__", _binary(_full))
    setattr(Array, f"__r{_operator}__", _reflected(_full))
    setattr(Array, f"__i{_operator}__", _in_place(_full))
for _operator, _name in {"gt": "greater", "ge": "greater_equal"}.items():
    setattr(Array, f"__{_operator}__", _binary(_name))
_negative = getattr(_ufuncs, "negative")  # noqa: B009
setattr(Array, "__neg__", lambda x: finished("negative", (x,), _negative(x)))  # noqa: B010
for _name in ("sum", "max"):
    setattr(Array, _name, _reduction(_name))
