"""The article's 2-2-2 sigmoid network, beside every figure that it prints."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from manual import HalfSquaredError
from manual.arrays import float_dtype
from manual.article.example import BIASES, INPUTS, LEARNING_RATE, RULES, TARGETS
from manual.article.figures import FIGURES, figures_table
from manual.article.modules import ArticleNetwork

from ..data import Data
from ..experiment import Experiment, Run
from ..settings import ACTIVATION_NAMES, SettingError, Settings, choice


@dataclass(frozen=True)
class ArticleSettings(Settings):
    """Settings with the article's choices: how a step is taken, and what becomes of the biases."""

    rule: str = choice(*RULES)
    biases: str = choice(*BIASES)


class WorkedExample(Experiment):
    level = 0
    summary = "the article's 2-2-2 sigmoid network, beside its printed figures"
    defaults = ArticleSettings("worked-example", 10_000, LEARNING_RATE, "sgd", 1, (2,), "sigmoid")

    def check(self, settings: ArticleSettings) -> None:
        settings.require("hidden", len(settings.hidden) == 1, "one width: one hidden layer")
        if settings.optimizer == "muon" and settings.biases != "fixed":
            raise SettingError(f"--biases {settings.biases}: Muon trains matrices only")

    def rule(self, settings: ArticleSettings) -> Any:
        from ..article import EARLY

        return EARLY if settings.rule == "early" else None

    def make(
        self, settings: ArticleSettings, generator: np.random.Generator
    ) -> tuple[ArticleNetwork, HalfSquaredError, Data]:
        dtype = float_dtype(settings.dtype)
        activation = ACTIVATION_NAMES[settings.activation]
        network = ArticleNetwork(settings.hidden[0], activation, settings.biases, dtype, generator)
        data = Data(np.array([INPUTS], dtype), np.array([TARGETS], dtype))
        return network, HalfSquaredError(), data

    def is_the_articles(self, settings: Settings) -> bool:
        """Whether it is the network whose figures are printed; by any rule, with any biases."""
        free = ("steps", "rule", "biases", "seed", "compare")
        return settings == replace(
            self.defaults, **{name: getattr(settings, name) for name in free}
        )

    def observe(self, run: Run, step: int) -> None:
        """The article's quantities after so many rounds, from PyTorch, where it prints any."""
        problem = run.problem
        told = any(step == figure.said_of for figure in FIGURES)
        if told and self.is_the_articles(problem.settings):
            from ...twin import to_torch
            from ..article import article_round

            x, t = to_torch(problem.data.x), to_torch(problem.data.t)
            lr, rule = problem.settings.lr, problem.settings.rule
            run.seen[step] = article_round(run.pair.twin, x, t, lr, rule)

    def headline(self, run: Run) -> str:
        settings = run.problem.settings
        if run.seen:
            return figures_table(settings.rule, settings.biases, run.seen)
        return "The article's figures hold for its own settings only; they are not shown here."


EXPERIMENT = WorkedExample()
