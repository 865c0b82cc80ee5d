"""What is timed: a network, its loss, its optimizer and some batches, all by hand.

Numbers are drawn from a fixed seed: what they are makes no difference to the time. Where there is
no optimizer, a step is the pass forward and backward; the data's gradient is computed by nobody.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import manual
from manual import CrossEntropyLoss, Flatten, HalfSquaredError, Module, MSELoss, Optimizer
from manual.arrays import Array
from manual.article.example import INPUTS, LEARNING_RATE, TARGETS
from manual.article.modules import ArticleNetwork

Batches = list[tuple[Array, Array]]  # inputs and targets, taken in turn
F32 = np.float32


@dataclass(frozen=True)
class Task:
    """What a step is taken of.

    Attributes:
        network: of several outputs, the first one counts.
        optimizer: None where a step is the pass forward and backward alone.
    """

    network: Module
    loss: Module
    optimizer: Optimizer | None
    batches: Batches


@dataclass(frozen=True)
class Workload:
    """One line of the table.

    Attributes:
        goal: the time by hand as a share of PyTorch eager's that is to be reached.
        images: whether there is something to lay out as `channels_last`.
    """

    summary: str
    goal: float
    make: Callable[[np.random.Generator], Task]
    images: bool = False

    def task(self) -> Task:
        """The same numbers each time."""
        return self.make(np.random.default_rng(0))


def worked_example(generator: np.random.Generator) -> Task:
    network = ArticleNetwork(dtype=np.float64)
    optimizer = manual.SGD(network.parameters(), lr=LEARNING_RATE)
    return Task(network, HalfSquaredError(), optimizer, [(np.array([INPUTS]), np.array([TARGETS]))])


def classified(generator: np.random.Generator, *shape: int, classes: int = 10) -> Batches:
    """One batch of normal numbers, and a class for each sample."""
    x = generator.normal(size=shape).astype(F32)
    return [(x, generator.integers(0, classes, shape[0]))]


def perceptron(batch: int, *sizes: int) -> Callable[[np.random.Generator], Task]:
    def make(generator: np.random.Generator) -> Task:
        network = manual.MLP(sizes, generator=generator)
        optimizer = manual.Adam(network.parameters())
        batches = classified(generator, batch, sizes[0], classes=sizes[-1])
        return Task(network, CrossEntropyLoss(), optimizer, batches)

    return make


def convolutions(size: int) -> Callable[[np.random.Generator], Task]:
    def make(generator: np.random.Generator) -> Task:
        network = manual.ConvNet(size=size, generator=generator)
        return Task(network, CrossEntropyLoss(), None, classified(generator, 64, 1, size, size))

    return make


def recurrence(generator: np.random.Generator) -> Task:
    network = manual.LSTM(64, 128, batch_first=True, generator=generator)
    x, t = (generator.normal(size=(32, 64, width)).astype(F32) for width in (64, 128))
    return Task(network, MSELoss(), None, [(x, t)])


def of_text(model: Module, optimizer: Optimizer, batches: Batches) -> Task:
    """The scores of all places are handed to the loss side by side."""
    network = manual.Sequential(model, Flatten(0, 1))
    return Task(network, CrossEntropyLoss(), optimizer, batches)


def gpt(generator: np.random.Generator) -> Task:
    model = manual.GPT(65, 64, n_layer=2, n_head=4, n_embd=128, generator=generator)
    tokens, following = generator.integers(0, 65, (2, 8, 64))
    optimizer = manual.AdamW(model.parameters())
    return of_text(model, optimizer, [(tokens, following.reshape(-1))])


def microgpt(generator: np.random.Generator) -> Task:
    model = manual.MicroGPT(generator=generator)
    optimizer = manual.Adam(model.parameters(), lr=0.01, betas=(0.85, 0.99))
    words = [generator.integers(0, 27, length + 1) for length in generator.integers(4, 11, 16)]
    return of_text(model, optimizer, [(word[np.newaxis, :-1], word[1:]) for word in words])


WORKLOADS = {
    "W1": Workload("the article's example, batch 1, float64, SGD", 0.08, worked_example),
    "W2a": Workload("MLP 64-128-64-10, batch 32, Adam", 0.22, perceptron(32, 64, 128, 64, 10)),
    "W2b": Workload("MLP 64-128-64-10, batch 256, Adam", 0.48, perceptron(256, 64, 128, 64, 10)),
    "W3": Workload("MLP 784-512-256-10, batch 128, Adam", 0.80, perceptron(128, 784, 512, 256, 10)),
    "W4a": Workload("CNN on 8 x 8, batch 64, forward and backward", 0.50, convolutions(8), True),
    "W4b": Workload("CNN on 28 x 28, batch 64, forward and backward", 0.55, convolutions(28), True),
    "W5": Workload("LSTM 64-128, batch 32, 64 steps, forward and backward", 1.0, recurrence),
    "W6": Workload("GPT of 2 layers, width 128, batch 8, 64 tokens, AdamW", 0.92, gpt),
    "W7": Workload("microgpt, one word a step, Adam", 0.15, microgpt),
}
