"""The article's example: three forms, one set of numbers, and where its figures come from."""

import re
import subprocess
import sys
from decimal import Decimal
from itertools import islice, product
from typing import Any

import numpy as np
import pytest

from manual.__main__ import main
from manual.article.example import BIASES, LEARNING_RATE, RULES
from manual.article.figures import FIGURES, FORMS, Figure, reproduce, rounds
from manual.article.matrices import matrices
from manual.article.modules import modules
from manual.article.scalars import scalars
from torch_ref.training.article import article_round
from torch_ref.training.experiments import EXPERIMENTS
from torch_ref.twin import to_torch, twin_of


def figure(name: str) -> Figure:
    return next(figure for figure in FIGURES if figure.name == name)


@pytest.mark.slow
@pytest.mark.parametrize("biases", BIASES)
@pytest.mark.parametrize("rule", RULES)
def test_the_three_forms_agree(rule: str, biases: str) -> None:
    """Over 10,000 rounds, to a few units in the last place."""
    runs = (scalars(rule, biases), matrices(rule, biases), modules(rule, biases))
    for n, forms in enumerate(islice(zip(*runs, strict=False), 10_001)):
        if n > 20 and n % 97 and n < 9_999:
            continue
        for quantity in ("E_total", "out_o1", "out_o2"):
            values = [form[quantity] for form in forms]
            assert values == pytest.approx([values[0]] * 3, rel=1e-12), (n, quantity)


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_every_published_figure_is_reproduced(figure: Figure) -> None:
    decimals = len(figure.digits.partition(".")[2])
    assert f"{reproduce(figure):.{decimals}f}" == figure.digits


def test_the_published_figures_that_are_wrong_are_known() -> None:
    """Those whose correct value has other digits, and only those, carry a reason."""
    correct = rounds({f.said_of for f in FIGURES})
    for figure in FIGURES:
        decimals = len(figure.printed.partition(".")[2])
        right = f"{correct[figure.said_of][figure.quantity]:.{decimals}f}" == figure.printed
        assert right == (not figure.why), figure.name


def test_the_slipped_decimal_point() -> None:
    slip = figure("o1 after 10,000")
    assert Decimal(slip.printed) == 10 * Decimal(slip.digits)


def test_the_difference_of_rounded_figures() -> None:
    total, first = Decimal(figure("∂E/∂out h1").printed), Decimal(figure("∂E_o1/∂out h1").printed)
    assert total - first == Decimal(figure("∂E_o2/∂out h1").printed)


@pytest.mark.parametrize(
    ("rule", "biases", "after_1", "after_10_000"),
    [
        ("simultaneous", "fixed", "0.291027774", "0.0000351019"),
        ("early", "fixed", "0.291027924", "0.0000350848"),
        ("simultaneous", "trained", "0.280471447", "0.0000024476"),
        ("simultaneous", "shared", "0.285750887", "0.0000043553"),
    ],
)
def test_the_other_rules(rule: str, biases: str, after_1: str, after_10_000: str) -> None:
    run = rounds({1, 10_000}, rule, biases)
    assert f"{run[1]['E_total']:.9f}" == after_1
    assert f"{run[10_000]['E_total']:.10f}" == after_10_000


@pytest.mark.parametrize("rule", RULES)
def test_autograd_gives_every_quantity_of_a_round(rule: str) -> None:
    """Each of the article's quantities, before the first round, from PyTorch's own graph."""
    problem = EXPERIMENTS["worked-example"].build(EXPERIMENTS["worked-example"].defaults.resolve())
    twin: Any = twin_of(problem.network)
    x, t = to_torch(problem.data.x), to_torch(problem.data.t)
    autograd = article_round(twin, x, t, LEARNING_RATE, rule)
    by_hand = next(scalars(rule))
    for name, value in autograd.items():
        assert value == pytest.approx(by_hand[name], rel=1e-14), name
    assert {figure.quantity for figure in FIGURES} <= autograd.keys()


