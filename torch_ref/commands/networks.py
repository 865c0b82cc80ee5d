"""What `train FILE.py:NAME` names: a network of one's own, as a by-hand one."""

import numpy as np
import torch

from manual import Module

from ..checking.candidates.base import call_code
from ..training.settings import SettingError
from ..twin import by_hand_of, twin_of
from .inputs import find


def network_of(text: str, seed: int) -> Module:
    """The by-hand network that `FILE.py:NAME` names, or has for its PyTorch twin.

    Args:
        text: of a network, or of what returns one when it is called without arguments.
        seed: of PyTorch's first weights, and of the masks of a dropout.
    Raises:
        InputError: there is none, or one side of it cannot be made of the other.
    """
    named = find(text)
    made = named
    if isinstance(named, type) or not isinstance(named, Module | torch.nn.Module):
        if not callable(named):
            kind = type(named).__name__
            raise SettingError(f"{text}: of type {kind}, expected a network, or what returns one")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made = call_code(text, named)
    try:
        if isinstance(made, torch.nn.Module):
            made = by_hand_of(made, generator=np.random.default_rng(seed))
        if not isinstance(made, Module):
            raise SettingError(
                f"{text}: returns a {type(made).__name__}, expected a manual.Module or a "
                "torch.nn.Module"
            )
        twin_of(made)
    except (NotImplementedError, TypeError) as error:
        raise SettingError(f"{text}: {error}") from None
    if not any(parameter.requires_grad for parameter in made.parameters()):
        raise SettingError(f"{text}: there is nothing to train in it")
    return made
