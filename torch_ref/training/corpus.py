"""Texts, as the numbers of their characters, and the batches that both sides see of them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from manual.arrays import Array

from ..safe_files import InputError
from .data import Data

NOTHING = -100  # a target that does not count, as CrossEntropyLoss has it by default
HELD_OUT = 64  # windows of the held-out text that are looked at


def reference_manual() -> str:
    """The English of Python's own reference manual, which every CPython carries for `help`."""
    from pydoc_data.topics import topics

    return "\n".join(topics[name] for name in sorted(topics))


def read_text(path: str) -> str:
    """A file's text.

    Raises:
        InputError: there is none, or it is no text in UTF-8.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"--text {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"--text {path}: no text in UTF-8, at byte {error.start:,}") from None


@dataclass(frozen=True)
class Vocabulary:
    """Characters and their numbers.

    Args:
        characters: each once; a character's number is its place.
        with_end: one more number, behind those, stands for the beginning and the end of a document.
    """

    characters: str
    with_end: bool = False

    def __len__(self) -> int:
        return len(self.characters) + self.with_end

    @property
    def end(self) -> int | None:
        """The number of a document's beginning and end, if there is one."""
        return len(self.characters) if self.with_end else None

    def encode(self, text: str) -> list[int]:
        """Raises InputError for a character that is not among these."""
        numbers = {character: number for number, character in enumerate(self.characters)}
        for place, character in enumerate(text):
            if character not in numbers:
                raise InputError(f"{character!r}, character {place + 1} of {text!r}, is not known")
        return [numbers[character] for character in text]

    def decode(self, tokens: list[int]) -> str:
        return "".join(self.characters[token] for token in tokens if token != self.end)


@dataclass(frozen=True)
class TextData(Data):
    """Numbers of characters, and of those that follow them.

    Attributes:
        x, t: (M, T); NOTHING in t behind the end of a document. In `held_out` t is (M · T,), as a
            network's scores are.
        pairs: every character of the training text once, and the one that follows it.
    """

    vocabulary: Vocabulary = Vocabulary("")
    pairs: tuple[Array, Array] = (np.zeros(0, int), np.zeros(0, int))

    def batches(self, size: int, generator: np.random.Generator) -> Iterator[tuple[Array, Array]]:
        """Endless batches of (N, T) and (N · T,), cut off behind the longest document."""
        for x, t in super().batches(size, generator):
            longest = int((t != NOTHING).any(axis=0).sum())
            yield x[:, :longest], t[:, :longest].reshape(-1)


def windows(text: str, length: int) -> TextData:
    """Every window of so many characters; of the last tenth of the text some are held out.

    Raises:
        InputError: the text is too short for that.
    """
    if len(text) < 20 * (length + 1):
        raise InputError(
            f"--text: {len(text):,} characters, expected at least {20 * (length + 1):,}, of which "
            f"a tenth is held out, for windows of {length}"
        )
    vocabulary = Vocabulary("".join(sorted(set(text))))
    numbers = np.array(vocabulary.encode(text))
    cut = len(numbers) * 9 // 10
    train, rest = numbers[:cut], numbers[cut:]
    starts = np.linspace(0, len(rest) - length - 1, HELD_OUT).astype(int)
    x, t = (sliding_window_view(part, length)[starts] for part in (rest[:-1], rest[1:]))
    return TextData(
        sliding_window_view(train[:-1], length),
        sliding_window_view(train[1:], length),
        (x, t.reshape(-1)),
        vocabulary,
        (train[:-1], train[1:]),
    )


def words_of(text: str) -> list[str]:
    """Its different words, in small letters."""
    return sorted(set(re.findall(r"[a-z]+", text.lower())))


def documents(texts: list[str], length: int) -> TextData:
    """Texts by themselves, each between two ends and cut off at a length; a tenth is held out.

    Raises:
        InputError: there are too few.
    """
    if len(texts) < 10:
        raise InputError(f"--text: {len(texts)} lines, expected at least 10, a document each")
    vocabulary = Vocabulary("".join(sorted(set("".join(texts)))), with_end=True)
    end = len(vocabulary.characters)
    x = np.full((len(texts), length), end)
    t = np.full((len(texts), length), NOTHING)
    order = np.random.default_rng(0).permutation(len(texts))  # not all held out from the end
    for row, index in enumerate(order):
        tokens = [end, *vocabulary.encode(texts[index]), end]
        count = min(length, len(tokens) - 1)
        x[row, :count], t[row, :count] = tokens[:count], tokens[1 : count + 1]
    cut = len(texts) * 9 // 10
    counted = t[:cut] != NOTHING
    return TextData(
        x[:cut],
        t[:cut],
        (x[cut:], t[cut:].reshape(-1)),
        vocabulary,
        (x[:cut][counted], t[:cut][counted]),
    )


def bigram_loss(data: TextData) -> float:
    """The held-out loss of a model that knows only which character follows which, and how often.

    One is added to every count, so that what was never seen is not taken to be impossible.
    Mean of −log P(next | this), in nats.
    """
    assert data.held_out is not None
    size = len(data.vocabulary)
    counts = np.ones((size, size))
    np.add.at(counts, data.pairs, 1)
    log_p = np.log(counts / counts.sum(axis=1, keepdims=True))
    x, t = data.held_out[0].reshape(-1), data.held_out[1]
    counted = t != NOTHING
    return float(-log_p[x[counted], t[counted]].mean())
