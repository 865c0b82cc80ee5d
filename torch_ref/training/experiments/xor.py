"""Exclusive or: the smallest problem that no network without a nonlinearity can solve."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from manual import MLP, MSELoss
from manual.arrays import float_dtype

from ..data import Data
from ..experiment import Experiment, Run
from ..settings import ACTIVATION_NAMES, Settings


def linear_floor(data: Data) -> float:
    """The least mean squared error that any network without a nonlinearity can reach."""
    x = np.c_[data.x, np.ones(len(data.x))].astype(np.float64)
    best, *_ = np.linalg.lstsq(x, data.t.astype(np.float64), rcond=None)
    return float(np.mean((x @ best - data.t) ** 2))


class Xor(Experiment):
    level = 1
    summary = "exclusive or: what a network without a nonlinearity cannot learn"
    defaults = Settings("xor", 3_000, 0.2, "sgd", 4, (4,), "tanh")

    def make(self, settings: Settings, generator: np.random.Generator) -> tuple[MLP, MSELoss, Data]:
        dtype = float_dtype(settings.dtype)
        sizes = (2, *settings.hidden, 1)
        network = MLP(sizes, ACTIVATION_NAMES[settings.activation], dtype, generator)
        x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype)
        return network, MSELoss(), Data(x, np.array([[0], [1], [1], [0]], dtype))

    def pictures(self, run: Run) -> Iterator[tuple[str, Any]]:
        from ..pictures import boundary

        data = run.problem.data
        yield "Decision boundary", boundary(run.pair.outputs, data.x, data.t)

    def results(self, run: Run) -> str:
        """All four points, and what is out of reach without a nonlinearity."""
        from ...parity.distance import table

        x, t = run.problem.data.x, run.problem.data.t
        output, twin_output, loss, _ = run.pair.evaluate(x, t)
        lines = [("x1 xor x2", "target", "by hand", "autograd", "")]
        for point, target, mine, theirs in zip(x, t, output, twin_output, strict=True):
            off = max(abs(mine - target), abs(theirs - target))[0]
            verdict = "right" if off < 0.499 else "wrong" if off > 0.501 else "undecided"
            lines.append(
                (
                    f"{point[0]:.0f} xor {point[1]:.0f}",
                    f"{target[0]:.0f}",
                    f"{mine[0]:.4f}",
                    f"{theirs[0]:.4f}",
                    verdict,
                )
            )
        floor = linear_floor(run.problem.data)
        return (
            f"{table(lines)}\n"
            f"error {loss:.6g}; without a nonlinearity no network gets below {floor:.6g}"
        )


EXPERIMENT = Xor()
