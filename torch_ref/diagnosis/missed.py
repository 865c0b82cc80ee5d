"""Which mistakes a test would not see: planted into the reference, they change nothing there.

A mistake that changes nothing anywhere is none. One that changes nothing on the test's inputs, and
something on others, is one that the test is blind to: a mean for a sum where the batch is of one.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from .catalogue import edge_groups, mistakes_of
from .kinds import Mistake, place_of, scaled
from .operations import Edits, Tensor
from .samples import Sample
from .side_by_side import replay_many
from .suspects import AT_ONCE, ROOM
from .tape import Tape

WORK = 50_000  # operations that all replays of one sample may take, eight replays being one
FACTORS = {0.0: ("forgotten-path", "is left out"), -1.0: ("sign", "has the wrong sign")}

Key = tuple[int, str, str]  # which tape, kind, what


@dataclass(frozen=True)
class Missed:
    """A mistake that a test would not see.

    Attributes:
        kind, what, place: the mistake.
        shown_by: inputs on which it would be seen.
    """

    kind: str
    what: str
    place: str
    shown_by: str


def mistakes_missed(
    samples: Sequence[Sample],
    others: Mapping[str, Sample],
    judged: Sequence[str],
    tolerance: float,
    gates: Mapping[int, str],
) -> tuple[int, list[Missed]]:
    """How many mistakes were planted that are some, and those of them that no sample shows.

    Args:
        samples: the test's.
        others: further inputs, by what they are; on one of them a mistake has to show.
        judged: the gradients that are compared, by name.
        tolerance: in eps, what rounding alone explains.
    """
    left = planted_into(samples[0], gates)
    count = 0
    for sample in samples:
        seen = shown(sample, left, judged, tolerance, gates)
        count += len(seen)
        left = {key: mistake for key, mistake in left.items() if key not in seen}
    missed = []
    for words, sample in others.items():
        seen = shown(sample, left, judged, tolerance, gates)
        for key in seen:
            mistake = left.pop(key)
            missed.append(Missed(mistake.kind, mistake.what, mistake.place, words))
    return count + len(missed), missed


def planted_into(sample: Sample, gates: Mapping[int, str]) -> dict[Key, Mistake]:
    """The catalogue for one sample, and simple factors on every edge; of many, every so many."""
    planted: dict[Key, Mistake] = {}
    for number, tape in enumerate(sample.tapes):
        for mistake in (*mistakes_of(tape, gates), *factors_on(tape)):
            planted.setdefault((number, mistake.kind, mistake.what), mistake)
    most = 8 * WORK / max(1.0, max(sum(op.work for op in tape.ops) for tape in sample.tapes))
    step = math.ceil(len(planted) / max(most, 1))
    return dict([*planted.items()][::step])


def factors_on(tape: Tape) -> Iterator[Mistake]:
    """Each path left out, and with the wrong sign; a mean over the samples for their sum."""
    for edges in edge_groups(tape):
        for factor, (kind, words) in FACTORS.items() if edges.linear else ():
            what = f"{edges.what} {words}"
            yield Mistake(kind, what, edges.place, edges.times(factor), edges.reaches)
    first = next(iter(tape.leaves.values())).tensor
    for name, op in tape.at_leaf.items():
        if first.dim() and len(first):
            what = f"the gradient of {name} is divided by the number of samples"
            edits: Edits = {op.index: [scaled(0, 1 / len(first))]}
            yield Mistake("mean-for-sum", what, place_of(op), edits, frozenset([name]))


def shown(
    sample: Sample,
    wanted: Mapping[Key, Mistake],
    judged: Sequence[str],
    tolerance: float,
    gates: Mapping[int, str],
) -> list[Key]:
    """Which of these mistakes change a gradient of a sample by more than rounding."""
    here = planted_into(sample, gates)
    found: list[Key] = []
    for number, tape in enumerate(sample.tapes):
        keys = [key for key in here if key[0] == number and key in wanted]
        at_once = max(1, min(AT_ONCE, int(ROOM / sum(op.work for op in tape.ops))))
        for start in range(0, len(keys), at_once):
            part = keys[start : start + at_once]
            rows, unsure = replay_many(tape, [here[key].edits for key in part])
            for i, key in enumerate(part):
                gradients = {name: rows[name][i] for name in judged}
                if i in unsure:
                    alone = by_itself(tape, here[key])
                    if alone is None:
                        continue  # nobody's code could run so
                    gradients = alone
                if differs(sample, gradients, judged, tolerance):
                    found.append(key)
    return found


def by_itself(tape: Tape, mistake: Mistake) -> dict[str, Tensor] | None:
    try:
        return tape.replay(mistake.edits)
    except (RuntimeError, IndexError, ValueError, TypeError):
        return None


def differs(
    sample: Sample, gradients: Mapping[str, Tensor], judged: Sequence[str], tolerance: float
) -> bool:
    """Whether a gradient is off by more than rounding."""
    for name in judged:
        right, planted = sample.right[name], gradients[name]
        if planted.shape != right.shape:
            return True
        if not right.numel():
            continue
        allowed = tolerance * torch.finfo(right.dtype).eps
        size = float(right.abs().max()) or sample.scale
        if not float((planted - right).abs().max()) <= allowed * size:
            return True
    return False
