"""What goes to TensorBoard, and where.

A run is a directory with an event file for each side, under the same tags so that their curves fall
into one chart, and one for how far the two part. TensorBoard keeps float32 and shows 4.8e-15 as 0:
so differences are taken in float64 before they get here, and what is logged is their log10.
"""

import json
import math
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch.utils.tensorboard import SummaryWriter

from ..twin import to_numpy
from .lockstep import Lockstep, Step
from .pictures import overlay

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
        "held out": ["Multiline", ["Accuracy/val", "Loss/val"]],
        "learning rate": ["Multiline", ["Learning rate/group 0"]],
        "update / weight, log10": ["Multiline", ["Update to weight, log10/.*"]],
    },
}
HISTOGRAMS = 12  # times in a run that weights and gradients are written
OVERLAY = "Loss of both/overlay"


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
        self.histograms = {1, steps, *range(0, steps, max(1, steps // HISTOGRAMS))}
        self.curve: list[tuple[int, float, float]] = []
        self.distances: dict[str, float] = {}  # the largest since the last point
        self.before: dict[str, Any] = {}  # the weights ahead of a step whose update is logged
        self.settings = settings
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
            for tag in (f"{DISTANCE}/{row.kind} {row.name}", LARGEST_DISTANCE):
                self.distances[tag] = max(self.distances.get(tag, 0.0), row.relative)
        if not self.due(step.number):
            return
        self.log_both("Loss/train", step.loss, step.torch_loss, step.number)
        self.log_both(LOG_LOSS, log10(step.loss), log10(step.torch_loss), step.number)
        self.curve.append((step.number, step.loss, step.torch_loss))
        for tag, distance in self.distances.items():
            self.parity.add_scalar(tag, log10(distance), step.number)
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
        for side, parameters in (
            (self.manual, pair.parameters),
            (self.torch, pair.twin_parameters),
        ):
            for name, p in parameters:
                weights, gradient = to_numpy(p.data), to_numpy(p.grad)
                if p.requires_grad and name in self.before:
                    size = float(np.linalg.norm(self.before[name])) or 1.0
                    moved = float(np.linalg.norm(weights - self.before[name])) / size
                    side.add_scalar(f"Update to weight, log10/{name}", log10(moved), number)
                if number in self.histograms:
                    side.add_histogram(f"Weights/{name}", weights, number)
                    if gradient is not None and np.isfinite(gradient).all():
                        side.add_histogram(f"Gradients/{name}", gradient, number)

    def finish(self, pair: Lockstep, step: Step, x: Any, metrics: dict[str, float]) -> None:
        """Write what stands at the end: the report, the graph, the settings with their metrics.

        Args:
            x: a sample for the graph of the twin.
            metrics: the final ones by name, the same names in every run.
        """
        report = "\n".join(f"    {line}" for line in str(step.report).splitlines())
        text = f"By hand against autograd at step {step.number:,}, in units of eps.\n\n{report}"
        self.parity.add_text("Parity at the last step", text, step.number)
        with warnings.catch_warnings():
            # TensorBoard's writer traces the module with torch.jit.trace, which PyTorch deprecates.
            warnings.filterwarnings("ignore", ".*torch.jit.trace", DeprecationWarning)
            # It is drawn for a sample of this shape; that a layer looks at shapes is nothing to it.
            warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)
            self.torch.add_graph(pair.twin, x)
        plain = {k: v if isinstance(v, int | float) else str(v) for k, v in self.settings.items()}
        self.parity.add_hparams(plain, metrics, run_name=".")
        self.parity.add_custom_scalars(LAYOUT)

    def log_picture(self, tag: str, figure: Any, number: int) -> None:
        """Write a figure, of 4 inches at 100 dpi: TensorBoard shows it at half its size."""
        self.parity.add_figure(tag, figure, number)

    def log_both(self, tag: str, mine: float, theirs: float, step: int) -> None:
        """Write one point for each side, under one tag."""
        self.manual.add_scalar(tag, mine, step)
        self.torch.add_scalar(tag, theirs, step)


def log10(value: float) -> float:
    """The logarithm of what is not negative, with a floor for zero."""
    return math.log10(value) if value > 0 else FLOOR
