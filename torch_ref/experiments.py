"""The named experiments: what each trains, on what, and with which settings.

Nothing here imports PyTorch, so that the command line can name, explain and check them at once.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

import manual
from manual import Module, Optimizer, models
from manual.module import float_dtype
from manual.worked_example import BIASES, INPUTS, LEARNING_RATE, RULES, TARGETS, ArticleNetwork

from .data import Data, digits


def by_name(*classes: Any) -> dict[str, Any]:
    """Classes by their names on the command line."""
    return {made.__name__.lower(): made for made in classes}


OPTIMIZERS = by_name(
    manual.SGD,
    manual.Adam,
    manual.AdamW,
    manual.NAdam,
    manual.RAdam,
    manual.Adamax,
    manual.Adagrad,
    manual.Adadelta,
    manual.RMSprop,
    manual.Rprop,
    manual.ASGD,
    manual.Muon,
)
ACTIVATIONS = {name.lower(): name for name in models.ACTIVATIONS}

# How a schedule is fitted to a run: `lib` is manual or torch.optim.lr_scheduler, `o` an optimizer
# of that side, n the number of steps. The same line makes both sides' schedules.
SCHEDULES: dict[str, Callable[[Any, Any, int], Any]] = {
    "steplr": lambda lib, o, n: lib.StepLR(o, max(1, n // 3), gamma=0.3),
    "multisteplr": lambda lib, o, n: lib.MultiStepLR(o, [n // 2, 3 * n // 4], gamma=0.3),
    "constantlr": lambda lib, o, n: lib.ConstantLR(o, total_iters=n // 10),
    "linearlr": lambda lib, o, n: lib.LinearLR(o, 1.0, 0.1, total_iters=n),
    "exponentiallr": lambda lib, o, n: lib.ExponentialLR(o, gamma=0.1 ** (1 / n)),
    "polynomiallr": lambda lib, o, n: lib.PolynomialLR(o, total_iters=n, power=2.0),
    "cosineannealinglr": lambda lib, o, n: lib.CosineAnnealingLR(o, T_max=n),
    "cosineannealingwarmrestarts": lambda lib, o, n: lib.CosineAnnealingWarmRestarts(
        o, max(1, n // 7), T_mult=2
    ),
    "lambdalr": lambda lib, o, n: lib.LambdaLR(o, lambda t: 1 / (1 + 3 * t / n)),
    "multiplicativelr": lambda lib, o, n: lib.MultiplicativeLR(o, lambda t: 0.1 ** (1 / n)),
    "cycliclr": lambda lib, o, n: lib.CyclicLR(
        o,
        o.param_groups[0]["lr"] / 10,
        o.param_groups[0]["lr"],
        step_size_up=max(1, n // 6),
        cycle_momentum=has_momentum(o),
    ),
    "onecyclelr": lambda lib, o, n: lib.OneCycleLR(
        o, o.param_groups[0]["lr"], total_steps=n + 9, cycle_momentum=has_momentum(o)
    ),
    "reducelronplateau": lambda lib, o, n: lib.ReduceLROnPlateau(o, patience=max(1, n // 20)),
    "sequentiallr": lambda lib, o, n: lib.SequentialLR(
        o,
        [lib.LinearLR(o, 0.1, total_iters=n // 10 + 1), lib.CosineAnnealingLR(o, T_max=n)],
        milestones=[n // 10 + 1],
    ),
    "chainedscheduler": lambda lib, o, n: lib.ChainedScheduler(
        [lib.ConstantLR(o, total_iters=n // 10), lib.ExponentialLR(o, 0.1 ** (1 / n))], o
    ),
}


def has_momentum(optimizer: Any) -> bool:
    """Whether a schedule can move its momentum; not so if it has been left at 0."""
    return bool(optimizer.defaults.get("momentum") or "betas" in optimizer.defaults)


COMPARISONS = ("trajectory", "steps")


class SettingError(ValueError):
    """A setting that an experiment cannot be run with."""


@dataclass(frozen=True)
class Settings:
    """Every setting of a run. `compare`, `rule` and `biases` have values of their own below."""

    experiment: str
    steps: int
    lr: float
    optimizer: str
    batch_size: int
    hidden: tuple[int, ...]
    activation: str
    dtype: str = "float64"
    seed: int = 0
    schedule: str | None = None
    compare: str | None = None
    rule: str | None = None
    biases: str | None = None

    def options(self) -> str:
        """As on the command line."""
        options = []
        for name, value in asdict(self).items():
            if name != "experiment" and value is not None:
                shown = ",".join(map(str, value)) if isinstance(value, tuple) else value
                options.append(f"--{name.replace('_', '-')} {shown}")
        return " ".join(options)

    def resolve(self) -> "Settings":
        """The same settings, checked, and those that follow from others filled in.

        Raises:
            SettingError: one has no meaning; the message names it and what was wanted.
        """

        def wanted(name: str, holds: bool, wish: str) -> None:
            if not holds:
                option, value = name.replace("_", "-"), getattr(self, name)
                raise SettingError(f"--{option} {value}: expected {wish}")

        wanted("steps", self.steps >= 1, "at least 1")
        wanted("lr", 0 <= self.lr < math.inf, "a number from 0 up")
        wanted("batch_size", self.batch_size >= 1, "at least 1")
        wanted("seed", self.seed >= 0, "0 or more")
        wanted("optimizer", self.optimizer in OPTIMIZERS, f"one of {', '.join(OPTIMIZERS)}")
        wanted("activation", self.activation in ACTIVATIONS, f"one of {', '.join(ACTIVATIONS)}")
        wanted(
            "schedule",
            self.schedule in (None, *SCHEDULES),
            f"one of {', '.join(SCHEDULES)}",
        )
        wanted("dtype", self.dtype in ("float32", "float64"), "float32 or float64")
        if not self.hidden or min(self.hidden) < 1:
            given = ",".join(map(str, self.hidden))
            raise SettingError(f"--hidden {given}: expected widths of at least 1, as in 128,64")
        article = self.experiment == "worked-example"
        for name, known in (("rule", RULES), ("biases", BIASES)):
            value = getattr(self, name)
            if value is not None and not article:
                raise SettingError(f"--{name} {value}: only worked-example has a choice of {name}")
            wanted(name, value in (None, *known), f"one of {', '.join(known)}")
        wanted("hidden", not article or len(self.hidden) == 1, "one width: one hidden layer")
        wanted("compare", self.compare in (None, *COMPARISONS), f"one of {', '.join(COMPARISONS)}")
        return replace(
            self,
            compare=self.compare or ("steps" if self.dtype == "float32" else "trajectory"),
            rule=self.rule or ("simultaneous" if article else None),
            biases=self.biases or ("fixed" if article else None),
        )


@dataclass
class Problem:
    """What an experiment trains, by hand, and the data it trains it on."""

    network: Module
    loss: Module
    optimizer: Optimizer
    data: Data
    generator: np.random.Generator  # for the batches, after the weights have been drawn
    schedule: Callable[[Any, Any], Any] | None  # from a library and an optimizer


@dataclass(frozen=True)
class Experiment:
    """A name on the command line."""

    defaults: Settings
    summary: str
    make: Callable[[Settings, np.random.Generator], tuple[Module, Module, Data]]

    def build(self, settings: Settings) -> Problem:
        """The problem that these settings describe.

        Raises:
            SettingError: the batch size is more than there are samples.
        """
        muon = settings.optimizer == "muon"  # for matrices only: the biases stay as they are
        if muon and settings.biases in ("trained", "shared"):
            raise SettingError(f"--biases {settings.biases}: Muon trains matrices only")
        generator = np.random.default_rng(settings.seed)
        network, loss, data = self.make(settings, generator)
        if settings.batch_size > len(data.x):
            raise SettingError(
                f"--batch-size {settings.batch_size}: there are only {len(data.x)} samples"
            )
        parameters = [p for p in network.parameters() if not muon or len(p.shape) == 2]
        for parameter in network.parameters():
            parameter.requires_grad &= any(parameter is chosen for chosen in parameters)
        optimizer = OPTIMIZERS[settings.optimizer](parameters, lr=settings.lr)
        recipe = SCHEDULES.get(settings.schedule or "")
        schedule = (lambda lib, o: recipe(lib, o, settings.steps)) if recipe else None
        return Problem(network, loss, optimizer, data, generator, schedule)


def _worked_example(s: Settings, generator: np.random.Generator) -> tuple[Any, Any, Data]:
    dtype = float_dtype(s.dtype)
    network = ArticleNetwork(
        s.hidden[0], ACTIVATIONS[s.activation], s.biases or "fixed", dtype, generator
    )
    data = Data(np.array([INPUTS], dtype), np.array([TARGETS], dtype))
    return network, manual.HalfSquaredError(), data


def _xor(s: Settings, generator: np.random.Generator) -> tuple[Any, Any, Data]:
    dtype = float_dtype(s.dtype)
    network = manual.MLP((2, *s.hidden, 1), ACTIVATIONS[s.activation], dtype, generator)
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype)
    return network, manual.MSELoss(), Data(x, np.array([[0], [1], [1], [0]], dtype))


def _digits_mlp(s: Settings, generator: np.random.Generator) -> tuple[Any, Any, Data]:
    dtype = float_dtype(s.dtype)
    network = manual.MLP((64, *s.hidden, 10), ACTIVATIONS[s.activation], dtype, generator)
    return network, manual.CrossEntropyLoss(), digits(dtype)


EXPERIMENTS = {
    experiment.defaults.experiment: experiment
    for experiment in (
        Experiment(
            Settings("worked-example", 10_000, LEARNING_RATE, "sgd", 1, (2,), "sigmoid"),
            "the article's 2-2-2 sigmoid network, beside its printed figures",
            _worked_example,
        ),
        Experiment(
            Settings("xor", 3_000, 0.2, "sgd", 4, (4,), "tanh"),
            "exclusive or: what a network without a nonlinearity cannot learn",
            _xor,
        ),
        Experiment(
            Settings("digits-mlp", 1_800, 1e-3, "adam", 32, (128, 64), "relu"),
            "real handwritten digits, 64-128-64-10, with held-out accuracy",
            _digits_mlp,
        ),
    )
}


def linear_floor(data: Data) -> float:
    """The least mean squared error that any network without a nonlinearity can reach."""
    x = np.c_[data.x, np.ones(len(data.x))].astype(np.float64)
    best, *_ = np.linalg.lstsq(x, data.t.astype(np.float64), rcond=None)
    return float(np.mean((x @ best - data.t) ** 2))
