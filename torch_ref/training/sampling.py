"""Text from a network: what comes next is drawn by its scores, again and again."""

from collections.abc import Callable
from typing import Any

import numpy as np

from manual import no_grad
from manual.arrays import Array

from .lockstep import Lockstep


def draw(scores: Array, temperature: float, top_k: int | None, u: float) -> int:
    """A token, by the softmax of scores/temperature.

    Args:
        scores: (V,).
        temperature: below 1 what is likely becomes likelier; at 0 the likeliest is taken.
        top_k: only so many of the likeliest are drawn from.
        u: a number from 0 to 1, where in the probabilities laid end to end to look.
    """
    order = np.argsort(-scores, kind="stable")[:top_k]
    if temperature == 0:
        return int(order[0])
    scaled = scores[order].astype(np.float64) / temperature
    ends = np.cumsum(np.exp(scaled - scaled[0]))
    return int(order[min(np.searchsorted(ends, u * ends[-1], side="right"), len(order) - 1)])


def continued(
    score: Callable[[Array], Array],
    tokens: list[int],
    count: int,
    longest: int,
    generator: np.random.Generator,
    temperature: float = 1.0,
    top_k: int | None = None,
    end: int | None = None,
) -> list[int]:
    """What follows after these tokens: so many more, or up to an end.

    Args:
        score: from tokens (1, T) to the scores of what comes next, (V,).
        longest: how many tokens it can look at.
    """
    said = list(tokens)
    for _ in range(count):
        scores = score(np.array([said[-longest:]]))
        said.append(draw(scores, temperature, top_k, generator.random()))
        if said[-1] == end:
            break
    return said[len(tokens) :]


def both_continue(
    pair: Lockstep, tokens: list[int], count: int, longest: int, seed: int, **options: Any
) -> tuple[list[int], list[int]]:
    """What each side says after these tokens, drawn by equal random numbers; see `continued`."""
    import torch

    from ..twin import to_torch

    def by_hand(x: Array) -> Array:
        return pair.network(x)[-1]

    def by_autograd(x: Array) -> Array:
        return pair.twin(to_torch(x))[-1].numpy()

    with no_grad(), torch.no_grad(), pair.in_eval_mode():
        mine, theirs = (
            continued(score, tokens, count, longest, np.random.default_rng(seed), **options)
            for score in (by_hand, by_autograd)
        )
    return mine, theirs
