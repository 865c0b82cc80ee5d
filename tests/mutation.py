"""`python -m tests.mutation`: does a test notice every small change to the by-hand code?

Every change of planting.py is planted in a process of its own, which runs tests that go through the
changed function until one fails: first a part of them, then, if none did, all others. Only what no
test notices counts as not noticed; what can change nothing is listed, with the reason.

mutants.py asks another question: which mistakes of backpropagation does the diagnosis name?
"""

import argparse
import gc
import json
import math
import os
import pickle
import random
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from torch_ref.parity.distance import table

from .planting import Mutant, function_of, inner, mutants, plant

LEAST = 0.98  # of what changes anything must be noticed
SECONDS = 40  # for one test; a change that runs on for ever is noticed too
SLOW = 5  # a test that takes longer is asked last, and has longer
LONGEST = 600  # for one test without any change
MOST = 400  # tests for one mutant in the first round, of all that go through its function
# Left out: those that look at the tests themselves, or at the diagnosis of others' code.
NEVER_ASKED = ("mutants", "mutation", "breaks", "judge", "diagnosis", "browser", "plugin", "readme")
ASKED_LAST = ("checking", "bundle", "without_longdouble")

PARITY = "test_parity.py::test_outputs_and_gradients"
MANY, OF_EACH = 400, 60  # of a test with so many cases, about so many are asked at first

