"""What goes to TensorBoard, and where.

A run is a directory with an event file for each side, under the same tags so that their curves fall
into one chart, and one for how far the two part. TensorBoard keeps float32 and shows 4.8e-15 as 0:
so differences are taken in float64 before they get here, and what is logged is their log10.
"""

import json
import math
import os
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter

from .experiments import SettingError
from .lockstep import Step

POINTS = 500  # along each curve; a training step is cheaper than writing a point
FLOOR = -20.0  # shown for zero, which has no logarithm
DISTANCE = "log10 distance"
LARGEST = f"{DISTANCE}/largest of all"
LOG_LOSS = "Loss/train, log10"
OVERLAY = "Loss of both/overlay"


def reserve(logdir: Path, name: str | None, experiment: str) -> Path:
    """Make the run's directory: never one that is there already.

    Args:
        name: its name; None takes the experiment's, numbered if need be.
    Raises:
        SettingError: there is a run of that name, or no directory can be made there.
    """
    names = [name] if name else (f"{experiment}-{n}" if n > 1 else experiment for n in count(1))
    try:
        logdir.mkdir(parents=True, exist_ok=True)
        for candidate in names:
            path = logdir / candidate
            with suppress(FileExistsError):
                path.mkdir()
                return path
    except OSError as error:
        raise SettingError(f"--logdir {logdir}: {error.strerror}") from error
    raise SettingError(f"--name {name}: {path} exists already")


class Dashboard:
    """The event files of one run, to be used in a `with` block.

    Args:
        path: the run's directory, see `reserve`.
        settings: saved beside the events as settings.json.
        steps: how many steps the run will have.
    """

    def __init__(self, path: Path, settings: dict[str, Any], steps: int) -> None:
        self.path = path
        self.every = max(1, steps // POINTS)
        self.steps = steps
        self.curve: list[tuple[int, float, float]] = []
        self.distances: dict[str, float] = {}  # the largest since the last point
        (path / "settings.json").write_text(json.dumps(settings, indent=2) + "\n")

    def __enter__(self) -> "Dashboard":
        self.manual = SummaryWriter(str(self.path / "manual"))
        self.torch = SummaryWriter(str(self.path / "torch"))
        self.parity = SummaryWriter(str(self.path / "parity"))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.curve:
            self.parity.add_figure(OVERLAY, overlay(self.curve), self.curve[-1][0])
        for writer in (self.manual, self.torch, self.parity):
            writer.close()

    def log(self, step: Step) -> None:
        """Take note of a step; every so often a point is written, with the worst since the last."""
        for row in step.report.rows:
            for tag in (f"{DISTANCE}/{row.kind} {row.name}", LARGEST):
                self.distances[tag] = max(self.distances.get(tag, 0.0), row.relative)
        if step.number % self.every and step.number not in (1, self.steps):
            return
        self.both("Loss/train", step.loss, step.torch_loss, step.number)
        self.both(LOG_LOSS, log10(step.loss), log10(step.torch_loss), step.number)
        self.curve.append((step.number, step.loss, step.torch_loss))
        for tag, distance in self.distances.items():
            self.parity.add_scalar(tag, log10(distance), step.number)
        self.distances = {}

    def both(self, tag: str, mine: float, theirs: float, step: int) -> None:
        """One point for each side under the same tag."""
        self.manual.add_scalar(tag, mine, step)
        self.torch.add_scalar(tag, theirs, step)


def overlay(curve: list[tuple[int, float, float]]) -> Figure:
    """Both losses in one chart, which two charts or two equal lines would hide, and their gap.

    Args:
        curve: step, loss by hand, loss by autograd.
    """
    drawable = [point for point in curve if max(map(abs, point[1:])) < 1e30]  # not yet run off
    steps, mine, theirs = zip(*drawable, strict=True) if drawable else ((0,), (0,), (0,))
    gaps = [abs(a - b) for a, b in zip(mine, theirs, strict=True)]
    # TensorBoard shows it at half its size, so little text and all of it large.
    figure = Figure(figsize=(4, 4), dpi=100, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    above.plot(steps, theirs, color="tab:orange", linewidth=8, alpha=0.4, label="autograd")
    above.plot(steps, mine, color="tab:blue", linewidth=2, linestyle="--", label="by hand")
    if min(*mine, *theirs) > 0:
        above.set_yscale("log")
    above.set_title("loss", fontsize=14)
    above.legend(fontsize=14)
    below.plot(steps, [gap or math.nan for gap in gaps], ".", color="tab:red", markersize=4)
    if any(gaps):
        below.set_yscale("log")
    else:
        below.set_yticks([])
        below.text(0.5, 0.5, "none", ha="center", transform=below.transAxes, fontsize=14)
    below.set_title("difference of the two", fontsize=14)
    below.set_xlabel("step", fontsize=14)
    for axes in (above, below):
        axes.tick_params(labelsize=12)
    return figure


def log10(value: float) -> float:
    """The logarithm of what is not negative, with a floor for zero."""
    return math.log10(value) if value > 0 else FLOOR


def beside_python(program: str) -> str:
    """The path of a program that was installed with this Python, as short as it can be typed."""
    path = Path(sys.executable).parent / program
    near = os.path.relpath(path)
    return str(path) if near.startswith("..") else near


def command(logdir: Path) -> str:
    """The command that opens the dashboard, with the TensorBoard that stands beside this Python."""
    return f"{beside_python('tensorboard')} --logdir {logdir}"


def link(name: str) -> str:
    """Where that command shows this run: no smoothing, loss and parity pinned to the top."""
    run = f"defaultExperimentId/{name}/parity"
    pinned = [
        {"plugin": "images", "tag": OVERLAY, "runId": run, "sample": 0},
        {"plugin": "scalars", "tag": LOG_LOSS},
        {"plugin": "scalars", "tag": LARGEST},
    ]
    cards = quote(json.dumps(pinned, separators=(",", ":")))
    return (
        f"http://localhost:6006/?runFilter={quote(f'^{name}/')}&smoothing=0"
        f"&pinnedCards={cards}#timeseries"
    )
