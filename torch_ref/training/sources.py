"""Data of one's own: a CSV file, a .npz file, a pair of .npy files, or a set of scikit-learn's."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from manual.arrays import Array

from ..safe_files import InputError, read_array, read_arrays
from .tables import Column, place, read_csv

SETS = ("iris", "wine", "breast_cancer", "diabetes", "digits", "moons", "circles")
TABLES = (".csv", ".tsv", ".txt", ".data")
MOST_CLASSES = 20  # different whole numbers that are taken for classes, where nothing else is said
PAIRS = (("x", "y"), ("X", "y"), ("x", "t"), ("X", "Y"), ("data", "target"))  # names in a .npz


@dataclass(frozen=True)
class Samples:
    """What a source holds.

    Attributes:
        x: (N, D) numbers, or (N, …) where they are no table's.
        inputs: the names of the D columns; empty where they have none.
        measured: (D,) whether a column holds numbers, not whether something is a category.
        t: (N,) or (N, K) numbers, or (N,) names.
        target: what it is called.
    """

    x: Array
    inputs: tuple[str, ...]
    measured: Array
    t: Array
    target: str

    @property
    def of_classes(self) -> bool:
        """Whether the target reads like classes: names, or a few whole numbers over and over."""
        if self.t.dtype.kind not in "fiu":
            return True
        if self.t.ndim > 1 or (self.t != np.round(self.t)).any():
            return False
        different = len(np.unique(self.t))
        return different <= MOST_CLASSES and 2 * different <= len(self.t)


def is_source(text: str) -> bool:
    """Whether it names data of one's own."""
    return text in SETS or Path(text).suffix.lower() in (*TABLES, ".npz", ".npy")


def read_samples(
    source: str,
    target: str | None,
    header: str = "auto",
    drop: Collection[str] = (),
    categories: Collection[str] = (),
) -> Samples:
    """The samples of a source.

    Args:
        source: a name of `SETS`, or a file's.
        target: the column to be predicted, the last by default; of a .npz the array's name, of a
            .npy the file with the targets.
        header, drop, categories: as for `read_csv`.
    Raises:
        InputError: there is no such source, it is damaged, or a value is missing.
    """
    suffix = Path(source).suffix.lower()
    if source in SETS or suffix not in TABLES:
        options = {"header": header != "auto", "categories": categories}
        options |= {} if source in SETS else {"drop": drop}
        for option in (name for name, given in options.items() if given):
            raise InputError(f"--{option}: only for a table in a file, which {source} is not")
    if source not in SETS and suffix in (".npz", ".npy"):
        return from_pair(source, target) if suffix == ".npy" else from_npz(source, target)
    if source in SETS:
        columns = set_of_scikit_learn(source)
        left_out = {place([c.name for c in columns], name, source, "--drop") for name in drop}
        columns = [column for i, column in enumerate(columns) if i not in left_out]
    elif suffix in TABLES:
        columns = read_csv(Path(source), header, drop, categories)
    else:
        raise InputError(
            f"{source}: expected {', '.join(SETS)}, or a file {', '.join(TABLES)}, .npz or .npy"
        )
    return from_columns(columns, target, source)


def from_columns(columns: list[Column], target: str | None, source: str) -> Samples:
    """One column is the target; of the others, a category becomes an input for each of its names,
    1 where it is that and 0 elsewhere."""
    if len(columns) < 2:
        raise InputError(f"{source}: one column, expected at least an input and a target")
    names = [column.name for column in columns]
    chosen = len(columns) - 1 if target is None else place(names, target, source, "--target")
    x, inputs, measured = [], [], []
    for column in (c for i, c in enumerate(columns) if i != chosen):
        if column.categories is None:
            x.append(column.values)
            inputs.append(column.name)
            measured.append(True)
            continue
        for i, name in enumerate(column.categories):
            x.append(column.values == i)
            inputs.append(f"{column.name}={name}")
            measured.append(False)
    t = columns[chosen]
    values = t.values if t.categories is None else np.array(t.categories)[t.values.astype(int)]
    table = np.stack(x, axis=1, dtype=np.float64)
    return Samples(table, tuple(inputs), np.array(measured), values, t.name)


def set_of_scikit_learn(name: str) -> list[Column]:
    """A set by name as columns, the target last; moons and circles are drawn, always the same."""
    from sklearn import datasets  # takes a second to import

    if name in ("moons", "circles"):
        made = {
            "moons": lambda: datasets.make_moons(400, noise=0.2, random_state=0),
            "circles": lambda: datasets.make_circles(400, noise=0.1, factor=0.5, random_state=0),
        }
        x, t = made[name]()
        names, classes = ["x1", "x2"], None
    else:
        loaded = getattr(datasets, f"load_{name}")()
        x, t, names = loaded.data, loaded.target, loaded.feature_names
        classes = loaded.target_names if loaded.get("target_names") is not None else None
    columns = [Column(str(n), values) for n, values in zip(names, x.T, strict=True)]
    called = None if classes is None else tuple(map(str, classes))
    return [*columns, Column("target", t.astype(np.float64), called)]


def from_npz(source: str, target: str | None) -> Samples:
    """Two arrays: the target's is the one named, or they are called as is usual."""
    arrays = read_arrays(Path(source))
    known = ", ".join(arrays)
    usual = [pair for pair in PAIRS if set(pair) <= arrays.keys()]
    if target is None and usual:
        name, target = usual[0]
    elif target in arrays and len(arrays) == 2:
        (name,) = arrays.keys() - {target}
    else:
        raise InputError(
            f"{source}: has {known}; expected two arrays x and y, or two and --target NAME"
        )
    return from_arrays(arrays[name], arrays[target], f"{source}: {name}", f"{source}: {target}")


def from_pair(source: str, target: str | None) -> Samples:
    if target is None or not target.endswith(".npy"):
        raise InputError(f"{source}: expected --target FILE.npy with the targets beside it")
    return from_arrays(
        read_array(Path(source), source), read_array(Path(target), target), source, target
    )


def from_arrays(x: Array, t: Array, name: str = "x", target: str = "t") -> Samples:
    """Samples along the first axis of both arrays.

    Args:
        name, target: of the arrays, in messages.
    Raises:
        InputError: they do not go together, or a value is missing.
    """
    if x.ndim == 1:
        x = x[:, np.newaxis]
    if x.ndim == 0 or x.dtype.kind not in "fiub":
        raise InputError(f"{name}: {x.dtype} of shape {x.shape}, expected numbers (samples, …)")
    if t.ndim == 2 and t.shape[1] == 1:
        t = t[:, 0]
    if t.ndim not in (1, 2) or t.dtype.kind not in ("fiubU" if t.ndim == 1 else "fiub"):
        raise InputError(
            f"{target}: {t.dtype} of shape {t.shape}, expected a class or number for each sample, "
            "or a row of numbers"
        )
    if len(x) != len(t):
        raise InputError(f"{target}: {len(t)} of them, expected {len(x)}, as many as in {name}")
    for values, called in ((x, name), (t, target)):
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            at = tuple(map(int, np.argwhere(~np.isfinite(values))[0]))
            raise InputError(
                f"{called}: {values[at]} at row {at[0]}"
                + (f", column {', '.join(map(str, at[1:]))}" if at[1:] else "")
                + " (from 0), expected a finite number"
            )
    inputs = tuple(str(i + 1) for i in range(x.shape[1])) if x.ndim == 2 else ()
    t = t.astype(np.int64) if t.dtype.kind == "b" else t
    return Samples(x, inputs, np.full(len(inputs), True), t, target.rpartition(": ")[2])
