"""What goes to TensorBoard, and where.

A run is a directory with an event file for each side, under the same tags so that their curves fall
into one chart, and one for how far the two part. TensorBoard keeps float32 and shows 4.8e-15 as 0:
so differences are taken in float64 before they get here, and what is logged is their log10.
"""

import json
import math
import time
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import scalar

from ..parity.distance import Comparison
from ..safe_files import write_whole
from ..twin import to_numpy
from .curves import Tables
from .lockstep import Lockstep, Step
from .pictures import distances, overlay
from .settings import InterruptedRunError

POINTS = 500  # along each curve; a training step is cheaper than writing a point
FLOOR = -20.0  # shown for zero, which has no logarithm
DISTANCE = "log10 distance"
LARGEST_DISTANCE = f"{DISTANCE}/largest of all"
LOG_LOSS = "Loss/train, log10"
LAYOUT = {  # the tab Custom Scalars
    "By hand and autograd": {
        "loss, log10": ["Multiline", ["Loss/train, log10"]],
        "largest distance of any tensor, log10": ["Multiline", ["log10 distance/largest of all"]],
    },
    "Training": {
        "held out: score": ["Multiline", ["Accuracy/val", "R squared/val"]],
        "held out: loss": ["Multiline", ["Loss/val"]],
        "learning rate": ["Multiline", ["Learning rate/group 0"]],
        "update / weight, log10": ["Multiline", ["Update to weight of all tensors, log10/.*"]],
    },
}
DESCRIPTIONS = {  # of a scalar whose name starts so
    "Loss/train": "The loss of each batch ahead of its step.",
    "Loss/val": "The loss of the held-out samples, in eval mode.",
    "Accuracy/val": "The share of the held-out samples whose highest score is the right class.",
    "R squared/val": "The share of the held-out targets' variance that is explained.",
    DISTANCE: "How far by hand and autograd are apart, beside the tensor's size: log10 of the "
    "largest since the last point. -15.7 is the last bit of float64; -20 stands for 0.",
    "Learning rate/": "What the optimizer takes at this step.",
    "Update to weight": "How far this step moved the weights, beside their size: log10 of the "
    "ratio of the two norms. About -3 is usual.",
}
HISTOGRAMS = 12  # times in a run that weights and gradients are written
FIRST = ("lr", "optimizer", "hidden")  # settings in the table of all runs, before the others
LARGEST_BIN = 1e20  # of a histogram
OVERLAY = "Loss of both/overlay"


