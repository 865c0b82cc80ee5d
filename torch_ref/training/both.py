"""Train a network of one's own from Python, by hand and in PyTorch."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from manual import CrossEntropyLoss, Embedding, Module, MultiMarginLoss, NLLLoss, Optimizer

from ..twin import by_hand_of, to_numpy
from .experiment import Problem, Run
from .own import DEFAULTS
from .preparing import OnData, Prepared, check_fit, prepare
from .session import train
from .settings import SettingError
from .sources import from_arrays, read_samples

TAKE_CLASSES = (CrossEntropyLoss, NLLLoss, MultiMarginLoss)


def train_both(
    network: Module | torch.nn.Module,
    loss: Module | torch.nn.Module,
    optimizer: Optimizer | torch.optim.Optimizer,
    data: str | Path | tuple[Any, Any],
    *,
    steps: int | None = None,
    epochs: int | None = None,
    batch_size: int = 32,
    target: str | None = None,
    hold_out: float = 0.2,
    standardize: bool = False,
    schedule: Callable[[Any, Any], Any] | None = None,
    compare: str | None = None,
    seed: int = 0,
    logdir: str | Path = "runs",
    name: str | None = None,
    csv: bool = False,
) -> Run:
    """Train a network by hand and in PyTorch on the same batches; print the parity, log the curves.

    The network is trained where it stands, one of PyTorch's too: its weights are then those of the
    PyTorch side. What was measured is in the `Run` that is returned: `agrees`, `scores()`,
    `pictures()`, both sides in `pair.network` and `pair.twin`, the directory in `path`.

    Args:
        network, loss, optimizer: all by hand, or of PyTorch; the optimizer has the network's
            parameters. The other side is made of them.
        data: x and t, arrays or tensors, samples along the first axis; or what
            `backprop train DATA` takes: a file, or a set of scikit-learn's by its name.
        steps, epochs: how long; one of the two, 1,000 steps by default.
        target: the column to predict, of a file.
        hold_out: the share of the samples to test on.
        standardize: give all numbers mean 0 and deviation 1, as measured on what is trained on.
        schedule: from a library, `manual` or torch.optim.lr_scheduler, and an optimizer of that
            side to a learning rate schedule: `lambda lib, o: lib.StepLR(o, 100)`.
        compare: "trajectory", the default in float64, or "steps", see `Lockstep`.
        seed: of the division into parts and of the batches.
        logdir, name: the run is written to `logdir/name`.
        csv: write the curves as CSV too.
    Raises:
        InputError: the data are not fit for the network or the loss, or a setting has no meaning.
        NotImplementedError: one side cannot be made of the other.
        DivergenceError: the numbers ran off to infinity.
    """
    mine = network if isinstance(network, Module) else by_hand_of(network)
    loss = loss if isinstance(loss, Module) else by_hand_of(loss)
    rule = optimizer_by_hand(optimizer, network, mine)
    settings = replace(
        DEFAULTS,
        experiment="own",
        lr=float(rule.param_groups[0]["lr"]),
        optimizer=type(rule).__name__.lower(),
        dtype=next(mine.parameters()).data.dtype.name,
        data="given",
        loss=type(loss).__name__,
        hold_out=hold_out,
        standardize=standardize,
        compare=compare,
        seed=seed,
    )
    generator = np.random.default_rng(seed)
    if isinstance(data, str | Path):
        samples = read_samples(str(data), target)
        settings = replace(settings, data=str(data), target=samples.target)
    else:
        x, t = (np.asarray(to_numpy(values)) for values in data)
        samples = from_arrays(x, t)
    prepared = prepare(
        samples,
        isinstance(loss, TAKE_CLASSES) and samples.t.ndim == 1,
        hold_out,
        standardize,
        np.dtype(settings.dtype),
        generator,
        tokens=any(isinstance(module, Embedding) for module in mine.modules()),
    )
    if steps is not None and epochs is not None:
        raise SettingError("steps and epochs: expected one of the two")
    count = len(prepared.data.x)
    batch_size = min(batch_size, count)
    if epochs is not None:
        steps = epochs * math.ceil(count / batch_size)
    settings = replace(settings, steps=1_000 if steps is None else steps, batch_size=batch_size)
    check_fit(mine, prepared, "the network")
    experiment = InPython(prepared, settings.resolve(), f"{mine!r}, {loss!r}, {rule!r}")
    problem = Problem(
        experiment, settings.resolve(), mine, loss, rule, prepared.data, generator, schedule
    )
    run = train(problem, Path(logdir), name, csv)
    if isinstance(network, torch.nn.Module):
        own, trained = (side.state_dict().values() for side in (network, run.pair.twin))
        for values, result in zip(own, trained, strict=True):
            values.copy_(result)
    return run


class InPython(OnData):
    """A network that was made in Python: there is no command that does it again."""

    has_command = False

    def __init__(self, prepared: Prepared, settings: Any, made_of: str) -> None:
        self.defaults = settings
        self.take(prepared)
        self.summary = f"{prepared}\n{made_of}"


def optimizer_by_hand(optimizer: Any, network: Any, mine: Module) -> Optimizer:
    """The optimizer on the by-hand side's parameters.

    Raises:
        SettingError: it has other parameters than the network's.
    """
    by_hand = dict(zip(map(id, network.parameters()), mine.parameters(), strict=True))
    optimized = [p for group in optimizer.param_groups for p in group["params"]]
    if not all(id(parameter) in by_hand for parameter in optimized):
        raise SettingError("the optimizer has parameters that are not the network's")
    if isinstance(optimizer, Optimizer):
        return optimizer
    return by_hand_of(optimizer, [by_hand[id(parameter)] for parameter in optimized])
