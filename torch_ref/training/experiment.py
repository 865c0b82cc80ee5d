"""What an experiment is: a name on the command line, and all that is its own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from manual import Module, Optimizer

from .data import Data
from .scores import ACCURACY, Score
from .settings import OPTIMIZERS, SCHEDULES, SettingError, Settings

if TYPE_CHECKING:
    from .lockstep import Lockstep, Rule, Step


@dataclass
class Problem:
    """What an experiment trains, by hand, and the data it trains it on.

    Attributes:
        experiment, settings: which one it is, and how.
        generator: for the batches, after the weights have been drawn.
        schedule: makes one from a library and an optimizer of that side.
    """

    experiment: "Experiment"
    settings: Any
    network: Module
    loss: Module
    optimizer: Optimizer
    data: Data
    generator: np.random.Generator
    schedule: Callable[[Any, Any], Any] | None


@dataclass
class Run:
    """A run as an experiment sees it.

    Attributes:
        pair: both sides.
        path: where it is written.
        seen: what the experiment's `observe` keeps.
        parted: the first step at which they parted by more than rounding explains.
    """

    problem: Problem
    pair: "Lockstep"
    path: Path
    seen: dict[Any, Any] = field(default_factory=dict)
    parted: "Step | None" = None

    @property
    def agrees(self) -> bool:
        """Whether by hand and autograd agreed at every step."""
        return self.parted is None

    def scores(self) -> tuple[float, float]:
        """How good both sides' answers are: on what was held out, or else on all samples."""
        data = self.problem.data
        x, t = data.held_out or (data.x, data.t)
        mine, theirs = self.pair.outputs(x)
        score = self.problem.experiment.score
        return score.of(mine, t), score.of(theirs, t)

    def pictures(self) -> dict[str, Any]:
        """The experiment's figures, of matplotlib, by their titles."""
        return dict(self.problem.experiment.pictures(self))


class Experiment:
    """The base of every experiment; a file of `experiments` has one.

    A subclass gives `summary`, `defaults` and `make`, and what else is its own.

    Attributes:
        level: how far along the way from the article's example it is; lists are in this order.
        summary: in a line.
        defaults: its settings, where nothing else is asked for.
        score: how good the answers are.
        has_command: whether there is a command that does it again.
    """

    level: int
    summary: str
    defaults: Settings
    score: Score = ACCURACY
    has_command: bool = True

    @property
    def name(self) -> str:
        return self.defaults.experiment

    @property
    def run_name(self) -> str:
        """What its runs are called."""
        return self.name

    def resolve(self, settings: Any) -> Any:
        """The settings, checked, and what follows from others, or from data, filled in.

        Raises:
            InputError: one has no meaning.
        """
        return settings.resolve()

    def make(self, settings: Any, generator: np.random.Generator) -> tuple[Module, Module, Data]:
        """Network, loss and data, by hand."""
        raise NotImplementedError(f"{type(self).__name__} has no make")

    def check(self, settings: Any) -> None:
        """Raise SettingError for settings that go with others, but not with this experiment."""

    def rule(self, settings: Any) -> "Rule | None":
        """How a step is taken on both sides, if not by gradient descent."""
        return None

    def observe(self, run: Run, step: int) -> None:
        """Called before the first step, with 0, and after every step."""

    def headline(self, run: Run) -> str:
        """What is printed at the end, above the parity."""
        return ""

    def pictures(self, run: Run) -> Iterator[tuple[str, Any]]:
        """Figures for the dashboard at the end of the run, with their titles."""
        return iter(())

    def results(self, run: Run) -> str:
        """What is printed at the end, below the parity."""
        return ""

    # How the learning rate changes where no schedule is asked for, as in SCHEDULES.
    schedule: Callable[[Any, Any, int], Any] | None = None

    def optimizer_options(self, settings: Any) -> dict[str, Any]:
        """What the optimizer is made with, beside its learning rate."""
        return {}

    def notes(self, problem: Problem) -> dict[str, str]:
        """What is kept beside the weights, without which they mean nothing."""
        return {}

    def build(self, settings: Settings) -> Problem:
        """The problem that these settings describe.

        Raises:
            SettingError: they do not fit together; the batch is larger than the data.
        """
        self.check(settings)
        generator = np.random.default_rng(settings.seed)
        network, loss, data = self.make(settings, generator)
        if settings.batch_size > len(data.x):
            raise SettingError(
                f"--batch-size {settings.batch_size}: there are only {len(data.x)} samples"
            )
        muon = settings.optimizer == "muon"  # for matrices only: the biases stay as they are
        parameters = [p for p in network.parameters() if not muon or len(p.shape) == 2]
        for parameter in network.parameters():
            parameter.requires_grad &= any(parameter is chosen for chosen in parameters)
        options = self.optimizer_options(settings)
        optimizer = OPTIMIZERS[settings.optimizer](parameters, lr=settings.lr, **options)
        recipe = SCHEDULES.get(settings.schedule or "", self.schedule)
        schedule = (lambda lib, o: recipe(lib, o, settings.steps)) if recipe else None
        return Problem(self, settings, network, loss, optimizer, data, generator, schedule)
