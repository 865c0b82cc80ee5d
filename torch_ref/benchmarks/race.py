"""All contenders of a workload, in turn, round by round, each in a process of its own.

One machine is never as fast as it was a second ago: other processes, heat. So no contender is timed
from beginning to end: each runs for some milliseconds, then the next one, and again from the first
(A B C A B C …). What slows the machine down for a while slows all of them, and ratios of what was
measured so stand, where times do not.
"""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ..parity.distance import Report, compare
from ..parity.one_pass import Criterion, Quantities, one_pass
from ..safe_files import InputError
from .contenders import BEFORE, contenders_of
from .workloads import WORKLOADS

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@dataclass(frozen=True)
class Conditions:
    """How it is measured.

    Attributes:
        rounds: how often each contender's turn comes.
        turn: seconds that a turn takes, about; at least one step.
        warm_up: seconds that each runs before it counts.
        before: a checkout of this project whose `manual` is one more contender.
        compiled: torch.compile's network is one more.
    """

    rounds: int = 60
    turn: float = 0.02
    warm_up: float = 0.5
    threads: int = 1
    before: Path | None = None
    compiled: bool = False


@dataclass
class Lane:
    """What came of one contender.

    Attributes:
        seconds: for one step, of each round.
        memory: how many bytes more than idle its process held at most; None if that is not known.
        report: its loss and gradients beside those by hand.
        failure: why it could not run.
    """

    name: str
    seconds: list[float] = field(default_factory=list)
    memory: int | None = None
    report: Report = field(default_factory=Report)
    failure: str = ""

    def share(self, part: float) -> float:
        """The time of a step that is not reached in so many percent of the rounds."""
        return float(np.percentile(self.seconds, part))


class Racer:
    """A contender's process, seen from here.

    Raises:
        InputError: it ended before it answered; what it said last.
    """

    def __init__(self, workload: str, name: str, conditions: Conditions, results: Path) -> None:
        asked = {
            "workload": workload,
            "contender": name,
            "threads": conditions.threads,
            "results": str(results),
            "manual": str(conditions.before) if name == BEFORE else "",
        }
        self.errors = results.with_suffix(".err").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "torch_ref.benchmarks.worker", json.dumps(asked)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env={**os.environ, **dict.fromkeys(THREADS, str(conditions.threads))},
        )

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            last = self.errors.read().strip().splitlines()[-1:]
            raise InputError(last[0] if last else f"it ended with {self.process.returncode}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, line: Any) -> Any:
        """The one value of its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        (value,) = self.hear().values()
        return value

    def __enter__(self) -> "Racer":
        return self

    def __exit__(self, *error: Any) -> None:
        self.process.kill()
        self.process.communicate()
        self.errors.close()


def read(path: Path) -> Quantities:
    """The loss and gradients that a contender wrote."""
    with np.load(path) as stored:
        return {("output" if n == "loss" else "gradient", n): stored[n] for n in stored.files}


def compared(workload: str, results: Path) -> Report:
    """A contender's loss and gradients beside those of this package; see parity/."""
    task = WORKLOADS[workload].task()
    x, t = task.batches[0]
    criterion = Criterion(task.loss, t)
    passed = one_pass(task.network.without_input_gradient(), [x], criterion)
    names = dict(task.network.named_parameters())
    mine: Quantities = {("gradient", n): passed.gradients.get(n) for n in names}
    mine = {key: gradient for key, gradient in mine.items() if gradient is not None}
    mine["output", "loss"] = np.asarray(criterion.value)
    upstream = max(float(np.abs(g).max()) for g in passed.upstream)
    return compare(mine, read(results), passed.allowed, upstream)


def race(workload: str, conditions: Conditions) -> list[Lane]:
    """Every contender of a workload: those that could not run, or disagree, have no times."""
    names = contenders_of(WORKLOADS[workload], conditions.before is not None, conditions.compiled)
    lanes = [Lane(name) for name in names]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        files = [folder / f"{i}.npz" for i in range(len(lanes))]
        started = [  # all at once: PyTorch takes seconds to load
            stack.enter_context(Racer(workload, lane.name, conditions, results))
            for lane, results in zip(lanes, files, strict=True)
        ]
        for lane, racer, results in zip(lanes, started, files, strict=True):
            try:
                racer.hear()
            except InputError as error:
                lane.failure = str(error)
            else:
                lane.report = compared(workload, results)
        racers = [
            (lane, racer, warmed_up(racer, conditions))
            for lane, racer in zip(lanes, started, strict=True)
            if lane.report.agrees and not lane.failure
        ]
        rounds = tqdm(range(conditions.rounds), desc=workload, disable=None, leave=False)
        for _ in rounds:
            for lane, racer, steps in racers:
                lane.seconds.append(racer.ask(steps) / steps)
        for lane, racer, _ in racers:
            lane.memory = racer.ask("memory")
    return lanes


def warmed_up(racer: Racer, conditions: Conditions) -> int:
    """How many steps a turn has."""
    steps, seconds, spent = 1, float(racer.ask(1)), 0.0
    while spent < conditions.warm_up:
        steps = max(1, round(conditions.turn * steps / seconds))
        seconds = float(racer.ask(steps))
        spent += max(seconds, 1e-3)
    return steps
