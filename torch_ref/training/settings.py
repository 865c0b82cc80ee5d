"""Every setting of a run, checked, and the optimizers, activations and schedules to choose from.

Nothing here imports PyTorch, so that the command line can name, explain and check settings at once.
"""

import math
import shlex
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import pairwise
from typing import Any, Self

import manual
from manual.models.mlp import ACTIVATIONS
from manual.names import name_meant

from ..safe_files import LARGEST, InputError


def by_name(*classes: Any) -> dict[str, Any]:
    """Classes by their names on the command line."""
    return {cls.__name__.lower(): cls for cls in classes}


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
ACTIVATION_NAMES = {name.lower(): name for name in ACTIVATIONS}
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


FLOAT32 = 3.4028234663852886e38  # the largest number
COMPARISONS = ("trajectory", "steps")


class SettingError(InputError):
    """A setting that an experiment cannot be run with."""


class InterruptedRunError(Exception):
    """A run that was asked to end, and did so after a step; it can be gone on from.

    Args:
        signal: the number of the signal.
    """

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message)
        self.signal = signal


class DivergenceError(ArithmeticError):
    """A run whose numbers became infinite, or none; the message is one line."""


def choice(*values: str) -> Any:
    """A field of an experiment's own settings: one of these, the first by default."""
    metadata = {"type": str, "help": ", ".join(values), "choices": values}
    return field(default=values[0], metadata=metadata)


def option(default: Any, kind: type, help: str) -> Any:
    """A field of an experiment's own settings, of this type."""
    return field(default=default, metadata={"type": kind, "help": help})


@dataclass(frozen=True)
class Settings:
    """Every setting of a run. An experiment with choices of its own has a subclass with them."""

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

    @classmethod
    def own(cls) -> dict[str, Mapping[str, Any]]:
        """What only this experiment lets set: the type, a help, and perhaps choices of each."""
        return {f.name: f.metadata for f in fields(cls) if f.metadata}

    @classmethod
    def choices(cls) -> dict[str, tuple[str, ...]]:
        """What only this experiment lets choose, and from what."""
        return {name: how["choices"] for name, how in cls.own().items() if "choices" in how}

    def options(self) -> str:
        """The settings as they are written on the command line."""
        options = []
        for name, value in asdict(self).items():
            option = name.replace("_", "-")
            if name == "experiment" or value in (None, (), ""):
                continue
            if isinstance(value, bool):
                options.append(f"--{option}" if value else f"--no-{option}")
            else:
                shown = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
                options.append(f"--{option} {shlex.quote(shown)}")
        return " ".join(options)

    def require(self, name: str, holds: bool, wish: str) -> None:
        """Raise SettingError, naming the setting and the wish, unless it holds."""
        if not holds:
            option, value = name.replace("_", "-"), getattr(self, name)
            raise SettingError(f"--{option} {value}: expected {wish}")

    def require_known(self, name: str, values: Collection[Any]) -> None:
        """Raise SettingError, naming the values, unless the setting is one of them."""
        names = ", ".join(filter(None, values))
        self.require(name, getattr(self, name) in values, f"one of {names}")

    def check_network(self) -> None:
        """Raise SettingError for hidden layers that cannot be."""
        if not self.hidden or min(self.hidden) < 1:
            widths = ",".join(map(str, self.hidden))
            raise SettingError(f"--hidden {widths}: expected widths of at least 1, as in 128,64")
        self.check_sizes()

    def check_sizes(self) -> None:
        """Raise SettingError for layers that would not fit into memory, before any is taken."""
        for before, after in pairwise((1, *self.hidden, 1)):
            if before * after > LARGEST:
                widths = ",".join(map(str, self.hidden))
                size = 8 * before * after / 2**30
                raise SettingError(
                    f"--hidden {widths}: one layer's weights would take {size:,.0f} GiB, at most "
                    f"{8 * LARGEST / 2**30:,.0f} are taken"
                )

    def require_one_width(self, of: str, example: str) -> None:
        """Raise SettingError unless all hidden widths, of these things, are the same."""
        if len(set(self.hidden)) > 1:
            widths = ",".join(map(str, self.hidden))
            raise SettingError(f"--hidden {widths}: expected {of} of one width, as in {example}")

    def known(self) -> dict[str, tuple[Any, ...]]:
        """The settings that are names, and those that there are."""
        return {
            "optimizer": (*OPTIMIZERS,),
            "activation": (*ACTIVATION_NAMES,),
            "schedule": (*SCHEDULES, None),
            "compare": (*COMPARISONS, None),
            **self.choices(),
        }

    def meant(self) -> Self:
        """With every name as it is, however it was typed."""
        names: dict[str, Any] = {
            name: name_meant(str(getattr(self, name)), filter(None, values))
            for name, values in self.known().items()
        }
        return replace(self, **{name: value for name, value in names.items() if value})

    def resolve(self) -> Self:
        """These settings, checked, and what follows from others filled in.

        Raises:
            SettingError: one has no meaning; the message names it and what was wanted.
        """
        self = self.meant()
        require = self.require
        require("steps", self.steps >= 1, "at least 1")
        require("lr", 0 <= self.lr < math.inf, "a number from 0 up")
        if self.dtype == "float32":
            require("lr", self.lr <= FLOAT32, f"at most {FLOAT32:.3g}, the largest of float32")
        require("batch_size", self.batch_size >= 1, "at least 1")
        require("seed", self.seed >= 0, "0 or more")
        require("dtype", self.dtype in ("float32", "float64"), "float32 or float64")
        self.check_network()
        for name, values in self.known().items():
            self.require_known(name, values)
        compare = self.compare or ("steps" if self.dtype == "float32" else "trajectory")
        return replace(self, compare=compare)
