"""Samples as a network takes them: a part held out, numbers scaled, names as classes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from manual import Module, no_grad
from manual.arrays import Array

from ..safe_files import InputError, one_line
from .data import Data
from .experiment import Experiment, Problem, Run
from .scores import ACCURACY, R_SQUARED
from .sources import Samples
from .tables import in_order


@dataclass(frozen=True)
class Scale:
    """x → (x − mean)/deviation."""

    mean: Array
    deviation: Array

    @classmethod
    def of(cls, values: Array, measured: Array) -> "Scale":
        """Of each column; of all numbers at once where there are more than two axes.

        Args:
            measured: the columns to change. The others stay as they are, and what never changes.
        """
        axis = 0 if values.ndim <= 2 else None
        mean, deviation = values.mean(axis=axis), values.std(axis=axis)
        changed = (deviation > 0) & (measured if measured.size else True)
        return cls(np.where(changed, mean, 0.0), np.where(changed, deviation, 1.0))

    def __call__(self, values: Array) -> Array:
        return np.asarray((values - self.mean) / self.deviation)

    def back(self, values: Array) -> Array:
        """What these were before."""
        return np.asarray(values * self.deviation + self.mean)


UNSCALED = Scale(np.zeros(()), np.ones(()))


@dataclass(frozen=True)
class Prepared:
    """Samples, and what was made of them.

    Attributes:
        classes: their names; empty where the target is a number.
        x_scale, t_scale: as measured on what is trained on.
    """

    samples: Samples
    data: Data
    classes: tuple[str, ...] = ()
    x_scale: Scale = UNSCALED
    t_scale: Scale = UNSCALED

    @property
    def outputs(self) -> int:
        """How many the network needs."""
        return len(self.classes) or self.data.t.shape[1]

    def __str__(self) -> str:
        x, names = self.samples.x, self.samples.inputs
        shown = f" ({listed(names)})" if names and names != numbered(len(names)) else ""
        size = f"{x.shape[1]} numbers" if names else f"{' x '.join(map(str, x.shape[1:]))} numbers"
        of = f"{self.outputs} numbers" if self.outputs > 1 else "a number"
        of = f"{self.outputs} classes ({listed(self.classes)})" if self.classes else of
        held_out = 0 if self.data.held_out is None else len(self.data.held_out[0])
        scaled = "as they are" if self.x_scale is UNSCALED else "standardized"
        return (
            f"{len(x):,} samples of {size}{shown}; {self.samples.target}: {of}\n"
            f"{len(self.data.x):,} to train on, {held_out:,} held out; numbers {scaled}"
        )

    def notes(self) -> dict[str, str]:
        """What is kept beside the weights: without it nobody can use them on new data."""
        notes: dict[str, Any] = {"inputs": self.samples.inputs, "target": self.samples.target}
        notes |= {"classes": self.classes} if self.classes else {}
        for name, scale in (("input", self.x_scale), ("target", self.t_scale)):
            if scale is not UNSCALED:
                notes[f"{name} mean"] = scale.mean.tolist()
                notes[f"{name} deviation"] = scale.deviation.tolist()
        return {name: json.dumps(value) for name, value in notes.items()}


def numbered(count: int) -> tuple[str, ...]:
    return tuple(str(i + 1) for i in range(count))


def listed(names: tuple[str, ...], most: int = 6) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def count_held_out(samples: Samples, share: float) -> int:
    return round(share * len(samples.x))


def prepare(
    samples: Samples,
    of_classes: bool,
    hold_out: float,
    standardize: bool,
    dtype: np.dtype,
    generator: np.random.Generator,
    tokens: bool = False,
) -> Prepared:
    """The samples, divided at random, in this dtype.

    Args:
        of_classes: whether each target is made the place of its class.
        hold_out: the share that is not trained on.
        tokens: whether whole numbers that are not standardized stay whole.
    Raises:
        InputError: the target is not what is wanted of it.
    """
    classes: tuple[str, ...] = ()
    t = samples.t
    if of_classes:
        t, classes = as_classes(samples)
    elif t.dtype.kind not in "fiu":
        raise InputError(f"{samples.target}: names, as {str(t[0])!r} is one, expected numbers")
    elif (t == t[:1]).all():
        raise InputError(f"{samples.target}: {t[0]} everywhere, expected numbers that differ")
    elif t.ndim == 1:
        t = t[:, np.newaxis]
    x = samples.x
    order = generator.permutation(len(x))
    train, test = np.split(order, [len(x) - count_held_out(samples, hold_out)])
    x_scale = Scale.of(x[train], samples.measured) if standardize else UNSCALED
    scales_t = standardize and not classes
    t_scale = Scale.of(t[train], np.full(t.shape[1:], True)) if scales_t else UNSCALED
    if standardize or not tokens or x.dtype.kind not in "iu":
        x = x_scale(x).astype(dtype)
    if not classes:
        t = t_scale(t).astype(dtype)
    held_out = (x[test], t[test]) if len(test) else None
    return Prepared(samples, Data(x[train], t[train], held_out), classes, x_scale, t_scale)


def as_classes(samples: Samples) -> tuple[Array, tuple[str, ...]]:
    """Each target as the place of its class among the classes' names.

    Raises:
        InputError: the target is no name and no whole number, or there is only one.
    """
    t, name = samples.t, samples.target
    if t.ndim > 1:
        raise InputError(f"{name}: {t.shape[1]} numbers a sample, expected one class")
    if t.dtype.kind == "f" and (t != np.round(t)).any():
        odd = t[t != np.round(t)][0]
        raise InputError(f"{name}: {odd}, expected classes: names or whole numbers")
    values, places = np.unique(t, return_inverse=True)
    names = [str(value) if value.dtype.kind == "U" else str(int(value)) for value in values]
    if len(names) < 2:
        raise InputError(f"{name}: {names[0]} everywhere, expected at least two classes")
    order = in_order(names)
    return np.array([order.index(n) for n in names])[places], tuple(order)


def check_fit(network: Module, prepared: Prepared, name: str) -> None:
    """See whether a network takes these samples, and gives what the loss takes.

    Raises:
        InputError: it does not; the message says what came out.
    """
    x, t = prepared.data.x[:2], prepared.data.t[:2]
    modes = [(module, module.training) for module in network.modules()]
    try:
        with no_grad():
            y = network.eval()(x)
    except Exception as error:  # of a network of one's own it may be anything
        raise InputError(
            f"{name}: fails on samples {x.shape}: {type(error).__name__}: {one_line(error)}"
        ) from None
    finally:
        for module, mode in modes:
            module.training = mode
    wanted = (len(x), len(prepared.classes)) if prepared.classes else t.shape
    shape = getattr(y, "shape", None)
    if shape != wanted:
        what = "a score for each class" if prepared.classes else "as many numbers as the target has"
        got = type(y).__name__ if shape is None else shape
        raise InputError(f"{name}: gives {got} for {len(x)} samples, expected {wanted}, {what}")


class OnData(Experiment):
    """What is shown of any network trained on samples of one's own."""

    prepared: Prepared

    def take(self, prepared: Prepared) -> Data:
        """Keep what was made of the samples; the data to train on."""
        self.prepared = prepared
        self.score = ACCURACY if prepared.classes else R_SQUARED
        return prepared.data

    def notes(self, problem: Problem) -> dict[str, str]:
        return self.prepared.notes()

    def pictures(self, run: Run) -> Iterator[tuple[str, Any]]:
        """A problem of two inputs and one answer has its plane drawn, in the samples' own units."""
        samples, classes = self.prepared.samples, self.prepared.classes
        if samples.x.shape[1:] != (2,) or (not classes and self.prepared.outputs > 1):
            return
        from .pictures import regions, surface

        def both(points: Array) -> tuple[Array, Array]:
            x = self.prepared.x_scale(points).astype(run.problem.data.x.dtype)
            mine, theirs = run.pair.outputs(x)
            back = self.prepared.t_scale.back
            return (mine, theirs) if classes else (back(mine), back(theirs))

        if classes:
            t = as_classes(samples)[0]
            yield "Decision boundary", regions(both, samples.x, t, samples.inputs, classes)
        else:
            yield "Surface", surface(both, samples.x, samples.t.ravel(), samples.inputs)

    def results(self, run: Run) -> str:
        """Of numbers, the error in the target's own units."""
        held_out = run.problem.data.held_out
        if self.prepared.classes or held_out is None:
            return ""
        x, t = held_out
        back = self.prepared.t_scale.back
        errors = [float(np.sqrt(np.square(back(y) - back(t)).mean())) for y in run.pair.outputs(x)]
        return (
            f"Held-out error of {self.prepared.samples.target}, root mean square: {errors[0]:.6g} "
            f"by hand, {errors[1]:.6g} by autograd; {back(t).std():.6g} without inputs"
        )
