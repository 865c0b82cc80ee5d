"""The gradients handed in, and how closely a replay gives them."""

import math
import time

import torch

from .samples import LeafGradients, Sample
from .tape import Edits, Tape, Tensor


class Evidence:
    """The gradients handed in for one sample, what is wrong among them, and the time there is.

    Args:
        tolerance: in eps, what rounding alone explains.
        seconds: how long replays may take in all.

    Attributes:
        order, wrong: the gradients in the order of the backward pass; those that disagree.
        tried, untried: the number of replays; what there was no time for.
    """

    def __init__(self, sample: Sample, tolerance: float, seconds: float) -> None:
        self.sample = sample
        some = next(iter(sample.right.values()))
        self.eps = float(torch.finfo(some.dtype).eps)
        self.allowed = tolerance * self.eps
        self.mine = sample.mine or {}
        self.order = [name for name in sample.tapes[0].order() if name in self.mine]
        self.wrong = self.unexplained(sample.right)
        self.until, self.seconds = time.monotonic() + seconds, seconds
        self.tried = 0
        self.untried = ""

    def distance(self, name: str, planted: LeafGradients, sample: Sample | None = None) -> float:
        """How far a gradient handed in is from a replay's, relative to the replay's size."""
        sample = sample or self.sample
        mine, theirs = (sample.mine or {})[name], planted[name]
        if mine.shape != theirs.shape:
            return math.inf
        if mine.numel() == 0:
            return 0.0
        largest = float((mine - theirs).abs().max())
        scale = float(theirs.abs().max()) or sample.scale
        size = float(sample.right[name].abs().max())
        if max(float(mine.abs().max()), scale) <= self.allowed * size:
            scale = size  # both are zero, but for the rounding of what is no zero when it is right
        return largest / scale if math.isfinite(largest) else math.inf

    def unexplained(self, planted: LeafGradients) -> list[str]:
        """The gradients handed in that a replay does not give, by name."""
        return [name for name in self.order if self.distance(name, planted) > self.allowed]

    def fit(self, planted: LeafGradients, sample: Sample | None = None) -> float | None:
        """The largest distance from a replay of what is wrong; None if it does not give that."""
        worst = 0.0
        for name in self.wrong:
            distance = self.distance(name, planted, sample)
            if not distance <= self.allowed:
                return None
            worst = max(worst, distance)
        return worst

    def spares(self, planted: LeafGradients) -> bool:
        """Whether a replay leaves right what is right. One that does not is a slip in a formula
        for the wrong gradients alone, as where each gradient is written out by itself."""
        return all(
            self.distance(n, planted) <= self.allowed for n in self.order if n not in self.wrong
        )

    def replay(self, tape: Tape, edits: Edits) -> dict[str, Tensor] | None:
        """Replay a tape; None where an operation refuses what a mistake would hand it."""
        self.tried += 1
        try:
            return tape.replay(edits)
        except (RuntimeError, IndexError, ValueError, TypeError):
            # Shapes that do not fit, an option out of range: nobody's code could have run so.
            return None

    def note_if_late(self) -> bool:
        """Whether the time is up; `untried` says so from then on."""
        if time.monotonic() < self.until:
            return False
        self.untried = f"what would have come after {self.seconds:g} s"
        return True