def test_manual_alone_prints_the_example() -> None:
    """In a process in which torch cannot be imported."""
    program = (
        "import sys, runpy; sys.modules['torch'] = None; sys.modules['torch_ref'] = None;"
        "runpy.run_module('manual', run_name='__main__', alter_sys=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    for wanted in ("0.298371109", "0.291027774", "0.291027924", "0.0000351019", "0.015913620"):
        assert wanted in done.stdout
    lines = [line.split() for line in done.stdout.splitlines()]
    values = {line[0]: line[1] for line in lines if line and line[0] in FORMS}
    assert len(values) == 3
    assert len(set(values.values())) == 1


def shows(text: str, value: float) -> bool:
    """Whether the text is this number, rounded to as many decimals as it has."""
    return abs(float(text) - value) < 0.501 * 10.0 ** -len(text.partition(".")[2])


def test_what_is_printed_is_what_was_computed(capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m manual`: its columns, its reasons, and every figure."""
    main()
    title, table, reasons, rules, forms = capsys.readouterr().out.strip("\n").split("\n\n")
    assert title == "The article's 2-2-2 sigmoid network, every quantity computed by hand"

    headings, *lines = table.splitlines()
    assert re.split(" {2,}", headings.strip()) == ["the article", "by hand"]
    correct = rounds({f.said_of for f in FIGURES})
    by_hand, marks = {}, {}
    for one, line in zip(FIGURES, lines, strict=True):
        name, printed, by_hand[one.name], *mark = re.split(" {2,}", line)
        assert (name, printed) == (one.name, one.printed)
        assert shows(by_hand[one.name], correct[one.said_of][one.quantity]), name
        assert bool(mark) == bool(one.why), name
        marks.update(dict.fromkeys(mark, one.why))
    facts = {
        "E before": "0.298371109",
        "w1 after": "0.149780716",
        "E after 1 round": "0.291027774",
        "E after 10,000": "0.0000351019",
        "o1 after 10,000": "0.015913620",
        "o2 after 10,000": "0.984064274",
    }
    assert by_hand.items() >= facts.items()

    heading, *lines = reasons.splitlines()
    assert heading == "What the article prints there is"
    first = {one.why: one for one in reversed(FIGURES)}
    assert lines == [f"{mark} {why}: {first[why].digits}" for mark, why in marks.items()]

    headings, *lines = rules.splitlines()[1:]
    assert re.split(" {2,}", headings) == ["rule", "biases", "after 1", "after 10,000"]
    printed_errors = {}
    for line, (rule, biases) in zip(lines, product(RULES, BIASES), strict=True):
        *names, after_1, after_10_000 = line.split()
        assert names == [rule, biases]
        run = rounds({1, 10_000}, rule, biases)
        assert shows(after_1, run[1]["E_total"])
        assert shows(after_10_000, run[10_000]["E_total"])
        printed_errors[rule, biases] = after_1, after_10_000
    assert printed_errors["early", "fixed"][0] == "0.291027924"
    assert printed_errors["simultaneous", "trained"] == ("0.280471447", "0.0000024476")
    assert printed_errors["simultaneous", "shared"] == ("0.285750887", "0.0000043553")

    heading, *lines = forms.splitlines()
    assert heading == "The same round in three forms (learning rate 0.5): E after 1 round"
    for line, (name, form) in zip(lines, FORMS.items(), strict=True):
        own, value = line.split()
        assert own == name
        assert shows(value, next(islice(form(), 1, None))["E_total"])
        assert float(value) == pytest.approx(0.2910277737, abs=5e-11)


def test_manual_imports_nothing_but_numpy() -> None:
    program = (
        "import sys, numpy.random; numpys = set(sys.modules);"
        "import manual, manual.article.walkthrough, manual.article.figures;"
        "new = {m.split('.')[0] for m in set(sys.modules) - numpys};"
        "print(sorted(new - set(sys.stdlib_module_names) - {'numpy'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['manual']"


@pytest.mark.slow
def test_the_whole_trajectory_stays_in_parity() -> None:
    """Within 1e-12 of each other, relative to their own size, at every one of 10,000 rounds."""
    from torch_ref.training.lockstep import Lockstep

    problem = EXPERIMENTS["worked-example"].build(EXPERIMENTS["worked-example"].defaults.resolve())
    pair = Lockstep(problem.network, problem.loss, problem.optimizer)
    x, t = problem.data.x, problem.data.t
    errors = {}
    for n in range(10_000):
        step = pair.step(x, t)
        errors[n] = step.loss
        assert step.report.agrees, step.report
        for row in step.report.rows:
            size = max(abs(row.reference), row.largest_difference)
            assert row.largest_difference <= 1e-12 * size, (n, row)
    assert f"{errors[0]:.9f}" == "0.298371109"
    assert f"{errors[1]:.9f}" == "0.291027774"
    assert f"{errors[9_999]:.10f}" == "0.0000351085"
    output, twin_output, loss, _ = pair.evaluate(x, t)
    assert f"{loss:.10f}" == "0.0000351019"
    assert [f"{o:.9f}" for o in output[0]] == ["0.015913620", "0.984064274"]
    np.testing.assert_allclose(output, twin_output, rtol=1e-12)