# Changes that no input shows, by function, kind, and text without and with it; and why.
Key = tuple[str, str, str, str]
BRANCHES = "both branches are 0 there"
MASKED = "what this changes is not used where it differs"
LAST_BIT = "the results are equal but for their last bits, which nothing promises"
LEFT_OVER = "NumPy takes any negative length for the one that is left"
NO_KIND = "no dtype is of the kind ?"
ONLY_SPEED = "it does the same with more work, or more or less of it at a time"
EQUIVALENT: dict[Key, str] = {
    # ---- at one point, where both ways lead to the same
    (
        "ELU.value",
        "comparison",
        "np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0)))",
        "np.where(x >= 0, x, self.alpha * np.expm1(np.minimum(x, 0)))",
    ): BRANCHES,
    (
        "CELU.value",
        "comparison",
        "np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0) / self.alpha))",
        "np.where(x >= 0, x, self.alpha * np.expm1(np.minimum(x, 0) / self.alpha))",
    ): BRANCHES,
    (
        "SELU.value",
        "comparison",
        "np.where(x > 0, x, self.ALPHA * np.expm1(np.minimum(x, 0)))",
        "np.where(x >= 0, x, self.ALPHA * np.expm1(np.minimum(x, 0)))",
    ): BRANCHES,
    (
        "Softshrink.value",
        "comparison",
        "np.where(x > self.lambd, x - self.lambd, np.minimum(x + self.lambd, 0))",
        "np.where(x >= self.lambd, x - self.lambd, np.minimum(x + self.lambd, 0))",
    ): BRANCHES,
    ("cubic", "comparison", "d <= 1", "d < 1"): BRANCHES,
    (
        "cubic",
        "comparison",
        "((a * d - 5 * a) * d + 8 * a) * d - 4 * a if d < 2 else 0 * d",
        "((a * d - 5 * a) * d + 8 * a) * d - 4 * a if d <= 2 else 0 * d",
    ): BRANCHES,
    (
        "PReLU.backward",
        "comparison",
        "np.where(x > 0, 0, x)",
        "np.where(x >= 0, 0, x)",
    ): BRANCHES,
    (
        "MultiMarginLoss.forward",
        "comparison",
        "rivals & (z > 0)",
        "rivals & (z >= 0)",
    ): BRANCHES,
    (
        "MultiLabelMarginLoss.forward",
        "comparison",
        "(pairs > 0) & (lead < 1)",
        "(pairs > 0) & (lead <= 1)",
    ): BRANCHES,
    (
        "HuberLoss.loss",
        "comparison",
        "np.where(size <= self.delta, size * size / 2, self.delta * (size - self.delta / 2))",
        "np.where(size < self.delta, size * size / 2, self.delta * (size - self.delta / 2))",
    ): "both branches are δ²/2 there, to the last bit",
    (
        "SmoothL1Loss.loss",
        "comparison",
        "near = size < self.beta",
        "near = size <= self.beta",
    ): "both branches are β/2 there, but for the last bit",
    (
        "CrossEntropyLoss.forward",
        "condition false",
        "not likely and (not self.label_smoothing)",
        "False",
    ): "without smoothing 0 is added",
    (
        "CyclicLR.next",
        "comparison",
        "rising = x <= self.step_ratio",
        "rising = x < self.step_ratio",
    ): "at the top the height is 1 on either side",
    # ---- where a mask leaves it out
    ("SmoothL1Loss.loss", "number", "2 * self.beta or 1", "2 * self.beta or 2"): MASKED,
    ("SELU.value", "number", "np.minimum(x, 0)", "np.minimum(x, 1)"): MASKED,
    ("SELU.derivative", "number", "np.minimum(x, 0)", "np.minimum(x, 1)"): MASKED,
    ("Hardswish.derivative", "number", "np.clip(x, -3, 3)", "np.clip(x, -3, 4)"): MASKED,
    ("Hardswish.derivative", "number", "np.clip(x, -3, 3)", "np.clip(x, -4, 3)"): MASKED,
    ("PoissonNLLLoss.loss", "comparison", "np.where(t > 1, t, 1)", "np.where(t >= 1, t, 1)"): (
        "either way 1 at 1"
    ),
    ("PoissonNLLLoss.loss", "number", "np.where(t > 1, t, 1)", "np.where(t > 1, t, 2)"): MASKED,
    (
        "PoissonNLLLoss.target_slope",
        "comparison",
        "np.where(t > 1, t, 1)",
        "np.where(t >= 1, t, 1)",
    ): "either way 1 at 1",
    ("PoissonNLLLoss.target_slope", "number", "np.where(t > 1, t, 1)", "np.where(t > 1, t, 2)"): (
        MASKED
    ),
    ("normal_cdf", "number", "np.clip(z, -2, 2)", "np.clip(z, -2, 3)"): MASKED,
    ("normal_cdf", "number", "np.clip(z, -2, 2)", "np.clip(z, -3, 2)"): MASKED,
    ("normal_cdf", "number", "np.clip(np.abs(z), 2, 160)", "np.clip(np.abs(z), 2, 161)"): (
        "the density is 0 in every dtype from there on"
    ),
    # ---- in the last bits
    (
        "normal_cdf",
        "comparison",
        "np.where(z < -2, tail, np.where(z > 2, 1 - tail, near))",
        "np.where(z <= -2, tail, np.where(z > 2, 1 - tail, near))",
    ): LAST_BIT,
    (
        "normal_cdf",
        "comparison",
        "np.where(z > 2, 1 - tail, near)",
        "np.where(z >= 2, 1 - tail, near)",
    ): LAST_BIT,
    ("normal_cdf", "number", "range(100, 0, -1)", "range(101, 0, -1)"): LAST_BIT,
    (
        "erf",
        "comparison",
        "np.any(term > total * (np.finfo(x.dtype).eps / 4))",
        "np.any(term >= total * (np.finfo(x.dtype).eps / 4))",
    ): LAST_BIT,
    ("erf", "operator", "np.finfo(x.dtype).eps / 4", "np.finfo(x.dtype).eps * 4"): LAST_BIT,
    ("erf", "number", "np.finfo(x.dtype).eps / 4", "np.finfo(x.dtype).eps / 5"): LAST_BIT,
    (
        "fused",
        "comparison",
        "u.dtype != np.float64 or abs(scale) > 1e+290",
        "u.dtype != np.float64 or abs(scale) >= 1e+290",
    ): LAST_BIT,
    (
        "fused",
        "number",
        "u.dtype != np.float64 or abs(scale) > 1e+290",
        "u.dtype != np.float64 or abs(scale) > 2e+290",
    ): LAST_BIT,
    ("p_distance", "condition false", "p == 2", "False"): LAST_BIT,
    # ---- in how NumPy is told
    (
        "Linear.backward",
        "number",
        "g.reshape(-1, self.out_features)",
        "g.reshape(-2, self.out_features)",
    ): LEFT_OVER,
    (
        "Linear.backward",
        "number",
        "x.reshape(-1, self.in_features)",
        "x.reshape(-2, self.in_features)",
    ): LEFT_OVER,
    (
        "Bilinear.backward",
        "number",
        "g.reshape(-1, self.out_features)",
        "g.reshape(-2, self.out_features)",
    ): LEFT_OVER,
    (
        "AdaptiveMaxPool.forward",
        "number",
        "x[share].reshape(-1, *x.shape[-2:])",
        "x[share].reshape(-2, *x.shape[-2:])",
    ): LEFT_OVER,
    (
        "placed",
        "number",
        "values.reshape(-1, *columns)",
        "values.reshape(-2, *columns)",
    ): LEFT_OVER,
    (
        "placed",
        "number",
        "numbers.reshape(-1, *columns)",
        "numbers.reshape(-2, *columns)",
    ): LEFT_OVER,
    (
        "MaxUnpool.backward",
        "number",
        "inward(g, self.AXES).reshape(-1, *rows.shape[-2:])",
        "inward(g, self.AXES).reshape(-2, *rows.shape[-2:])",
    ): LEFT_OVER,
    (
        "TorchGenerator.random",
        "number",
        "self.bit_generator.random_raw(2 * count).reshape(-1, 2)",
        "self.bit_generator.random_raw(2 * count).reshape(-2, 2)",
    ): LEFT_OVER,
    (
        "TorchGenerator.__init__",
        "keyword",
        "np.random.RandomState(seed & 4294967295).get_state(legacy=False)",
        "np.random.RandomState(seed & 4294967295).get_state()",
    ): "the twister takes either form of a state",
    (
        "TorchGenerator.__init__",
        "boolean",
        "np.random.RandomState(seed & 4294967295).get_state(legacy=False)",
        "np.random.RandomState(seed & 4294967295).get_state(legacy=True)",
    ): "the twister takes either form of a state",
    (
        "NLLLoss.check_classes",
        "text",
        "target.dtype.kind in 'iu'",
        "target.dtype.kind in 'iu?'",
    ): NO_KIND,
    ("numbers_like", "text", "target.dtype.kind in 'iu'", "target.dtype.kind in 'iu?'"): NO_KIND,
    (
        "check_description",
        "text",
        "d.t.shape != (len(d.x),) or d.t.dtype.kind not in 'iu'",
        "d.t.shape != (len(d.x),) or d.t.dtype.kind not in 'iu?'",
    ): NO_KIND,
    (
        "Tree.__setattr__",
        "text",
        "isinstance(value, np.generic) and value.dtype.kind in 'fiub'",
        "isinstance(value, np.generic) and value.dtype.kind in 'fiub?'",
    ): NO_KIND,
    (
        "Tree.load_state_dict",
        "text",
        "values.dtype.kind not in 'fiub'",
        "values.dtype.kind not in 'fiub?'",
    ): NO_KIND,
    ("Module.check_indices", "text", "x.dtype.kind not in 'iu'", "x.dtype.kind not in 'iu?'"): (
        NO_KIND
    ),
    # ---- in what cancels, and in what is only done faster
    (
        "matrix",
        "operator",
        "row[min(max(j, 0), n - 1)] += cubic(place - j)",
        "row[min(max(j, 0), n - 1)] -= cubic(place - j)",
    ): "there are two such matrices, and their signs cancel",
    ("Windows.overlaps", "unary", "-(-k // s)", "-k // s"): (
        "there are two such factors, and their signs cancel"
    ),
    ("Windows.fold", "number", "2 * p", "3 * p"): "of the wider border nothing is taken",
    ("matrix", "number", "first + 3", "first + 4"): "the weight of what is more than 2 away is 0",
    (
        "Upsample.sizes",
        "number",
        "(n - 1) / (m - 1) if m > 1 else 0",
        "(n - 1) / (m - 1) if m > 1 else 1",
    ): "of a single output, the first, 0 steps are taken",
    ("pad", "condition false", "not any(map(any, widths))", "False"): ONLY_SPEED,
    ("bordered", "condition false", "not any(map(any, widths))", "False"): ONLY_SPEED,
    ("Padding.forward", "condition true", "np.may_share_memory(x, y)", "True"): ONLY_SPEED,
    # ---- in what is thrown away
    (
        "ReduceLROnPlateau.cut",
        "text",
        "self.per_group('min_lr', self.default_min_lr)",
        "self.per_group('min_lr?', self.default_min_lr)",
    ): "one value for all groups always fits, and its name is not said",
    ("Parameter.move_to", "condition true", "self._has_grad", "True"): (
        "what is copied counts as no gradient, and is overwritten by the first"
    ),
    (
        "Dropout.forward",
        "number",
        "1 - self.p if self.p < 1 else 1",
        "1 - self.p if self.p < 1 else 2",
    ): "nothing is kept there to be scaled",
    ("_restore", "number", "TorchGenerator(0)", "TorchGenerator(1)"): "its state is replaced",
    ("rounds", "number", "max(wanted) + 1", "max(wanted) + 2"): "one more is run, and not kept",
}

