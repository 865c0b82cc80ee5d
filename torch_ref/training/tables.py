"""A CSV file as columns of numbers and of categories, read row by row, twice.

It takes 8 bytes a cell. Rows are counted as an editor counts lines, from 1, the header among them.
"""

import csv
import math
from array import array
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from manual.arrays import Array

from ..safe_files import InputError, one_line

DELIMITERS = ",;\t"
MISSING = frozenset(("", "?", "na", "n/a", "#n/a", "nan", "null"))  # in lower case
MOST_CATEGORIES = 100  # of a column: each becomes an input, or a class


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        values: (N,) numbers in float64; of categories, the place of each in `categories`.
        categories: the names in order; None for numbers.
    """

    name: str
    values: Array
    categories: tuple[str, ...] | None = None


@dataclass
class Kind:
    """What has been seen of a column so far: the first row with a number, the first with text."""

    name: str
    number: int = 0
    text: tuple[int, str] | None = None
    names: set[str] = field(default_factory=set)


def read_csv(
    path: Path,
    header: str = "auto",
    drop: Collection[str] = (),
    categories: Collection[str] = (),
) -> list[Column]:
    """The columns of a CSV file; the delimiter is a comma, a semicolon or a tab.

    Args:
        header: "yes", "no", or "auto": the first row is one if it holds no number.
        drop: columns to be left out, by name or number from 1.
        categories: columns whose numbers are names.
    Raises:
        InputError: a value is missing, or no number where others are; rows differ in length; or it
            is no CSV. The message says file, row and column.
    """
    first_row, first = next(rows(path), (0, []))
    if not first:
        raise InputError(f"{path}: the file is empty")
    named = header == "yes" or (header == "auto" and not any(map(is_number, first)))
    names = [
        cell.strip() if named and cell.strip() else str(i) for i, cell in enumerate(first, start=1)
    ]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"{path}: row {first_row}: two columns are called {name!r}"
                + ("; --header no takes that row for a sample" if header == "auto" else "")
            )
    left_out = {place(names, name, path, "--drop") for name in drop}
    as_names = {place(names, name, path, "--categories") for name in categories}
    kept = [i for i in range(len(names)) if i not in left_out]
    kinds = [Kind(name) for name in names]
    count = 0
    for row, cells in body(path, named):
        count += 1
        for i in kept:
            see(kinds[i], cells[i].strip(), row, i in as_names, path)
    if not count:
        raise InputError(f"{path}: there is no row below the header")
    return read_columns(path, named, kinds, kept)


def see(kind: Kind, cell: str, row: int, as_name: bool, path: Path) -> None:
    """Take note of a cell; refuse one that does not fit those before it."""
    where = f"{path}: row {row}, column {kind.name!r}"
    if cell.lower() in MISSING:
        raise InputError(f"{where}: the value is missing ({cell!r}), expected one in every row")
    if not as_name and is_number(cell):
        kind.number = kind.number or row
    else:
        kind.text = kind.text or (row, cell)
        kind.names.add(cell)
    if kind.number and kind.text:
        row, cell = kind.text
        cure = "--header yes, if that row is one" if row == 1 else f"--categories {kind.name}"
        raise InputError(
            f"{path}: row {row}, column {kind.name!r}: {cell!r}, expected a number as in row "
            f"{kind.number}; or {cure}"
        )
    if len(kind.names) > MOST_CATEGORIES:
        raise InputError(
            f"{where}: more than {MOST_CATEGORIES} different names, which is too many for "
            f"categories; --drop {kind.name} leaves the column out"
        )


def read_columns(path: Path, named: bool, kinds: list[Kind], kept: list[int]) -> list[Column]:
    """The columns that are kept, now that it is known what they hold."""
    order = {i: {name: n for n, name in enumerate(in_order(kinds[i].names))} for i in kept}
    values = {i: array("d") for i in kept}
    for _, cells in body(path, named):
        for i in kept:
            cell = cells[i].strip()
            values[i].append(order[i][cell] if order[i] else float(cell))
    return [
        Column(kinds[i].name, np.frombuffer(values[i]), tuple(order[i]) if order[i] else None)
        for i in kept
    ]


def rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Each row's number and cells; empty lines are skipped.

    Raises:
        InputError: the file cannot be read as CSV.
    """
    row = 0
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: not a regular file")
        with path.open(encoding="utf-8-sig", newline="") as file:
            line = file.readline()
            delimiter = max(DELIMITERS, key=line.count)
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True)
            for cells in reader:
                row = reader.line_num
                if cells:
                    yield row, cells
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except UnicodeDecodeError:
        with path.open("rb") as lines:
            (row, *_) = (i for i, line in enumerate(lines, start=1) if not is_text(line))
        raise InputError(f"{path}: row {row}: expected text in UTF-8") from None
    except (OSError, csv.Error) as error:
        raise InputError(f"{path}: after row {row}: not readable ({one_line(error)})") from None


def is_text(line: bytes) -> bool:
    """Whether it is UTF-8."""
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def body(path: Path, named: bool) -> Iterator[tuple[int, list[str]]]:
    """The rows below the header, each as long as the first.

    Raises:
        InputError: one is not.
    """
    length = 0
    for row, cells in rows(path):
        if not length:
            length = len(cells)
            if named:
                continue
        if len(cells) != length:
            raise InputError(
                f"{path}: row {row}: {len(cells)} cells, expected {length} as in the first row"
            )
        yield row, cells


def is_number(cell: str) -> bool:
    """Whether it is a finite number."""
    try:  # an underscore Python takes for a separator of thousands
        return math.isfinite(float(cell)) and "_" not in cell
    except ValueError:
        return False


def in_order(names: Collection[str]) -> list[str]:
    """Sorted, numbers by their size."""
    return sorted(names, key=lambda name: (float(name) if is_number(name) else math.inf, name))


def place(names: list[str], name: str, path: object, option: str) -> int:
    """The index of a column, by its name or its number from 1.

    Raises:
        InputError: there is none.
    """
    if name in names:
        return names.index(name)
    if name.isdecimal() and 1 <= int(name) <= len(names):
        return int(name) - 1
    shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    raise InputError(f"{option} {name}: there is no such column in {path}; it has {shown}")
