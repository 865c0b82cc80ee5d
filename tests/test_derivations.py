"""The docstrings' formulas, evaluated as they are printed, give what the code gives.

Their text is taken out of the docstrings; what their symbols stand for, `meanings` says. So a
formula that is changed, or code that is, fails here, and so does one that nothing holds.
"""

import importlib
import pkgutil
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

import manual
from torch_ref.explaining.derivation import derivations_of

from .derivations.docstrings import (
    Case,
    Printed,
    applying,
    check,
    derivation,
    formulas_in,
    sign_changes,
    table_in,
)
from .derivations.meaning import Formula, Meaning
from .derivations.notation import UnreadableError
from .meanings import CASES, TABLES

BY_CLASS: dict[Any, list[Case]] = defaultdict(list)
for one in CASES:
    BY_CLASS[one.cls].append(one)
NAMES = sorted(cls.__name__ for cls in BY_CLASS)
PUBLIC = {name: getattr(manual, name) for name in manual.__all__}

DERIVED_IN_WORDS = {  # no formula, and why
    **dict.fromkeys(
        ("TextLSTM", "ConvNet", "ResNet", "GPT", "Llama", "MicroGPT"),
        "put together of layers, each of which derives its own: it says how they follow",
    ),
    **dict.fromkeys(("SequentialLR", "ChainedScheduler"), "has no rate but that of others"),
    "clip_grad_value_": "has no formula: it only cuts off",
}
NOTHING_TO_DERIVE = {
    **dict.fromkeys(("Module", "ModuleList", "ModuleDict", "Optimizer"), "computes nothing"),
    **dict.fromkeys(("Parameter", "TorchGenerator"), "is data"),
    **dict.fromkeys(("no_grad", "enable_grad", "keep_passes"), "says what is kept"),
}
TABLES_IN_WORDS = {  # not of formulas
    "manual.layers.normalization": "over which numbers the means are taken",
    "manual.layers.padding": "what a border looks like",
    "manual.layers.resampling": "which of its neighbours an output is a mean of",
}


def formulas_of(case: Case) -> list[Printed]:
    """Those that are said of a case."""
    options = frozenset().union(*(other.options for other in BY_CLASS[case.cls]))
    printed = [one for one in derivation(case.cls) if one.place in case.places]
    return applying(printed, case, options)


def cases_of(name: str) -> list[Case]:
    return BY_CLASS[getattr(manual, name)]


def said_of(name: str) -> set[Printed]:
    """The formulas of a class, of all its cases."""
    return {one for case in cases_of(name) for one in formulas_of(case)}


@cache
def held(name: str) -> list[set[Printed]]:
    """Those that were compared with the code, in each case of a class."""
    return [check(formulas_of(case), case) for case in cases_of(name)]


@pytest.mark.parametrize("name", NAMES)
def test_formulas_give_what_the_code_gives(name: str) -> None:
    assert said_of(name)
    assert said_of(name) == set().union(*held(name))


def fails(printed: list[Printed], case: Case, one: Printed) -> bool:
    """Whether the formulas do not hold, or one says nothing; what cannot be read raises."""
    try:
        return one not in check(printed, case)
    except (AssertionError, ArithmeticError, LookupError, ValueError):
        return True


def noticed(case: Case, one: Printed, changed: str) -> bool:
    """Whether a case fails where one of its formulas reads so, or it says nothing any more."""
    other = replace(one, text=changed)
    printed = [other if p == one else p for p in formulas_of(case)]
    return fails(printed, case, other)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_changed_sign_is_noticed(name: str) -> None:
    """Each + and each − of each formula, turned by itself."""
    for one in sorted(said_of(name), key=lambda printed: printed.text):
        pairs = zip(cases_of(name), held(name), strict=True)
        cases = [case for case, compared in pairs if one in compared]
        for changed in sign_changes(one.text):
            assert any(noticed(case, one, changed) for case in cases), changed


def test_every_formula_is_evaluated() -> None:
    """Of every public class, as `backprop explain` shows it."""
    printed = {one for public in PUBLIC.values() for one in derivation(public)}
    assert {*DERIVED_IN_WORDS, *NOTHING_TO_DERIVE} <= {*PUBLIC}
    found = {(one.place, one.text) for one in printed}
    evaluated = {(one.place, one.text) for name in NAMES for one in said_of(name)}
    of_code = {one for one in found if one[0] in NOTHING_TO_DERIVE}
    assert found - evaluated - of_code == set()


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_class_derives_what_it_computes(name: str) -> None:
    """A module what comes back through it, an optimizer its step, a schedule its rate."""
    public = PUBLIC[name]
    text = "\n".join(text for _, text in derivations_of(public)) if isinstance(public, type) else ""
    if name in NOTHING_TO_DERIVE or name in DERIVED_IN_WORDS:
        assert name not in NAMES
        assert name in NOTHING_TO_DERIVE or "Backward" in text or not is_module(public)
        return
    places = {one.place for one in derivation(public)}
    assert places
    assert places <= {place for case in CASES for place in case.places}
    if is_module(public):
        assert re.search(r"∂L/∂|∂l/∂|f′\(x\) = ", text)


def is_module(public: Any) -> bool:
    return isinstance(public, type) and issubclass(public, manual.Module)


