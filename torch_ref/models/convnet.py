"""Networks for images, built of convolutions."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from .mlp import make_activation


class ConvNet(nn.Module):
    """3 × 3 convolutions with max pooling and activations, then a layer for the classes."""

    def __init__(
        self,
        channels: Sequence[int] = (1, 16, 32),
        size: int = 8,
        classes: int = 10,
        activation: str = "ReLU",
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.size, self.classes = tuple(channels), size, classes
        self.activation = activation
        layers: list[nn.Module] = []
        for before, after in pairwise(channels):
            layers.append(nn.Conv2d(before, after, 3, padding=1, dtype=dtype))
            layers += [nn.MaxPool2d(2), make_activation(activation, dtype)]
            size //= 2
        self.features = nn.Sequential(*layers, nn.Flatten())
        self.classifier = nn.Linear(channels[-1] * size * size, classes, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


class ResidualBlock(nn.Module):
    """Two convolutions with batch normalization, whose result is added to their input."""

    def __init__(self, channels: int, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.channels = channels

        def convolution() -> nn.Conv2d:
            return nn.Conv2d(channels, channels, 3, padding=1, bias=False, dtype=dtype)

        self.branch = nn.Sequential(
            convolution(),
            nn.BatchNorm2d(channels, dtype=dtype),
            nn.ReLU(),
            convolution(),
            nn.BatchNorm2d(channels, dtype=dtype),
        )

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(x + self.branch(x))


class ResNet(nn.Module):
    """A small residual network."""

    def __init__(
        self,
        in_channels: int = 1,
        width: int = 16,
        blocks: int = 2,
        classes: int = 10,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.in_channels, self.width, self.blocks, self.classes = (
            in_channels,
            width,
            blocks,
            classes,
        )
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, padding=1, bias=False, dtype=dtype),
            nn.BatchNorm2d(width, dtype=dtype),
            nn.ReLU(),
        )
        self.trunk = nn.Sequential(*(ResidualBlock(width, dtype) for _ in range(blocks)))
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classifier = nn.Linear(width, classes, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.head(self.trunk(self.stem(x))))
