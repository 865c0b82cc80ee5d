"""The gradients handed in, and how closely a replay gives them."""

import math
from collections.abc import Mapping, Sequence

import torch

from .operations import Edits, Tensor
from .parts import sizes_of_parts
from .samples import LeafGradients, Sample
from .side_by_side import replay_many
from .tape import Tape

SIDE_BY_SIDE = 8  # as many replays at once are the work of one
NEARLY_ZERO = 1e-10  # of the upstream gradient's size: so small a gradient may be zero
ROUNDED_OTHERWISE = 1e3  # replays at once round in another order: so much looser is the first look


class Evidence:
    """The gradients handed in for one sample, what is wrong among them, and the work there may be.

    Args:
        tolerance: in eps, what rounding alone explains.
        work: how much replays may take in all, see `Tape.work`.

    Attributes:
        order, wrong: the gradients in the order of the backward pass; those that disagree.
        tried, untried: the number of replays; what would have been too much work.
    """

    def __init__(self, sample: Sample, tolerance: float, work: float) -> None:
        self.sample = sample
        some = next(iter(sample.right.values()))
        self.eps = float(torch.finfo(some.dtype).eps)
        self.allowed = tolerance * self.eps
        self.mine = sample.mine or {}
        self.order = [name for name in sample.tapes[0].order() if name in self.mine]
        self.parts: dict[int, Mapping[str, float]] = {}  # by the sample's `id`, once asked for
        self.wrong = self.unexplained(sample.right)
        self.work, self.limit = 0.0, work
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
        size = self.size(name, sample)
        if max(float(mine.abs().max()), scale) <= self.allowed * size:
            scale = size  # both are zero, but for the rounding of what is no zero when it is right
        return largest / scale if math.isfinite(largest) else math.inf

    def size(self, name: str, sample: Sample) -> float:
        """How large a right gradient is; one that is zero, how large the parts are that cancel."""
        size = float(sample.right[name].abs().max())
        if not 0 < size <= NEARLY_ZERO * sample.scale:
            return size
        if id(sample) not in self.parts:
            self.parts[id(sample)] = sizes_of_parts(sample.tapes[0])
        parts = self.parts[id(sample)][name]
        return parts if size <= self.allowed * parts else size

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
        self.work += tape.work(edits)
        try:
            return tape.replay(edits)
        except (RuntimeError, IndexError, ValueError, TypeError):
            # Shapes that do not fit, an option out of range: nobody's code could have run so.
            return None

    def may_fit(self, tape: Tape, several: Sequence[Edits], names: Sequence[str]) -> list[int]:
        """Which of several mistakes may give what was handed in of these names, but for rounding.

        They are planted side by side, which is much less work than a replay of each.
        """
        self.tried += len(several)
        self.work += sum(tape.work(edits) for edits in several) / SIDE_BY_SIDE
        gradients, unsure = replay_many(tape, several)
        close = torch.ones(len(several), dtype=torch.bool)
        for name in names:
            rows, mine, right = gradients[name], self.mine[name], self.sample.right[name]
            if mine.shape != right.shape or not mine.numel():
                continue
            far = (rows - mine).abs().reshape(len(rows), -1).amax(1)
            size = rows.abs().reshape(len(rows), -1).amax(1).clamp(min=float(mine.abs().max()))
            size = size.clamp(min=float(right.abs().max()))
            close &= far <= ROUNDED_OTHERWISE * self.allowed * size
        return sorted({*close.nonzero().reshape(-1).tolist(), *unsure})

    @property
    def is_spent(self) -> bool:
        """Whether there was as much work as there may be; `untried` says so from then on."""
        if self.work < self.limit:
            return False
        self.untried = f"what would have come after {self.tried:,} replays"
        return True