Item = pytest.Item
Timed = tuple[float, Item]  # the seconds that a test takes, and the test


class Runner:
    """A pytest plugin that runs the collected tests for each mutant, in two rounds.

    The first asks a sample of the tests. What that does not notice is asked again, by every other
    test that goes through the changed function.

    Args:
        kept: a file to which each result is added, and from which an earlier run's are taken: what
            was noticed then is not asked again.
    """

    def __init__(self, chosen: Sequence[Mutant], jobs: int, kept: Path | None = None) -> None:
        self.chosen, self.jobs, self.kept = chosen, jobs, kept
        self.results: dict[Mutant, str] = {}
        self.noticed: Counter[tuple[str, str]] = Counter()  # changes, by file and test function
        if kept is not None and kept.exists():
            lines = map(json.loads, kept.read_text("utf-8").splitlines())
            known = {tuple(place): result for *place, result in lines}
            found = {mutant: known.get(place_of(mutant), "survived") for mutant in chosen}
            self.results = {
                mutant: result
                for mutant, result in found.items()
                if not unnoticed(result) or (place_of(mutant) in known and mutant.key in EQUIVALENT)
            }

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = [item for item in session.items if not is_of(item, NEVER_ASKED)]
        asked = sample(items)
        print(
            f"{len(self.chosen)} mutants; {len(asked)} of {len(items)} tests are asked first, "
            f"for one mutant {MOST} at most",
            flush=True,
        )
        through = self.watched(asked)
        signatures = [(0.0, item) for item in asked if "signature" in item.nodeid]  # call nothing
        first: dict[Mutant, list[Timed]] = {}
        orders: dict[str, list[Timed]] = {}  # of the tests of each function
        for mutant in self.chosen:
            name = changed(mutant)[0]
            if name not in orders:
                quick = [timed for timed in reaching(mutant, through) if timed[0] < SLOW]
                orders[name] = [*spread(quick)[:MOST], *signatures]
            if mutant not in self.results:
                first[mutant] = orders[name]
        self.round(first, "to be asked again")
        again = [m for m, r in self.results.items() if unnoticed(r) and not equivalent(m, r)]
        if again:
            print(f"{len(again)} are asked again, by all tests", flush=True)
            known = set(asked)
            more = self.watched([item for item in items if item not in known])
            second: dict[Mutant, list[Timed]] = {}
            for mutant in again:
                before = {item for _, item in first[mutant]}
                everyone = [*reaching(mutant, through), *reaching(mutant, more)]
                rest = [timed for timed in everyone if timed[1] not in before]
                slow = sorted((r for r in rest if r[0] >= SLOW), key=lambda timed: timed[0])
                second[mutant] = [*spread([r for r in rest if r[0] < SLOW]), *slow]
            self.round(second, "survived")
        for mutant in refuted(self.results):
            print(f"not equivalent: {mutant}")
        return True

    def round(self, tests: dict[Mutant, list[Timed]], label: str) -> None:
        """Each mutant with its tests, in a process of its own; what survives is printed."""
        waiting = list(tests)[::-1]
        running: dict[int, tuple[Mutant, int]] = {}
        gc.collect()
        gc.freeze()  # else every process copies the memory of all tests to look for garbage
        while waiting or running:
            while waiting and len(running) < self.jobs:
                mutant = waiting.pop()
                process, told = self.forked(mutant, self.best_first(mutant, tests[mutant]))
                running[process] = mutant, told
            process, status = os.wait()
            mutant, told = running.pop(process)
            with os.fdopen(told) as by:
                self.noticed[mutant.module, by.read()] += 1
            result = outcome(status)
            if result == "not planted":
                raise SystemExit(f"not planted: {mutant}")
            if unnoticed(result) and not equivalent(mutant, result):
                print(f"{label}: {mutant}", flush=True)
            self.results[mutant] = result
            if self.kept is not None:
                with self.kept.open("a", encoding="utf-8") as file:
                    file.write(json.dumps([*place_of(mutant), result]) + "\n")
        gc.unfreeze()

    def best_first(self, mutant: Mutant, tests: Sequence[Timed]) -> list[Timed]:
        """The tests, a few of those first that have noticed most of the file's other changes."""
        counts = {name: n for (module, name), n in self.noticed.items() if module == mutant.module}
        seen: Counter[str] = Counter()
        ahead: list[Timed] = []
        for timed in tests:
            name = name_of_test(timed[1])
            seen[name] += 1
            if counts.get(name) and seen[name] <= 3:
                ahead.append(timed)
        ahead.sort(key=lambda timed: -counts[name_of_test(timed[1])])
        known = {item for _, item in ahead}
        return [*ahead, *(timed for timed in tests if timed[1] not in known)]

    def watched(self, items: Sequence[Item]) -> dict[str, list[Timed]]:
        """The tests that go through each function, with the seconds they take, by processes."""
        through: dict[str, list[Timed]] = defaultdict(list)
        with tempfile.TemporaryDirectory() as directory:
            processes = []
            for part in range(self.jobs):
                file = Path(directory) / str(part)
                process = os.fork()
                if not process:
                    quiet()
                    own = range(part, len(items), self.jobs)
                    file.write_bytes(pickle.dumps([(i, *watch(items[i])) for i in own]))
                    os._exit(0)
                processes.append((process, file))
            for process, file in processes:
                os.waitpid(process, 0)
                for i, seconds, wrong, names in pickle.loads(file.read_bytes()):
                    if wrong:
                        raise SystemExit(f"without any change there fails {items[i].nodeid}")
                    for name in names:
                        through[name].append((seconds, items[i]))
        return through

    def forked(self, mutant: Mutant, tests: Sequence[Timed]) -> tuple[int, int]:
        """Start a process with the change; 0: no test failed, 1: one did, 4: it is no change.

        Returns:
            The process, and where it writes the name of the test that failed.
        """
        told, tell = os.pipe()
        process = os.fork()
        if process:
            os.close(tell)
            return process, told
        quiet()
        try:
            plant(mutant)
        except LookupError:
            os._exit(4)
        except Exception:
            os._exit(1)  # it is not even Python, or has no value for a default
        for seconds, item in tests:
            if failed(item, 8 * seconds):
                os.write(tell, name_of_test(item).encode())
                os._exit(1)
        os._exit(0)


