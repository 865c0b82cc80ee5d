"""`python -m tests.mutation`: does a test notice every small change to the by-hand code?

Every change of planting.py is planted in a process of its own, which runs the tests that go through
the changed function, quickest first, until one fails. mutants.py asks another question: which
mistakes of backpropagation does the diagnosis name?
"""

import argparse
import os
import pickle
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from torch_ref.parity.distance import table

from .planting import Mutant, function_of, mutants, plant

LEAST = 0.98  # of what changes anything must be noticed
SECONDS = 40  # for one test; a change that runs on for ever is noticed too
MOST = 2_000  # tests for one mutant, spread over all that go through its function
# Left out: those that look at the tests themselves, or at the diagnosis of others' code.
NOT_ASKED = (
    *("mutants", "mutation", "breaks", "judge", "diagnosis", "browser", "plugin"),
    *("checking", "bundle", "without_longdouble", "readme"),
)

PARITY = "test_parity.py::test_outputs_and_gradients"
MANY, OF_EACH = 400, 60  # of a test with so many cases, about so many are asked

# Changes that change nothing, by place and result, and why.
EQUIVALENT: dict[tuple[str, str, str], str] = {
    ("PReLU.forward", "x > 0", "x >= 0"): "x and w x are both 0 at 0",
}


class Runner:
    """A pytest plugin that runs the collected tests once for each mutant."""

    def __init__(self, chosen: Sequence[Mutant], jobs: int) -> None:
        self.chosen, self.jobs = chosen, jobs
        self.results: dict[Mutant, str] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        asked = sample(session.items)
        through = self.watched(asked)
        print(
            f"{len(self.chosen)} mutants; {len(asked)} of {len(session.items)} tests are asked, "
            f"for one mutant {MOST} at most",
            flush=True,
        )
        signatures = [item for item in asked if "signature" in item.nodeid]  # which call nothing
        waiting = list(self.chosen)[::-1]
        running: dict[int, Mutant] = {}
        while waiting or running:
            while waiting and len(running) < self.jobs:
                mutant = waiting.pop()
                code = function_of(mutant.module, mutant.function, mutant.first).__code__
                own = [*spread(through.get(name_of(code), [])), *signatures]
                running[self.forked(mutant, own)] = mutant
            process, status = os.wait()
            mutant = running.pop(process)
            self.results[mutant] = outcome(status)
            if self.results[mutant] == "not planted":
                raise SystemExit(f"not planted: {mutant}")
            if self.results[mutant] in ("survived", "no test"):
                print(f"{self.results[mutant]}: {mutant}", flush=True)
        return True

    def watched(self, items: Sequence[pytest.Item]) -> dict[str, list[tuple[float, pytest.Item]]]:
        """The tests that go through each function, with the seconds they take, by processes."""
        through: dict[str, list[tuple[float, pytest.Item]]] = defaultdict(list)
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
                for i, seconds, failed, names in pickle.loads(file.read_bytes()):
                    if failed:
                        raise SystemExit(f"without any change there fails {items[i].nodeid}")
                    for name in names if seconds < SECONDS / 8 else ():
                        through[name].append((seconds, items[i]))
        return through

    def forked(self, mutant: Mutant, items: Sequence[pytest.Item]) -> int:
        """Start a process with the change; 0: no test failed, 1: one did, 3: there is none."""
        process = os.fork()
        if process:
            return process
        quiet()
        if not items:
            os._exit(3)
        try:
            plant(mutant)
        except LookupError:
            os._exit(4)
        except Exception:
            os._exit(1)  # it is not even Python, or has no value for a default
        os._exit(int(any(failed(item) for item in items)))


