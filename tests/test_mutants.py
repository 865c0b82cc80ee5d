"""A sample of the mutation run; `python -m tests.mutants` is the whole of it."""

import ast
import warnings
from collections import Counter

import numpy as np
import pytest

from .conftest import make_pair
from .mutants import EQUIVALENT, FILES, agrees, concerned, mutants, outcome, planted
from .planting import functions_of, modules, source_of

MISTAKES = [mutant for mutant in mutants() if not mutant.slip]
SAMPLE = MISTAKES[3::9]


def test_there_are_enough_of_them() -> None:
    assert len(MISTAKES) >= 150
    assert len({mutant.layer for mutant in MISTAKES}) > 45
    assert len({mutant.name for mutant in MISTAKES}) >= 18


@pytest.mark.slow
def test_a_sample_is_killed_and_named() -> None:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # a mutant may divide by zero
        outcomes = [outcome(mutant) for mutant in SAMPLE]
    counts = Counter(found.named for found in outcomes)
    report = "\n".join(f"{o.named}: {o.mutant}" for o in outcomes if o.named != "rightly")
    assert not counts["survived"], report
    judged = sum(counts.values()) - counts["equivalent"]
    assert counts["rightly"] >= 0.9 * judged, report
    assert counts["wrongly"] <= 0.02 * judged, report


def test_planting_is_undone() -> None:
    mutant = next(m for m in MISTAKES if m.function == "Linear.backward" and m.name == "sign")
    case = concerned(mutant)[0]
    with planted(mutant):
        assert not agrees(make_pair(case, np.float64))
    assert agrees(make_pair(case, np.float64))


@pytest.mark.parametrize("name", sorted({entry[0] for entry in EQUIVALENT}))
def test_an_equivalent_mutant_is_one_that_there_is(name: str) -> None:
    assert any(mutant.function == name for mutant in mutants())


def test_every_file_with_a_layer_is_among_them() -> None:
    """Those that only call other layers' backward have nothing of their own to get wrong."""
    composed = {
        "manual.module",
        "manual.containers",
        "manual.models.mlp",
        "manual.models.convnet",
        "manual.models.text",
        "manual.models.gpt",
        "manual.models.llama",
        "manual.models.microgpt",
        "manual.article.modules",
    }
    with_layers = {
        module.__name__
        for module in modules()
        if any(
            name.endswith(".backward")
            for name, _ in functions_of(ast.parse(source_of(module.__name__)))
        )
    }
    assert with_layers - composed <= {file.__name__ for file in FILES}
    assert composed <= with_layers