def is_of(item: Item, files: Sequence[str]) -> bool:
    """Whether it stands in one of these files of tests."""
    return any(f"test_{name}.py" in item.nodeid for name in files)


def sample(items: Sequence[Item]) -> list[Item]:
    """The tests to ask: of those with a case for each line of the table, the parity in float64."""
    kinds: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if not is_of(item, ASKED_LAST):
            kinds[name_of_test(item)].append(item)
    asked = []
    for name, own in kinds.items():
        if name.endswith(PARITY):
            asked += [item for item in own if "float64" in item.nodeid]
        else:
            asked += own if len(own) < MANY else own[:: -(-len(own) // OF_EACH)]
    return asked


def outcome(status: int) -> str:
    if os.WIFSIGNALED(status):
        return "hangs" if os.WTERMSIG(status) == signal.SIGALRM else "crashes"
    return {0: "survived", 4: "not planted"}.get(os.WEXITSTATUS(status), "killed")


def unnoticed(result: str) -> bool:
    return result == "survived"


def changed(mutant: Mutant) -> list[str]:
    """The names of the function that it changes, and of those within."""
    code = function_of(mutant.module, mutant.function, mutant.first).__code__
    return [name_of(one) for one in (code, *inner(code))]


def reaching(mutant: Mutant, through: dict[str, list[Timed]]) -> list[Timed]:
    """The tests that go through what it changes."""
    found = {item: seconds for name in changed(mutant) for seconds, item in through.get(name, ())}
    return [(seconds, item) for item, seconds in found.items()]


def quiet() -> None:
    """What a changed program prints is of no interest."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


class Reports:
    """Whether any test failed."""

    failed = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed |= report.failed


def failed(item: Item, seconds: float = 0) -> bool:
    """Run one test, its warnings turned to errors as always; in `SECONDS`, or as long as given."""
    reports = Reports()
    item.config.pluginmanager.register(reports)
    signal.alarm(max(SECONDS, math.ceil(seconds)))
    item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
    signal.alarm(0)
    item.config.pluginmanager.unregister(reports)
    return reports.failed


def place_of(mutant: Mutant) -> tuple[str | int, ...]:
    """What tells it from all others, wherever in its file the function stands."""
    return mutant.module, mutant.number, mutant.variant, *mutant.key


def name_of_test(item: Item) -> str:
    """The test function's."""
    return item.nodeid.partition("[")[0]


def name_of(code: CodeType) -> str:
    return f"{code.co_filename}:{code.co_qualname}"


def watch(item: Item) -> tuple[float, bool, set[str]]:
    """Run one test: its seconds, whether it failed, and the by-hand functions it goes through."""
    seen: set[CodeType] = set()

    def call(frame: FrameType, event: str, argument: Any) -> None:
        seen.add(frame.f_code)

    start = time.perf_counter()
    sys.settrace(call)
    try:
        wrong = failed(item, LONGEST)
    finally:
        sys.settrace(None)
    names = {name_of(code) for code in seen if "/manual/" in code.co_filename}
    return time.perf_counter() - start, wrong, names


def spread(tests: Sequence[Timed]) -> list[Timed]:
    """The tests in another order: one of every test function in turn, of the quickest first."""
    kinds: dict[str, list[Timed]] = defaultdict(list)
    for timed in sorted(tests, key=lambda timed: timed[0]):
        kinds[name_of_test(timed[1])].append(timed)
    rows = sorted(kinds.values(), key=lambda row: row[0][0])
    for row in rows:
        random.Random(0).shuffle(row)  # cases of one kind stand beside each other
    in_turn = zip_longest(*rows)
    return [timed for turn in in_turn for timed in turn if timed is not None]


def equivalent(mutant: Mutant, result: str) -> bool:
    """Whether it survived because it changes nothing."""
    return unnoticed(result) and mutant.key in EQUIVALENT


def refuted(results: dict[Mutant, str]) -> list[Mutant]:
    """What is said to change nothing, and a test noticed: the reason given is wrong."""
    survivors = {mutant.key for mutant, result in results.items() if unnoticed(result)}
    return [m for m in results if m.key in EQUIVALENT and m.key not in survivors]


def summary(results: dict[Mutant, str]) -> str:
    """The table: by file, and by kind of change."""
    rows: list[tuple[str, ...]] = [("", "mutants", "noticed", "equivalent", "not noticed", "share")]
    for label in ("module", "kind"):
        for value in sorted({getattr(mutant, label) for mutant in results}):
            rows.append(
                row(value, {m: r for m, r in results.items() if getattr(m, label) == value})
            )
    rows.append(row("all", results))
    return table(rows)


def row(name: str, results: dict[Mutant, str]) -> tuple[str, ...]:
    known = sum(equivalent(mutant, result) for mutant, result in results.items())
    missed = sum(map(unnoticed, results.values())) - known
    cells = (len(results), len(results) - known - missed, known, missed)
    return (name, *map(str, cells), f"{share(results):.1%}")


def share(results: dict[Mutant, str]) -> float:
    """Of what is not known to change nothing, what was noticed."""
    asked = [result for mutant, result in results.items() if not equivalent(mutant, result)]
    return 1 - sum(map(unnoticed, asked)) / max(1, len(asked))


def stale(everything: Sequence[Mutant]) -> list[Key]:
    """What EQUIVALENT names and is no change of today's source."""
    keys = {mutant.key for mutant in everything}
    return [key for key in EQUIVALENT if key not in keys]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--only", default="", help="files or functions whose name contains this")
    parser.add_argument("--every", type=int, default=1, help="only one in so many")
    parser.add_argument("--first", type=int, default=0, help="the number of the first one")
    parser.add_argument("--of", help="only those that this file names: an earlier run's output")
    parser.add_argument("--keep", type=Path, help="a file of results, to go on from later")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--list", action="store_true", help="name them, and run nothing")
    options = parser.parse_args(argv)
    everything = mutants()
    if gone := stale(everything):
        print(f"no such change any more: {gone}", file=sys.stderr)
        return 1
    chosen = [m for m in everything if options.only in f"{m.module} {m.function}"]
    chosen = chosen[options.first :: options.every]
    if options.of:
        lines = Path(options.of).read_text("utf-8").splitlines()
        named = {line.partition(": ")[2] for line in lines}
        chosen = [m for m in chosen if str(m) in named]
    if options.list:
        print("\n".join(map(str, chosen)))
        return 0
    start = time.monotonic()
    runner = Runner(chosen, options.jobs, options.keep)
    quietly = ["-qq", "-s", "-n", "0", "-p", "no:cacheprovider", "--assert=plain", "tests"]
    pytest.main(quietly, plugins=[runner])
    print(f"\n{summary(runner.results)}\n\n{time.monotonic() - start:.0f} s")
    everyone = len(runner.results) == len(chosen)
    good = everyone and share(runner.results) >= LEAST and not refuted(runner.results)
    return int(not good)


if __name__ == "__main__":
    raise SystemExit(main())
