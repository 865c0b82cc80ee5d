"""Two steps of an optimizer, and a schedule's learning rates, on both sides."""

from typing import Any

import numpy as np
import torch

import manual

from ..training.settings import SCHEDULES
from ..twin import all_in, to_numpy, to_torch, twin_of
from .rows import small
from .terminal import block, side_by_side

WEIGHT = ((0.5, -1.0), (2.0, 0.25))
GRADIENTS = (((0.2, -0.4), (0.1, 0.3)), ((0.1, 0.2), (0.1, -0.5)))  # of two steps
RATE, STEPS = 0.1, 30  # a learning rate; and how many steps a schedule is followed


def optimizer_lines(cls: type) -> list[str]:
    """Two steps of an optimizer on a weight of four numbers: what it keeps, the weight after."""
    mine = manual.Parameter(np.array(WEIGHT))
    optimizer = cls([mine], lr=RATE)
    theirs = torch.nn.Parameter(to_torch(mine.data))
    lines = [f"An example: two steps with lr={RATE:g}, all else by default"]
    lines += side_by_side([["weight "], block(mine.data)])
    with all_in(np.dtype(np.float64)):
        twin: Any = twin_of(optimizer, [theirs])
        for number, gradient in enumerate(GRADIENTS, 1):
            mine.grad, theirs.grad = np.array(gradient), torch.tensor(gradient, dtype=torch.float64)
            optimizer.step()
            twin.step()
            lines += ["", *side_by_side([[f"step {number}, ∂L/∂weight "], block(mine.grad)])]
            for name, value in optimizer.state_dict()["state"].get(0, {}).items():
                if name != "step":
                    lines += side_by_side([[f"    {name} "], block(value)])
            apart = float(np.abs(mine.data - to_numpy(theirs)).max())
            both = [block(mine.data), ["  PyTorch"], block(to_numpy(theirs))]
            lines += side_by_side([["    weight by hand"], *both, [f"  apart {small(apart)}"]])
    return lines


def rates_of(cls: type) -> tuple[list[float], list[float]]:
    """The learning rates of a schedule over some steps of SGD, by hand and in PyTorch."""
    make = SCHEDULES[cls.__name__.lower()]
    optimizer = manual.SGD([manual.Parameter(np.zeros(1))], lr=RATE, momentum=0.9)
    twin = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE, momentum=0.9)
    both = (
        (optimizer, make(manual, optimizer, STEPS)),
        (twin, make(torch.optim.lr_scheduler, twin, STEPS)),
    )
    rates: list[list[float]] = []
    for stepped, schedule in both:
        rates.append([float(stepped.param_groups[0]["lr"])])
        for number in range(STEPS):
            if isinstance(stepped, torch.optim.Optimizer):
                stepped.step()
            # a metric that gets no better after ten steps
            schedule.step(*([max(1.0, 10.0 - number)] if cls is manual.ReduceLROnPlateau else []))
            rates[-1].append(float(stepped.param_groups[0]["lr"]))
    return rates[0], rates[1]


def schedule_lines(cls: type) -> list[str]:
    """The learning rate over the steps, as numbers and as bars."""
    mine, theirs = rates_of(cls)
    apart = max(abs(a - b) for a, b in zip(mine, theirs, strict=True))
    lines = [
        f"An example: lr={RATE:g}, fitted to a run of {STEPS} steps as `train --schedule` does"
    ]
    top = max(mine)
    for number, rate in enumerate(mine):
        bar = "▬" * round(40 * rate / top)
        lines.append(f"step {number:2}  {rate:<12.6g}{bar}".rstrip())
    return [*lines, f"by hand − PyTorch: {small(apart)} at most"]
