"""The formulas in docstrings, found where they stand and held to the code.

A formula stands in a line of its own, or beside a label before it and a remark behind it, two
spaces away from each; what begins with = goes on from the line above. In a sentence it ends at
the next comma, colon or full stop. Shapes, arguments and sources are no part of a derivation.
"""

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from torch_ref.explaining.derivation import derivations_of

from .meaning import Formula, Latest, Meaning, equal

NO_DERIVATION = ("Shapes", "Args:", "Returns:", "Raises:", "Source", "forward(", "backward(")


@dataclass(frozen=True)
class Printed:
    """A formula as it stands in a docstring.

    Attributes:
        place: of what class's docstring, or at the head of which file.
        labels: what stands before it or above it: "Backward", "nesterov", …
    """

    place: str
    text: str
    labels: tuple[str, ...] = ()


def paragraphs(text: str) -> Iterator[list[str]]:
    """The paragraphs that derive something, tables left out."""
    for paragraph in re.split(r"\n *\n", text):
        lines = paragraph.split("\n")
        for i, line in enumerate(lines):
            if line.strip().startswith(NO_DERIVATION):
                lines = lines[:i]
                break
        if any(re.match(r" *-{20,}$", line) for line in lines):
            continue
        yield lines


def sentence_parts(cell: str) -> list[str]:
    """A cell, parted at what ends a formula in a sentence."""
    parts, depth, start = [], 0, 0
    for i, character in enumerate(cell):
        depth += (character in "([{⌊") - (character in ")]}⌋")
        behind = cell[i + 1 :]
        ends = character in ",:;." and (not behind or behind[0] == " ") and not depth
        if ends and character == "," and " where " in cell[start:i]:
            ends = not re.match(r" else | [^,=]+ where ", behind)
        if ends:
            parts.append(cell[start:i])
            start = i + 1
    parts.append(cell[start:])
    return [
        part
        for whole in parts
        for part in re.split(r" with | so that | and (?=[^ ]+ = )", f" {whole}")
    ]


LEADING = re.compile(r"^(?:(?:Back|For)ward, )?(?:[Ww]ith|so|and|as|since|[Ff]or|of which) ")


def relation_outside(part: str) -> bool:
    """Whether there is = or ← outside of brackets."""
    depth = 0
    for i, character in enumerate(part):
        depth += (character in "([{") - (character in ")]}")
        if not depth and part[i : i + 2] in ("= ", "← ") and (not i or part[i - 1] == " "):
            return True
    return False


def formulas_in(place: str, text: str) -> list[Printed]:
    """All formulas of a docstring, in their order."""
    found: list[Printed] = []
    for lines in paragraphs(text):
        above: list[tuple[int, str]] = []  # indent and text: labels, and lines that end in a colon
        for line in lines:
            indent = len(line) - len(line.lstrip())
            above = [label for label in above if label[0] < indent]
            cells = re.split(r" {2,}", line.strip())
            if len(cells) > 1 and not relation_outside(cells[0]):
                above.append((indent, cells[0].rstrip(":")))
            labels = tuple(label for _, label in above)
            for cell in cells:
                for part in sentence_parts(cell):
                    part = LEADING.sub("", part.strip())
                    if not relation_outside(part):
                        continue
                    if part.startswith("="):
                        found[-1] = replace(found[-1], text=f"{found[-1].text} {part}")
                    else:
                        found.append(Printed(place, part, labels))
            if line.endswith(":"):
                above.append((indent, line.strip().rstrip(":")))
    return found


@cache
def derivation(cls: Any) -> list[Printed]:
    """The formulas of a class: of its docstring, its bases' and its file's, as they are shown."""
    if not isinstance(cls, type):
        return formulas_in(cls.__name__, inspect.cleandoc(cls.__doc__))
    return [
        printed
        for place, text in derivations_of(cls)
        for printed in formulas_in(place.removeprefix("the head of ") or cls.__name__, text)
    ]


