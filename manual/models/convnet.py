"""Networks for images, built of convolutions."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import Array
from ..containers import Sequential
from ..layers.activations import ReLU
from ..layers.adaptive_pooling import AdaptiveAvgPool2d
from ..layers.batch_normalization import BatchNorm2d
from ..layers.convolution import Conv2d
from ..layers.linear import Flatten, Linear
from ..layers.pooling import MaxPool2d
from ..module import Module
from .mlp import activation_named, make_activation


class ConvNet(Module):
    """A convolutional network: 3 × 3 convolutions, each with 2 × 2 max pooling and an activation
    behind it, then one linear layer for the classes.

    Each convolution looks for small patterns; pooling keeps that a pattern is there and forgets
    exactly where, so that the next one looks over twice as much of the image. An activation that
    never falls, such as ReLU, commutes with taking the largest: behind the pooling it gives the
    same, with a quarter of the work.

    Backward, by the chain rule, through each of them, the last one first: the linear layer and the
    convolutions hand back sums over their weights, ReLU what passed it, pooling each number to the
    place of the largest. Each of these classes derives its own.

    Shapes: input (N, channels[0], size, size), output (N, classes) scores.

    Args:
        channels: of the input, then of each convolution.
        size: of the image, each way.
        activation: the name of the activation's class.
    """

    def __init__(
        self,
        channels: Sequence[int] = (1, 16, 32),
        size: int = 8,
        classes: int = 10,
        activation: str = "ReLU",
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.size, self.classes = tuple(channels), size, classes
        self.activation = activation_named(activation)
        layers: list[Module] = []
        for before, after in pairwise(channels):
            convolution = Conv2d(before, after, 3, padding=1, dtype=dtype, generator=generator)
            layers += [convolution, MaxPool2d(2), make_activation(activation, dtype)]
            size //= 2
        features = channels[-1] * size * size
        self.features = Sequential(*layers, Flatten())
        self.classifier = Linear(features, classes, dtype=dtype, generator=generator)

    def forward(self, x: Array) -> Array:
        return self.classifier(self.features(x))

    def backward(self, g: Array) -> Array:
        return self.features.backward(self.classifier.backward(g))

    def without_input_gradient(self) -> Self:
        self.features.without_input_gradient()
        return super().without_input_gradient()


class ResidualBlock(Module):
    """y = relu(x + F(x)): two convolutions with batch normalization, F, learn what to add to x.

    Backward, with g = ∂L/∂y; reluᵀ(g) is what ReLU hands back of g, Fᵀ what F does:
        δ = reluᵀ(g)
        ∂L/∂x = δ + Fᵀ(δ)       chain rule: x is used twice, and both paths add up
    The first path has no weights on it: however small they are, the gradient arrives, through any
    number of blocks.

    Shapes: input and output (N, channels, H, W).

    Source: He et al., 2016.
    """

    def __init__(
        self,
        channels: int,
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.channels = channels

        def convolution() -> Conv2d:
            return Conv2d(
                channels, channels, 3, padding=1, bias=False, dtype=dtype, generator=generator
            )

        self.branch = Sequential(
            convolution(),
            BatchNorm2d(channels, dtype=dtype),
            ReLU(),
            convolution(),
            BatchNorm2d(channels, dtype=dtype),
        )
        self.relu = ReLU()

    def forward(self, x: Array) -> Array:
        return self.relu(x + self.branch(x))

    def backward(self, g: Array) -> Array:
        delta = self.relu.backward(g)
        # x + branch(x): the gradient forks, and both parts come together again in x
        return delta + self.branch.backward(delta)


class ResNet(Module):
    """A small residual network: a convolution, blocks of one width, the mean over the image, and
    one linear layer for the classes.

    Backward, by the chain rule, through each of them, the last one first; see ResidualBlock. The
    mean hands every pixel the same part of its gradient.

    Shapes: input (N, in_channels, H, W), output (N, classes) scores.

    Args:
        width: channels of the blocks.
        blocks: how many there are.
    """

    def __init__(
        self,
        in_channels: int = 1,
        width: int = 16,
        blocks: int = 2,
        classes: int = 10,
        dtype: DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.in_channels, self.width = in_channels, width
        self.blocks, self.classes = blocks, classes
        self.stem = Sequential(
            Conv2d(in_channels, width, 3, padding=1, bias=False, dtype=dtype, generator=generator),
            BatchNorm2d(width, dtype=dtype),
            ReLU(),
        )
        self.trunk = Sequential(*(ResidualBlock(width, dtype, generator) for _ in range(blocks)))
        self.head = Sequential(AdaptiveAvgPool2d(1), Flatten())
        self.classifier = Linear(width, classes, dtype=dtype, generator=generator)

    def forward(self, x: Array) -> Array:
        return self.classifier(self.head(self.trunk(self.stem(x))))

    def backward(self, g: Array) -> Array:
        for part in (self.classifier, self.head, self.trunk, self.stem):
            g = part.backward(g)
        return g

    def without_input_gradient(self) -> Self:
        self.stem.without_input_gradient()
        return super().without_input_gradient()
