"""microgpt, the smallest GPT that makes up words, one document a step."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from manual import MicroGPT
from manual.arrays import float_dtype

from ..corpus import TextData, documents, read_text, reference_manual, words_of
from ..experiment import Problem, Run
from ..settings import Settings
from ..text import HEADS, TextSettings, WithAttention, data_of

WORDS = 20  # made up at the end of a run
BETAS = (0.85, 0.99)  # of Adam


class MakeUpWords(WithAttention):
    level = 7
    summary = "microgpt: 4,192 numbers that make up words, one document a step"
    defaults = TextSettings("microgpt", 1_000, 0.01, "adam", 1, (16,), "relu", block=16)
    activation = "relu"

    @staticmethod
    def schedule(lib: Any, optimizer: Any, steps: int) -> Any:
        """The learning rate falls in a straight line to 0."""
        return lib.PolynomialLR(optimizer, total_iters=steps, power=1.0)

    def optimizer_options(self, settings: Settings) -> dict[str, Any]:
        return {"betas": BETAS} if settings.optimizer == "adam" else {}

    def read(self, settings: TextSettings) -> TextData:
        """A file's lines are the documents; of the reference manual, its different words."""
        if settings.text is None:
            return documents(words_of(reference_manual()), settings.block)
        lines = [line.strip() for line in read_text(settings.text).splitlines()]
        return documents([line for line in lines if line], settings.block)

    def model(self, settings: TextSettings, size: int, generator: np.random.Generator) -> MicroGPT:
        """`hidden` is the width of each block."""
        width, layers = settings.hidden[0], len(settings.hidden)
        dtype = float_dtype(settings.dtype)
        return MicroGPT(size, settings.block, layers, HEADS, width, dtype, generator)

    def said(self, run: Run) -> Iterator[str]:
        problem, longest = run.problem, run.problem.settings.block
        both = [
            self.sample(problem, run.pair, "", longest, problem.settings.seed + n, temperature=0.5)
            for n in range(WORDS)
        ]
        mine, theirs = (", ".join(words) for words in zip(*both, strict=True))
        if mine == theirs:
            yield f"Made up by both sides, the same {WORDS}:\n    {mine}"
        else:
            yield f"Made up by hand:\n    {mine}"
            yield f"Made up by autograd, which is something else:\n    {theirs}"

    def sample(
        self, problem: Problem, pair: Any, prompt: str, count: int, seed: int, **options: Any
    ) -> tuple[str, str]:
        """A document that each side makes up, which may have to begin with the prompt."""
        from ..sampling import both_continue

        vocabulary, longest = data_of(problem).vocabulary, problem.settings.block
        assert vocabulary.end is not None
        tokens = [vocabulary.end, *vocabulary.encode(prompt)]
        count = max(0, min(count, longest + 1 - len(tokens)))  # there are no more places
        options["end"] = vocabulary.end
        mine, theirs = both_continue(pair, tokens, count, longest, seed, **options)
        return prompt + vocabulary.decode(mine), prompt + vocabulary.decode(theirs)


EXPERIMENT = MakeUpWords()
