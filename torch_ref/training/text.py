"""What all experiments with text have in common."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from manual import CrossEntropyLoss, Flatten, Module, Sequential

from .corpus import NOTHING, TextData, bigram_loss, read_text, reference_manual, windows
from .experiment import Experiment, Problem, Run
from .settings import SettingError, Settings, option

HEADS = 4  # of an attention
SAMPLE = 300  # characters at the end of a run
SHOWN = 24  # at most, of which it is pictured what heads look at


@dataclass(frozen=True)
class TextSettings(Settings):
    """Settings with what is read, and how much of it at once."""

    text: str | None = option(None, str, "a file to learn, for Python's own reference manual")
    block: int = option(64, int, "characters that the network sees at once")


class TextExperiment(Experiment):
    """A network that says what comes next, at every place of a text.

    A subclass gives `model`, beside what every experiment gives.
    """

    activation: str

    def check(self, settings: TextSettings) -> None:
        settings.require("activation", settings.activation == self.activation, self.activation)
        settings.require("block", settings.block >= 2, "at least 2")
        settings.require_one_width("layers", "64,64")

    def model(self, settings: TextSettings, size: int, generator: np.random.Generator) -> Module:
        """The network by hand: from tokens (N, T) to scores (N, T, size)."""
        raise NotImplementedError(f"{type(self).__name__} has no model")

    def read(self, settings: TextSettings) -> TextData:
        """The text, as numbers."""
        text = reference_manual() if settings.text is None else read_text(settings.text)
        return windows(text, settings.block)

    def make(
        self, settings: TextSettings, generator: np.random.Generator
    ) -> tuple[Sequential, CrossEntropyLoss, TextData]:
        """The scores of all places are handed to the loss side by side, (N · T, size)."""
        data = self.read(settings)
        model = self.model(settings, len(data.vocabulary), generator)
        return Sequential(model, Flatten(0, 1)), CrossEntropyLoss(), data

    def notes(self, problem: Problem) -> dict[str, str]:
        return {"vocabulary": json.dumps(data_of(problem).vocabulary.characters)}

    def results(self, run: Run) -> str:
        """The held-out loss beside a bigram model's, and what both sides say."""
        data = data_of(run.problem)
        assert data.held_out is not None
        *_, loss, twin_loss = run.pair.evaluate(*data.held_out)
        lines = [
            "Held-out loss, in nats per character:",
            f"  {loss:.4f} by hand, {twin_loss:.4f} by autograd; {bigram_loss(data):.4f} by",
            "  counting which character follows which",
            "",
            *self.said(run),
        ]
        return "\n".join(lines)

    def said(self, run: Run) -> Iterator[str]:
        """Lines with a sample of both sides."""
        seed = run.problem.settings.seed
        mine, theirs = self.sample(run.problem, run.pair, "", SAMPLE, seed, temperature=0.7)
        yield from told(mine, theirs)

    def sample(
        self, problem: Problem, pair: Any, prompt: str, count: int, seed: int, **options: Any
    ) -> tuple[str, str]:
        """What each side says after a prompt; without one, after a line's end.

        Args:
            options: temperature and top_k, see sampling.py.
        Raises:
            InputError: the prompt has a character that is not in the text.
        """
        from .sampling import both_continue

        vocabulary, longest = data_of(problem).vocabulary, problem.settings.block
        start = "\n" if "\n" in vocabulary.characters else vocabulary.characters[0]
        tokens = vocabulary.encode(prompt or start)
        mine, theirs = both_continue(pair, tokens, count, longest, seed, **options)
        return prompt + vocabulary.decode(mine), prompt + vocabulary.decode(theirs)


class WithAttention(TextExperiment):
    """What each head looks at is pictured."""

    def check(self, settings: TextSettings) -> None:
        super().check(settings)
        width = settings.hidden[0]
        if width % HEADS:
            raise SettingError(f"--hidden {width}: expected a multiple of {HEADS}, for the heads")

    def pictures(self, run: Run) -> Iterator[tuple[str, Any]]:
        from .attention_maps import maps_by_autograd, maps_by_hand
        from .pictures import attention

        data = data_of(run.problem)
        assert data.held_out is not None
        x, t = data.held_out
        lengths = (t.reshape(x.shape) != NOTHING).sum(axis=1)
        longest = int(lengths.argmax())
        tokens = x[longest : longest + 1, : min(int(lengths[longest]), SHOWN)]
        maps = maps_by_hand(run.pair.network, tokens), maps_by_autograd(run.pair.twin, tokens)
        letters = [data.vocabulary.decode([token]) or "·" for token in tokens[0]]
        yield "Attention of each head", attention(*maps, letters)


def data_of(problem: Problem) -> TextData:
    """The data, which is text."""
    assert isinstance(problem.data, TextData)
    return problem.data


def told(mine: str, theirs: str) -> Iterator[str]:
    """Lines with what both sides have said, once if it is the same."""
    if mine == theirs:
        yield f"Said by both sides, the same {len(mine)} characters:"
        yield from indented(mine)
    else:
        yield "Said by hand:"
        yield from indented(mine)
        yield "Said by autograd, which is something else:"
        yield from indented(theirs)


def indented(text: str) -> list[str]:
    return [f"    {line}".rstrip() for line in text.splitlines()]
