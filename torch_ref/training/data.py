"""Real data sets, and the batches that both sides see."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from manual.arrays import Array


@dataclass(frozen=True)
class Data:
    """Training samples, and held-out ones where the data set has any to spare."""

    x: Array
    t: Array
    held_out: tuple[Array, Array] | None = None

    def batches(self, size: int, generator: np.random.Generator) -> Iterator[tuple[Array, Array]]:
        """Endless batches: every epoch goes once through all samples, in an order of its own.

        The last batch of an epoch is smaller where the batch size does not divide the samples.
        """
        count = len(self.x)
        while True:
            order = generator.permutation(count) if size < count else np.arange(count)
            for start in range(0, count, size):
                chosen = order[start : start + size]
                yield self.x[chosen], self.t[chosen]


def digits(dtype: np.dtype, shape: tuple[int, ...] = (64,)) -> Data:
    """scikit-learn's 1,797 handwritten digits: 8x8 pixels from 0 to 1, classes 0 to 9.

    Every fifth is held out. They come in the order of their 43 writers, so that both parts have
    some of each; how well an unknown writer is read would take a split between writers.

    Args:
        shape: of one image: (64,), or (1, 8, 8) for convolutions.
    """
    from sklearn.datasets import load_digits  # takes a second to import

    x, t = load_digits(return_X_y=True)
    x, t = (x / 16).astype(dtype).reshape(-1, *shape), t.astype(np.int64)
    held_out = np.arange(len(x)) % 5 == 4
    return Data(x[~held_out], t[~held_out], (x[held_out], t[held_out]))