@pytest.mark.parametrize("name", [name for name in PUBLIC if isinstance(PUBLIC[name], type)])
def test_a_docstring_fits_on_a_screen(name: str) -> None:
    own = (PUBLIC[name].__doc__ or "").partition("Shapes:")[0].splitlines()
    assert len(own) <= 45


def test_the_rules_hold() -> None:
    """Those that the package's page names, of functions that stand for any."""
    rules = [one for one in formulas_in("manual", manual.__doc__ or "") if "d/dx" in one.text]
    assert len(rules) == 7
    definitions = {
        "u": ([], Formula.read("x² + cos x").sides[0]),
        "v": ([], Formula.read("e^(−x) + 2x").sides[0]),
        "f": (["z"], Formula.read("z³ − sin z").sides[0]),
    }
    for rule in rules:
        for text in (rule.text, *sign_changes(rule.text)):
            case = Case(manual, [Meaning({"x": 1.3, "n": 3.0}, {}, definitions)])
            written = replace(rule, text=text)
            assert fails([written], case, written) == (text != rule.text), text


# ---- tables


def head_of(module: str) -> str:
    return importlib.import_module(module).__doc__ or ""


def row_of(module: str, name: str) -> tuple[list[Printed], Case]:
    """A row of a table as formulas, beside those that stand above and below the table."""
    printed = formulas_in(module, head_of(module))
    for heading, cell in table_in(head_of(module))[name].items():
        value, _, where = cell.partition(", with ")
        printed += [Printed(name, text) for text in (f"{heading} = {value}", where) if text]
    return printed, TABLES[module][name]


ROWS = [(module, name) for module in TABLES for name in table_in(head_of(module))]


@pytest.mark.parametrize(("module", "name"), ROWS)
def test_a_table_gives_what_the_code_gives(module: str, name: str) -> None:
    printed, case = row_of(module, name)
    headings = tuple(table_in(head_of(module))[name])
    assert check(printed, replace(case, required=headings)) == {*printed}


@pytest.mark.slow
@pytest.mark.parametrize(("module", "name"), ROWS)
def test_a_changed_sign_in_a_table_is_noticed(module: str, name: str) -> None:
    printed, case = row_of(module, name)
    for one in (p for p in printed if p.place == name):
        for changed in sign_changes(one.text):
            other = replace(one, text=changed)
            others = [other if p == one else p for p in printed]
            assert fails(others, case, other), changed


def test_every_table_is_known() -> None:
    packages = (manual, *map(importlib.import_module, ("manual.layers", "manual.losses")))
    files = [
        info.name
        for package in packages
        for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    ]
    tabular = {name for name in files if re.search(r"^ *-{20,}$", head_of(name), re.MULTILINE)}
    assert tabular == {*TABLES, *TABLES_IN_WORDS}
    for module, table in TABLES.items():
        assert {*table} == {*table_in(head_of(module))}


# ---- the notation itself

NUMBERS = {"x": 3.0, "y": 2.0, "σ": 0.5, "v": np.array([1.0, 2.0, 4.0]), "W": np.eye(2) * 2}
READ = {
    "1/2σ": 1.0,  # what stands closer binds closer
    "1/2 σ": 0.25,
    "x/y x": 4.5,
    "−x²": -9.0,
    "x^−y": 1 / 9,
    "e⁻ˣ": np.exp(-3.0),
    "e^(−x/y)": np.exp(-1.5),
    "2(x + y) y": 20.0,
    "log x y": np.log(3.0) * 2,
    "tanh² x": np.tanh(3.0) ** 2,
    "|y − x|": 1.0,
    "½ (x − y)₊ + (y − x)₊": 0.5,
    "√x²": np.sqrt(3.0) ** 2,
    "‖v‖": np.sqrt(21.0),
    "Σᵢ vᵢ x + y": 23.0,
    "Σ_{i ≠ j: i < j} vᵢ vⱼ": None,
    "Σ_{i, j: i < j} vᵢ vⱼ": 1 * 2 + 1 * 4 + 2 * 4,
    "[x > y] + [x = y or y < x < 4]": 2.0,
    "x where x < y, y where x = y, else x − y": 1.0,
    "d/dx x² + y": 8.0,
    "⌊x/y⌋ + ⌈x/y⌉": 3.0,
    "v₁ v₂": 8.0,
    "W Wᵀ": np.eye(2) * 4,
    "max(x, y)/min(x, y)": 1.5,
}


@pytest.mark.parametrize("text", READ)
def test_the_notation(text: str) -> None:
    meaning = Meaning(NUMBERS, {"i": range(3), "j": range(3)})
    evaluated: Callable[[], Any] = lambda: meaning.value(Formula.read(text).sides[0])  # noqa: E731
    if READ[text] is None:
        with pytest.raises(UnreadableError):
            evaluated()
    else:
        np.testing.assert_allclose(evaluated(), READ[text], rtol=1e-10)


@pytest.mark.parametrize(
    "text", ["x +", "x = ) y", "(x", "unknown = x y z", "∂q/∂x = 2", "x where", "Σ x", "x $ y"]
)
def test_what_is_no_formula_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError):
        Formula.read(text).check(Meaning(NUMBERS))
