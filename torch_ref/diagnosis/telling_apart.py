"""Several mistakes that give the same numbers, told apart by what they give on other inputs."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from .catalogue import Edges, edge_groups, mistakes_of
from .evidence import Evidence
from .factors import numbers_of
from .kinds import KINDS
from .planted.misprints import misprint_mistakes
from .planted.slopes import slope_mistakes
from .samples import LeafGradients, Sample
from .suspects import Suspect


def tell_apart(
    evidence: Evidence,
    others: Sequence[Sample],
    suspects: Sequence[Suspect],
    gates: Mapping[int, str],
) -> tuple[list[list[Suspect]], str]:
    """Tell suspects apart: those that other inputs confirm, grouped by what gives equal numbers.

    Returns:
        The groups, none if all are refuted, the likeliest first, in each the best name first; and
        which further input would tell the groups apart, if there are several.
    """
    unique = list({suspect.identity: suspect for suspect in suspects}.values())
    groups, apart = [unique], ""
    judged = refuted = 0
    for sample in others:
        results = consequences(evidence, sample, unique, gates)
        if sample.mine is not None:
            confirmed = {
                suspect.identity
                for suspect in unique
                if suspect.identity not in results
                or evidence.fit(results[suspect.identity], sample) is not None
            }
            judged, refuted = judged + 1, refuted + (not confirmed)
            if confirmed:
                groups = [[s for s in group if s.identity in confirmed] for group in groups]
                groups = [group for group in groups if group]
        finer = [part for group in groups for part in split(group, results, evidence, sample)]
        if len(finer) > len(groups) and sample.mine is None:
            apart = f"an input of shape {sample.shapes}, as they differ there"
        groups = finer
    if judged and judged == refuted:
        return [], ""  # on no other input does any of them give what was handed in
    groups = sorted((sorted(group, key=preference) for group in groups), key=_of_the_first)
    if len(groups) == 1:
        return groups, ""
    return groups, apart or "other sizes on every axis, and more samples"


def consequences(
    evidence: Evidence, sample: Sample, suspects: Sequence[Suspect], gates: Mapping[int, str]
) -> dict[Any, LeafGradients]:
    """What each suspect would give on another input, by its identity."""
    gradients: dict[Any, LeafGradients] = {}
    for number, tape in enumerate(sample.tapes):
        numbers = numbers_of(tape)
        on_tape = list({s.identity: s for s in suspects if s.tape == number}.values())
        plain = [suspect for suspect in on_tape if suspect.edges is None]
        wanted = {suspect.mistake.identity for suspect in plain}
        sources = mistakes_of(tape, gates), slope_mistakes(tape), misprint_mistakes(tape)
        for mistake in chain(*sources) if plain else ():
            if mistake.identity not in wanted:
                continue
            planted = evidence.replay(tape, mistake.edits)
            if planted is None:
                continue
            for suspect in plain:
                if suspect.mistake.identity == mistake.identity:
                    factor = suspect.times.on(numbers) if suspect.times else 1.0
                    scaled = {name: grad * (factor or 0) for name, grad in planted.items()}
                    told = suspect.identity in gradients  # two may be called the same
                    if not told or (sample.mine and evidence.fit(scaled, sample) is not None):
                        gradients[suspect.identity] = scaled
        edged = [suspect for suspect in on_tape if suspect.edges and suspect.factor]
        there = {identity_of(edges): edges for edges in edge_groups(tape)} if edged else {}
        for suspect in edged:
            assert suspect.edges is not None
            assert suspect.factor is not None
            edges, value = there.get(identity_of(suspect.edges)), suspect.factor.on(numbers)
            if edges is not None and value is not None:
                planted = evidence.replay(tape, edges.times(value))
                if planted is not None:
                    gradients[suspect.identity] = planted
    return gradients


def identity_of(edges: Edges) -> tuple[Any, ...]:
    """What edges have in common on the tapes of all inputs."""
    return (edges.what, *sorted({op.index for op, _ in edges.edges}))


def preference(suspect: Suspect) -> tuple[Any, ...]:
    """What makes one of several names for the same numbers the better one: the least."""
    mistake = suspect.mistake
    kind = KINDS.index(mistake.kind)
    if suspect.factor is not None and abs(suspect.factor.value) in (0.5, 2):
        kind = KINDS.index("mean-for-sum")  # a 2 too many or too few says it best
    return suspect.times is not None, mistake.rank > 2, kind, mistake.rank, len(mistake.edits)


def _of_the_first(group: list[Suspect]) -> tuple[Any, ...]:
    return preference(group[0])


def split(
    group: list[Suspect], results: Mapping[Any, LeafGradients], evidence: Evidence, sample: Sample
) -> list[list[Suspect]]:
    """A group of suspects, parted into those that give the same numbers on another input."""
    parts: list[list[Suspect]] = []
    for suspect in group:
        here = results.get(suspect.identity)
        for part in parts:
            there = results.get(part[0].identity)
            if here is None or there is None or equal(here, there, evidence, sample):
                part.append(suspect)
                break
        else:
            parts.append([suspect])
    return parts


def equal(one: LeafGradients, two: LeafGradients, evidence: Evidence, sample: Sample) -> bool:
    """Whether two replays give the same numbers for what is judged, but for rounding."""
    allowed = 10 * evidence.allowed
    for name in evidence.order:
        a, b = one[name], two[name]
        if a.shape != b.shape:
            return False
        if not a.numel():
            continue
        size = max(float(b.abs().max()), evidence.size(name, sample)) or 1.0
        if float((a - b).abs().max()) > allowed * size:
            return False
    return True