def table_in(text: str) -> dict[str, dict[str, str]]:
    """The table of a docstring: for each row's name, what stands under each heading."""
    lines = text.split("\n")
    rule = next(i for i, line in enumerate(lines) if re.match(r" *-{20,}$", line))
    _, *headings = re.split(r" {2,}", lines[rule - 1].strip())
    rows: dict[str, dict[str, str]] = {}
    for line in lines[rule + 1 :]:
        if not line.strip():
            break
        name, *cells = re.split(r" {2,}", line.strip())
        rows[name] = dict(zip(headings, cells, strict=True))
    return rows


Steps = tuple[tuple[Mapping[str, Any], Mapping[str, Any]], ...]


@dataclass
class Case:
    """A class at numbers.

    Attributes:
        meanings: what its symbols stand for, in one or in several samples; of an optimizer, each
            with its steps: what is given at each, and what is to come out.
        required: what there has to be a formula of: the value and every derivative.
        places: whose docstrings, or the heads of which files, are held to this.
        options: those labels that are so here; what stands under another case's is not.
    """

    cls: Any
    meanings: Sequence[Meaning | tuple[Meaning, Steps]]
    required: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    options: frozenset[str] = frozenset()


def applying(printed: Iterable[Printed], case: Case, options: frozenset[str]) -> list[Printed]:
    """The formulas that hold in a case; one under an option takes the place of the usual one."""
    found: list[Printed] = []
    for formula in printed:
        mine = options & {*formula.labels}
        if mine <= case.options:
            name = re.split(r" [=←] ", formula.text)[0]
            same = [i for i, f in enumerate(found) if re.split(r" [=←] ", f.text)[0] == name]
            if mine and same:
                del found[same[-1]]
            found.append(formula)
    return found


def check(printed: list[Printed], case: Case) -> set[Printed]:
    """Hold the formulas to the code; those that were compared with something.

    Raises:
        AssertionError: one is wrong, or what is required has none.
        UnreadableError: one cannot be evaluated.
    """
    with np.errstate(all="ignore"):  # a formula that does not hold may give anything
        return _check(printed, case)


def _check(printed: list[Printed], case: Case) -> set[Printed]:
    read = [(one, Formula.read(one.text)) for one in printed]
    compared: set[Printed] = set()
    missing = set(case.required)
    for meaning in case.meanings:
        if isinstance(meaning, tuple):
            compared |= check_steps(read, *meaning)
            continue
        meaning = replace(meaning, definitions={**meaning.definitions})
        for _, formula in read:
            formula.define(meaning)
        for one, formula in read:
            if formula.check(meaning):
                compared.add(one)
                missing.discard(formula.left(meaning))
    assert not missing, f"{case.cls.__name__}: no formula of {sorted(missing)}"
    return compared


def check_steps(
    read: list[tuple[Printed, Formula]], meaning: Meaning, steps: Steps
) -> set[Printed]:
    """An optimizer's lines, one after the other at every step."""
    values = dict(meaning.values)
    meaning = replace(meaning, values=values, definitions={})
    compared: set[Printed] = set()
    for _, formula in read:
        if formula.relation == "=":
            formula.define(replace(meaning, ranges={"t": (), "i": ()}))
    for t, (given, after) in enumerate(steps, 1):
        values["t"] = t
        for name, value in given.items():
            values[name] = latest(t, value, values.get(name))
        now = replace(meaning, ranges={"t": (), "i": range(1, t + 1)})
        for one, formula in read:
            if formula.relation == "←":
                name = formula.sides[0][4]
                values[name] = latest(t, now.value(formula.sides[1]), values.get(name))
                compared.add(one)
            elif formula.check(now):
                compared.add(one)
        for name, value in after.items():
            assert equal(now.number(name), value), (
                f"{name} is {now.number(name)} after step {t}, the code's is {value}"
            )
    return compared


def latest(step: int, value: Any, before: Any) -> Any:
    return value if np.ndim(value) else Latest(step, value, before)


SIGNS = {"+": "−", "−": "+", "⁻": "⁺", "₋": "₊"}


def sign_changes(text: str) -> Iterator[str]:
    """The formula with one of its signs turned, each in turn."""
    for i, character in enumerate(text):
        if character in SIGNS:
            yield text[:i] + SIGNS[character] + text[i + 1 :]
