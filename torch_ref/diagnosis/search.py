"""Name the mistake behind a wrong gradient, with proof: counterfactual backpropagation.

The backward pass of the reference is replayed once for every mistake of the catalogue, with that
one mistake planted. A replay that gives the very numbers that were handed in, to rounding, is the
verdict, and the distance between the two is its proof. When no single mistake fits, two together
are tried. When several fit, all are named, and what would tell them apart.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from .catalogue import carries_cut
from .evidence import Evidence
from .kinds import FIXES, SLIP
from .operations import Tensor
from .samples import Sample
from .suspects import Suspect, Suspects
from .telling_apart import preference, tell_apart
from .verdict import Diagnosis, Verdict, where

WORK = 200_000  # operations that one search may run backward
FIRSTS = 40  # mistakes that explain the first wrong quantity, each tried together with a second
TERMS = 16  # eps that a formula of a few terms rounds by, relative to the largest
LOST = 1e9  # a distance of fewer eps than this is digits lost, if no mistake gives it


def diagnose(
    samples: Sequence[Sample],
    tolerance: float,
    lr: float | None = None,
    previous: Sample | None = None,
    gates: Mapping[int, str] | None = None,
    work: float = WORK,
) -> Diagnosis:
    """Name the mistake behind the gradients of the first sample.

    Args:
        samples: the first is searched; any others confirm what was found, or tell it apart.
        tolerance: in eps, what rounding alone explains.
        lr: the learning rate, if weights were updated.
        previous: of the call before, to find a stale cache.
        gates: names of a recurrent layer's gates, by their number.
        work: how many operations it may run backward.
    """
    first, *others = samples
    evidence = Evidence(first, tolerance, work)
    diagnosis = Diagnosis(tuple(evidence.wrong))
    if not evidence.wrong:
        return diagnosis
    name = evidence.wrong[0]
    mine = evidence.mine[name]
    mine = mine[tuple(slice(n) for n in first.shapes_of_mine.get(name, mine.shape))]
    diagnosis.where = where(name, mine, first.right[name], evidence.allowed)
    suspects = Suspects(evidence, lr, previous, gates or {})
    firsts = explaining_one(evidence, suspects, name)
    fitting = fits(evidence, firsts)
    if (rounded := next((s for s in fitting if only_rounds(evidence, s)), None)) is not None:
        diagnosis.verdicts = [digits_lost_in(evidence, rounded)]
    elif fitting and (told := tell_apart(evidence, others, fitting, gates or {}))[0]:
        groups, diagnosis.apart = told
        diagnosis.verdicts = [verdict(evidence, *group) for group in groups]
    elif (without_replay := wrong_shape(evidence) or lost_digits(evidence)) is not None:
        diagnosis.verdicts = [without_replay]
    else:
        explaining = {evidence.wrong[0]: firsts}
        for name in evidence.wrong[1:]:
            explaining[name] = explaining_one(evidence, suspects, name)
        for name in evidence.wrong:
            diagnosis.verdicts = diagnosis.verdicts or pairs(evidence, suspects, explaining[name])
        diagnosis.verdicts = diagnosis.verdicts or pairs(evidence, suspects, no_carries(first))
        if not diagnosis.verdicts and len(evidence.wrong) > 1:
            formula_by_formula(evidence, others, explaining, gates or {}, diagnosis)
    diagnosis.tried, diagnosis.untried = evidence.tried, evidence.untried
    return diagnosis


Explaining = tuple[Suspect, dict[str, Tensor]]  # a mistake, and what it gives


def explaining_one(evidence: Evidence, suspects: Suspects, name: str) -> list[Explaining]:
    """The single mistakes that give one wrong quantity, whatever they give of the others."""
    return [
        (suspect, planted)
        for number in range(len(evidence.sample.tapes))
        for suspect, planted in suspects.on(number, [name], {})
        if evidence.distance(name, planted) <= evidence.allowed
    ]


def fits(evidence: Evidence, firsts: Sequence[Explaining]) -> list[Suspect]:
    """Of these, those that give all that is wrong; if any, those that leave right what is right."""
    fitting = []
    for suspect, planted in firsts:
        distance = evidence.fit(planted)
        if distance is not None:
            spares = evidence.spares(planted)
            fitting.append(replace(suspect, distance=distance, spares=spares))
    sparing = [suspect for suspect in fitting if suspect.spares]
    return fewest_places(sparing or fitting)


def fewest_places(suspects: Sequence[Suspect]) -> list[Suspect]:
    """Those that are not one of the others planted in further places, where it changes nothing."""

    def goes_further(one: Suspect, other: Suspect) -> bool:
        alike = (one.tape, one.mistake.kind) == (other.tape, other.mistake.kind)
        return alike and set(one.mistake.edits) > set(other.mistake.edits)

    return [one for one in suspects if not any(goes_further(one, other) for other in suspects)]


def wrong_shape(evidence: Evidence) -> Verdict | None:
    """The right numbers in another shape, which needs no replay."""
    right, mine = evidence.sample.right, evidence.mine
    for name in evidence.wrong:
        if mine[name].numel() != right[name].numel():
            return None
        if evidence.distance(name, {name: right[name].reshape(mine[name].shape)}) > (
            evidence.allowed
        ):
            return None
    first, names = evidence.wrong[0], ", ".join(evidence.wrong)
    shapes = tuple(mine[first].shape), tuple(right[first].shape)
    what = f"the gradient of {names} has the right numbers in the shape {shapes[0]}"
    proof = f"in the shape {shapes[1]} it equals PyTorch's"
    return Verdict("shape", what, f"the gradient of {first}", FIXES["shape"], proof, 0.0)


def lost_digits(evidence: Evidence) -> Verdict | None:
    """The right numbers but for rounding that is far too large."""
    worst = max(evidence.distance(name, evidence.sample.right) for name in evidence.wrong)
    if worst > LOST * evidence.eps or worst > 1e-3:
        return None
    return Verdict(
        "lost-digits",
        f"{', '.join(evidence.wrong)}: no term is wrong, but digits are lost on the way",
        f"the gradient of {evidence.wrong[0]}",
        "look for a difference of nearly equal numbers, a constant of few digits, or a "
        "lower precision in between",
        f"the largest distance is {worst:.1e} of the size, {worst / evidence.eps:.2g} eps",
        worst,
    )


def only_rounds(evidence: Evidence, suspect: Suspect) -> bool:
    """Whether a formula gives the right derivative, but for the rounding of its terms.

    As 1 + y for the derivative of an ELU, which is eˣ: far to the left it is a small difference of
    numbers of about one.
    """
    edits, tape = suspect.mistake.edits, evidence.sample.tapes[suspect.tape]
    if any(
        evidence.distance(n, evidence.sample.right) > LOST * evidence.eps for n in evidence.wrong
    ):
        return False
    if suspect.mistake.kind != "wrong-derivative" or not edits or suspect.times is not None:
        return False
    entry, last = tape.ops[min(edits)].inputs[0], tape.ops[max(edits)]
    right, above = tape.gradient(entry, {}), tape.at_outputs(last)[0]
    planted = tape.gradient(entry, tape.flow(edits))
    if right is None or above is None or planted is None or above.shape != right.shape:
        return False
    if torch.equal(planted, right):
        return False  # it is made towards another input
    size = max(1.0, *(float(v.tensor.abs().max()) for v in (entry, *last.outputs)))
    return bool(((planted - right).abs() <= TERMS * evidence.eps * size * above.abs()).all())


def digits_lost_in(evidence: Evidence, suspect: Suspect) -> Verdict:
    """What is said of a formula that is right, but for rounding."""
    name = evidence.wrong[0]
    mine, right = evidence.mine[name], evidence.sample.right[name]
    off = (mine - right).abs() > evidence.allowed * right.abs()
    worst = max(evidence.distance(name, evidence.sample.right) for name in evidence.wrong)
    return Verdict(
        "lost-digits",
        f"no term is wrong, but digits are lost: {suspect.mistake.what}, in exact numbers the same "
        f"and in these a small difference of its terms, for {int(off.sum())} of {off.numel()} "
        f"elements of the gradient of {name}",
        suspect.mistake.place,
        "write it so that nothing cancels, as with exp or expm1 of the input",
        f"the largest distance is {worst:.1e} of the size; all of it is the rounding of the terms",
        worst,
    )


def verdict(evidence: Evidence, suspect: Suspect, *same: Suspect) -> Verdict:
    """What is said of a mistake that fits; `same` are others that give the same numbers."""
    names = ", ".join(evidence.wrong)
    closely = "exactly" if suspect.distance == 0 else f"to {suspect.distance:.1e}"
    proof = (
        f"{names}: equal, {closely}, to what PyTorch's own backward gives with this mistake planted"
    )
    mistake, what = suspect.mistake, suspect.mistake.what
    if suspect.times is not None:
        what += f"; and the whole {suspect.times.words}"
    if not suspect.spares:
        what = f"in the formula for {names} alone: {what}"
    said = {suspect.words}
    in_other_words = []
    for other in same:  # one factor of many names on the same edge is one description
        if mistake.kind == "number-forgotten" and other.factor and other.factor.number:
            continue  # a number that stands in the forward pass is no size that happens to equal it
        if other.mistake.rank >= SLIP > mistake.rank:
            continue  # a slip of the pen says no more than a mistake that people make
        if other.words not in said and (other.times is None) == (suspect.times is None):
            said.add(other.words)
            in_other_words.append(f"{other.mistake.kind}: {other.mistake.what}")
    return Verdict(
        mistake.kind,
        what,
        mistake.place,
        mistake.fix,
        proof,
        suspect.distance,
        tuple(in_other_words),
    )


def pairs(
    evidence: Evidence, suspects: Suspects, explaining: Sequence[Explaining]
) -> list[Verdict]:
    """Two mistakes together: one explains the first wrong quantity, the other all the rest."""
    for number, tape in enumerate(evidence.sample.tapes):
        firsts = []
        for suspect, planted in explaining:
            mistake = suspect.mistake
            if suspect.tape == number and mistake.edits and suspect.times is None:
                left = len(evidence.unexplained(planted))
                firsts.append(((left, *preference(suspect)), suspect))
        firsts.sort(key=lambda entry: entry[0])
        for _, one in firsts[:FIRSTS]:
            base = evidence.replay(tape, one.mistake.edits)
            if base is None or evidence.is_spent:
                break
            seconds = []
            for two, planted in suspects.on(number, evidence.unexplained(base), one.mistake.edits):
                distance = evidence.fit(planted)
                if distance is not None:
                    seconds.append(replace(two, distance=distance))
            if seconds:
                two = min(seconds, key=preference)
                return [together(verdict(evidence, one), verdict(evidence, two))]
    return []


def no_carries(sample: Sample) -> list[Explaining]:
    """A state that is not carried back to the step before: it leaves no quantity as it should be,
    so that another mistake beside it explains none alone."""
    return [
        (Suspect(mistake, 0.0, number), sample.right)
        for number, tape in enumerate(sample.tapes)
        for mistake in carries_cut(tape)
    ]


def formula_by_formula(
    evidence: Evidence,
    others: Sequence[Sample],
    explaining: Mapping[str, Sequence[Explaining]],
    gates: Mapping[int, str],
    diagnosis: Diagnosis,
) -> None:
    """A mistake of its own in the formula for each wrong quantity, where each has one."""
    said: list[Verdict] = []
    left = list(evidence.wrong)
    while left:
        covered = {
            i: [n for n in left if evidence.distance(n, planted) <= evidence.allowed]
            for i, (_, planted) in enumerate(explaining[left[0]])
        }
        if not covered:
            return
        most = max(covered.values(), key=len)
        alone = copy.copy(evidence)
        alone.wrong = most
        fitting = fits(
            alone, [explaining[left[0]][i] for i, names in covered.items() if names == most]
        )
        alone.order = most  # of what it gives elsewhere nothing is said
        groups, _ = tell_apart(alone, others, fitting, gates)
        if len(groups) != 1:
            return  # which of them it is would be a guess
        said.append(verdict(alone, *groups[0]))
        left = [name for name in left if name not in most]
    kinds = list(dict.fromkeys(one.kind for one in said))
    diagnosis.verdicts = [
        Verdict(
            " + ".join(kinds),
            f"{len(said)} mistakes: {'; and '.join(one.what for one in said)}",
            "; ".join(dict.fromkeys(one.place for one in said)),
            "; ".join(dict.fromkeys(one.fix for one in said)),
            "; ".join(one.proof for one in said),
            max(one.distance for one in said),
        )
    ]


def together(one: Verdict, two: Verdict) -> Verdict:
    """Two mistakes as one verdict; the second one's proof is that of both."""
    return Verdict(
        f"{one.kind} + {two.kind}",
        f"two mistakes: {one.what}; and {two.what}",
        f"{one.place}; {two.place}",
        f"{one.fix}; {two.fix}",
        two.proof.replace("this mistake", "these two mistakes"),
        two.distance,
    )
