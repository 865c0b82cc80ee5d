"""`backprop check` of a step rule or a schedule: what its options mean there."""

import argparse
from typing import Any

import torch

import manual
from manual.schedules.schedule import LRScheduler

from ..checking.layouts import CandidateError
from ..checking.report import Checked
from ..checking.step_rules.check import check_steps, is_step_rule
from ..checking.step_rules.schedules import is_schedule
from . import inputs


def reference_named(name: str) -> Any:
    """The optimizer or schedule of that name, PyTorch's for one of `manual`; None if it is neither.

    Of a file nothing is read: there is no step rule of someone's own to compare with.
    """
    if ":" in name or not name.startswith(("torch.optim.", "manual.")):
        return None
    reference = inputs.find(name)
    if isinstance(reference, type) and issubclass(reference, manual.Optimizer):
        reference = getattr(torch.optim, reference.__name__, None)
    elif isinstance(reference, type) and issubclass(reference, LRScheduler):
        reference = getattr(torch.optim.lr_scheduler, reference.__name__, None)
    if is_step_rule(reference) or is_schedule(reference):
        return reference
    return None


def report_on_steps(arguments: argparse.Namespace, reference: Any) -> Checked:
    """The check of a step rule or a schedule."""
    for name in ("input", "map", "extra", "loss", "audit", "sweep"):
        if getattr(arguments, name):
            raise CandidateError(f"--{name} is for layers: a step rule has tensors of its own")
    if arguments.dtype not in (None, "float64"):
        raise CandidateError(f"--dtype {arguments.dtype}: step rules are compared in float64")
    options = named("--args", arguments.args)
    mine_options = named("--mine-args", arguments.mine_args or [])
    mine = inputs.find(arguments.mine)
    return check_steps(
        mine,
        reference,
        options,
        mine_options=mine_options,
        lr=arguments.lr,
        steps=arguments.steps,
        seed=arguments.seed,
    )


def named(option: str, words: list[str]) -> dict[str, Any]:
    """Options by their names.

    Raises:
        CandidateError: one has no name.
    """
    positional, by_name = inputs.constructor_arguments(words)
    if positional:
        raise CandidateError(f"{option} {positional[0]}: expected a name too, as in lr=0.001")
    return by_name