class Dashboard:
    """The event files of one run, to be used in a `with` block.

    Args:
        path: the run's directory, see `reserve`.
        settings: saved beside the events as settings.json.
        steps: how many steps the run will have.
        csv: write curves.csv and parity.csv too, in all digits: the event files keep float32.
        after: the step that a run goes on from, if it does: what was written of later ones is void.
    """

    def __init__(
        self, path: Path, settings: dict[str, Any], steps: int, csv: bool = False, after: int = 0
    ) -> None:
        self.path = path
        self.tables = Tables(path, after) if csv else None
        self.after = after
        self.every = max(1, steps // POINTS)
        self.steps = steps
        points = [n for n in range(1, steps + 1) if self.due(n)]
        self.histograms = {
            points[i * (len(points) - 1) // HISTOGRAMS] for i in range(HISTOGRAMS + 1)
        }
        self.described: set[tuple[SummaryWriter, str]] = set()
        self.pictures: dict[str, Figure] = {}
        self.parted: list[tuple[int, float]] = []  # the largest distance at each point
        self.curve: list[tuple[int, float, float]] = []
        self.distances: dict[tuple[str, str], Comparison] = {}  # the largest since the last point
        self.before: dict[str, Any] = {}  # the weights ahead of a step whose update is logged
        self.settings = settings
        text = json.dumps(settings, indent=2) + "\n"
        name = "settings.json"
        write_whole(path / name, lambda new: new.write_text(text, encoding="utf-8"), name)

    def __enter__(self) -> "Dashboard":
        purge = self.after + 1 if self.after else None
        if self.after:
            wait_for_the_next_second(self.path)
        self.manual, self.torch, self.parity = (
            SummaryWriter(str(self.path / side), purge_step=purge)
            for side in ("manual", "torch", "parity")
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.curve and not isinstance(error, InterruptedRunError):  # the run's end has one
            self.parity.add_figure(OVERLAY, overlay(self.curve), self.curve[-1][0])
        for writer in (self.manual, self.torch, self.parity):
            writer.close()
        if self.tables:
            self.tables.close()

    def flush(self) -> None:
        """What was logged is on the disk."""
        for writer in (self.manual, self.torch, self.parity):
            writer.flush()
        if self.tables:
            self.tables.flush()

    def due(self, number: int) -> bool:
        """Whether a point is written at this step."""
        return number % self.every == 0 or number in (1, self.steps)

    def keep_weights(self, pair: Lockstep, number: int) -> None:
        """Keep the weights ahead of a step whose update will be logged."""
        if self.due(number):
            self.before = {name: p.data.copy() for name, p in pair.parameters}

    def log(self, step: Step, pair: Lockstep | None = None) -> None:
        """Take note of a step; every so often a point is written, with the worst since the last."""
        for row in step.report.rows:
            before = self.distances.get((row.kind, row.name))
            if before is None or row.relative > before.relative:
                self.distances[row.kind, row.name] = row
        if not self.due(step.number):
            return
        self.log_both("Loss/train", step.loss, step.torch_loss, step.number)
        self.log_both(LOG_LOSS, log10(step.loss), log10(step.torch_loss), step.number)
        self.curve.append((step.number, step.loss, step.torch_loss))
        for (kind, name), row in self.distances.items():
            self.log_scalar(
                self.parity, f"{DISTANCE}/{kind} {name}", log10(row.relative), step.number
            )
        largest = max(row.relative for row in self.distances.values())
        self.log_scalar(self.parity, LARGEST_DISTANCE, log10(largest), step.number)
        self.parted.append((step.number, largest))
        if self.tables:
            self.tables.log_distances(step.number, self.distances.values())
        self.distances = {}
        if pair is not None:
            self.log_training(pair, step.number)

    def log_training(self, pair: Lockstep, number: int) -> None:
        """Write learning rates and weights' moves; now and then all weights and gradients."""
        for i, (mine, theirs) in enumerate(
            zip(pair.optimizer.param_groups, pair.twin_optimizer.param_groups, strict=True)
        ):
            self.log_both(
                f"Learning rate/group {i}", float(mine["lr"]), float(theirs["lr"]), number
            )
        moves: list[list[float]] = []
        for (name, p), (_, twin) in zip(pair.parameters, pair.twin_parameters, strict=True):
            before = self.before.get(name)
            both = p.data, to_numpy(twin.data)
            if p.requires_grad and before is not None:
                size = float(np.linalg.norm(before)) or 1.0
                moved = [log10(float(np.linalg.norm(w - before)) / size) for w in both]
                self.log_both(f"Update to weight, log10/{name}", moved[0], moved[1], number)
                moves.append(moved)
            if number in self.histograms:
                self.log_histograms(f"Weights/{name}", *both, number)
                self.log_histograms(f"Gradients/{name}", p.grad, to_numpy(twin.grad), number)

        if moves:
            for which, of in (("largest", max), ("smallest", min)):
                tag = f"Update to weight of all tensors, log10/{which}"
                mine, theirs = (of(side) for side in zip(*moves, strict=True))
                self.log_both(tag, mine, theirs, number)

    def log_histograms(self, tag: str, mine: Any, theirs: Any, number: int) -> None:
        """Write one for each side that has numbers, none of them beyond TensorBoard's bins."""
        for side, values in ((self.manual, mine), (self.torch, theirs)):
            if values is not None and (np.abs(values) < LARGEST_BIN).all():
                side.add_histogram(tag, values, number)

    def finish(self, pair: Lockstep, step: Step, x: Any, metrics: dict[str, float]) -> None:
        """Write what stands at the end: the report, the graph, the settings with their metrics.

        Args:
            x: a sample for the graph of the twin.
            metrics: the final ones by name, the same names in every run.
        """
        report = "\n".join(f"    {line}" for line in str(step.report).splitlines())
        heading = f"## By hand against autograd at step {step.number:,}"
        text = f"{heading}\n\nDistances are in units of eps.\n\n{report}"
        self.parity.add_text("Parity at the last step", text, step.number)
        with warnings.catch_warnings():
            # TensorBoard's writer traces the module with torch.jit.trace, which PyTorch deprecates.
            warnings.filterwarnings("ignore", ".*torch.jit.trace", DeprecationWarning)
            # It is drawn for a sample of this shape; that a layer looks at shapes is nothing to it.
            warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)
            self.torch.add_graph(pair.twin, x)
        self.parity.add_hparams(in_table(self.settings), metrics, run_name=".")
        self.parity.add_custom_scalars(LAYOUT)

    def log_picture(self, tag: str, figure: Any, number: int) -> None:
        """Write a figure, of 4 inches at 100 dpi: TensorBoard shows it at half its size."""
        self.pictures[tag] = figure
        self.parity.add_figure(tag, figure, number, close=False)

    def curves(self) -> dict[str, Figure]:
        """What the page of the run shows of its course."""
        return {
            "The loss on both sides, and how far they differ": overlay(self.curve),
            "How far any tensor of the two sides is apart, beside its size": distances(self.parted),
        }

    def log_both(self, tag: str, mine: float, theirs: float, step: int) -> None:
        """Write one point for each side, under one tag."""
        self.log_scalar(self.manual, tag, mine, step)
        self.log_scalar(self.torch, tag, theirs, step)
        if self.tables:
            self.tables.log_both(step, tag, mine, theirs)

    def log_scalar(self, writer: SummaryWriter, tag: str, value: float, step: int) -> None:
        """Write a point; with a side's first one of a tag what it is."""
        about = next((text for start, text in DESCRIPTIONS.items() if tag.startswith(start)), "")
        if not about or (writer, tag) in self.described:
            writer.add_scalar(tag, value, step)
            return
        self.described.add((writer, tag))
        summary = scalar(tag, value)
        summary.value[0].metadata.summary_description = about
        summary.value[0].metadata.plugin_data.plugin_name = "scalars"
        writer._get_file_writer().add_summary(summary, step)


def wait_for_the_next_second(path: Path) -> None:
    """Until the files that are written now come after those that are there.

    TensorBoard reads a run's files in the order of their names, which begin with the second.
    """
    begun = max((int(file.name.split(".")[3]) for file in path.rglob("events.*")), default=0)
    while time.time() < begun + 1:
        time.sleep(0.05)


def in_table(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings as HParams shows them well: whole numbers as text, what there is none of in words.

    TensorBoard writes 32 as 32.000, and an empty setting as None.
    """
    ordered = {key: settings[key] for key in FIRST if key in settings} | settings
    return {
        key: value if isinstance(value, float) else "none" if value is None else written(value)
        for key, value in ordered.items()
    }


def written(value: Any) -> str:
    return "-".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def log10(value: float) -> float:
    """The logarithm of what is not negative, with a floor for zero."""
    return math.log10(value) if value > 0 else FLOOR
