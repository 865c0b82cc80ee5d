"""The named experiments: what each trains, on what, and with which settings.

Nothing here imports PyTorch, so that the command line can name, explain and check them at once.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

import manual
from manual import Module, Optimizer
from manual.module import float_dtype
from manual.worked_example import BIASES, INPUTS, LEARNING_RATE, RULES, TARGETS, ArticleNetwork

from .data import Data, digits

OPTIMIZERS = {"sgd": manual.SGD, "adam": manual.Adam}
ACTIVATIONS = {name.lower(): name for name in ("Identity", "ReLU", "Sigmoid", "Tanh")}
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
    compare: str | None = None
    rule: str | None = None
    biases: str | None = None

    def __str__(self) -> str:
        """As on the command line."""
        options = [self.experiment]
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
        wanted("dtype", self.dtype in ("float32", "float64"), "float32 or float64")
        if not self.hidden or min(self.hidden) < 1:
            given = ",".join(map(str, self.hidden))
            raise SettingError(f"--hidden {given}: expected widths of at least 1, as in 128,64")
        article = self.experiment == "worked-example"
        for name, known in (("rule", RULES), ("biases", BIASES)):
            value = getattr(self, name)
            wanted(name, value is None or article, "no such setting outside worked-example")
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
        generator = np.random.default_rng(settings.seed)
        network, loss, data = self.make(settings, generator)
        if settings.batch_size > len(data.x):
            raise SettingError(
                f"--batch-size {settings.batch_size}: there are only {len(data.x)} samples"
            )
        optimizer = OPTIMIZERS[settings.optimizer](network.parameters(), lr=settings.lr)
        return Problem(network, loss, optimizer, data, generator)


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
            "the article's 2-2-2 sigmoid network, 10,000 rounds, beside its printed figures",
            _worked_example,
        ),
        Experiment(
            Settings("xor", 3_000, 0.2, "sgd", 4, (4,), "tanh"),
            "exclusive or: what a network without a nonlinearity cannot learn",
            _xor,
        ),
        Experiment(
            Settings("digits-mlp", 1_500, 1e-3, "adam", 32, (128, 64), "relu"),
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