def sample(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The tests to ask: of those with a case for each line of the table, the parity in float64."""
    kinds: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        left_out = any(f"test_{name}" in item.nodeid for name in NOT_ASKED)
        if not left_out:
            kinds[item.nodeid.partition("[")[0]].append(item)
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
    return {0: "survived", 3: "no test", 4: "not planted"}.get(os.WEXITSTATUS(status), "killed")


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


def failed(item: pytest.Item) -> bool:
    """Run one test, its warnings turned to errors as always."""
    reports = Reports()
    item.config.pluginmanager.register(reports)
    signal.alarm(SECONDS)
    item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
    signal.alarm(0)
    item.config.pluginmanager.unregister(reports)
    return reports.failed


def name_of(code: CodeType) -> str:
    return f"{code.co_filename}:{code.co_qualname}"


def watch(item: pytest.Item) -> tuple[float, bool, set[str]]:
    """Run one test: its seconds, whether it failed, and the by-hand functions it goes through."""
    seen: set[CodeType] = set()

    def call(frame: FrameType, event: str, argument: Any) -> None:
        seen.add(frame.f_code)

    start = time.perf_counter()
    sys.settrace(call)
    try:
        wrong = failed(item)
    finally:
        sys.settrace(None)
    names = {name_of(code) for code in seen if "/manual/" in code.co_filename}
    return time.perf_counter() - start, wrong, names


def spread(timed: Sequence[tuple[float, pytest.Item]]) -> list[pytest.Item]:
    """At most so many tests, of every test function in turn, the quickest first."""
    kinds: dict[str, list[tuple[float, pytest.Item]]] = defaultdict(list)
    for seconds, item in sorted(timed, key=lambda pair: pair[0]):
        kinds[item.nodeid.partition("[")[0]].append((seconds, item))

    def in_turn() -> Iterator[pytest.Item]:
        rows = sorted(kinds.values(), key=lambda row: row[0][0])
        for turn in range(max(map(len, rows), default=0)):
            for row in rows:
                # from both ends and the middle: cases of one kind stand beside each other
                if turn < len(row):
                    yield row[(turn * 7919) % len(row)][1]

    return list(dict.fromkeys(in_turn()))[:MOST]


def equivalent(mutant: Mutant) -> bool:
    return (mutant.function, mutant.was, mutant.now) in EQUIVALENT


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
    counts = Counter("equivalent" if equivalent(m) else r for m, r in results.items())
    missed = counts["survived"] + counts["no test"]
    cells = (len(results), len(results) - missed - counts["equivalent"], counts["equivalent"])
    return (name, *map(str, cells), str(missed), f"{share(results):.1%}")


def share(results: dict[Mutant, str]) -> float:
    """Of what is not known to change nothing, what was noticed."""
    asked = [result for mutant, result in results.items() if not equivalent(mutant)]
    missed = sum(result in ("survived", "no test") for result in asked)
    return 1 - missed / max(1, len(asked))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--only", default="", help="files or functions whose name contains this")
    parser.add_argument("--every", type=int, default=1, help="only one in so many")
    parser.add_argument("--first", type=int, default=0, help="the number of the first one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--list", action="store_true", help="name them, and run nothing")
    options = parser.parse_args(argv)
    everything = mutants()
    known = {(m.function, m.was, m.now) for m in everything}
    if stale := [key for key in EQUIVALENT if key not in known]:
        print(f"no such change any more: {stale}", file=sys.stderr)
        return 1
    chosen = [m for m in everything if options.only in f"{m.module} {m.function}"]
    chosen = chosen[options.first :: options.every]
    if options.list:
        print("\n".join(map(str, chosen)))
        return 0
    start = time.monotonic()
    runner = Runner(chosen, options.jobs)
    quietly = ["-qq", "-s", "-n", "0", "-p", "no:cacheprovider", "--assert=plain", "tests"]
    pytest.main(quietly, plugins=[runner])
    print(f"\n{summary(runner.results)}\n\n{time.monotonic() - start:.0f} s")
    return int(len(runner.results) < len(chosen) or share(runner.results) < LEAST)


if __name__ == "__main__":
    raise SystemExit(main())
