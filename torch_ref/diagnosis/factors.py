"""A wrong factor: solved for as a number, and recognized as a size, a constant or an option."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from .planted.windows import windows_of
from .tape import Tape


def numbers_of(tape: Tape) -> dict[str, float]:
    """The numbers that a wrong factor may be made of, each by what it is."""
    numbers: dict[str, float] = {}
    for op in tape.ops:
        found = windows_of(op)
        if found is not None and op.short.startswith("avg_pool"):
            kernel = found[0].kernel
            name = f"a window of {op.name} ({op.index})"
            numbers[f"the number of elements of {name}"] = float(math.prod(kernel))
            for axis, size in enumerate(kernel):
                numbers[f"the size of axis {axis} of {name}"] = float(size)
    tensors = {name: value.tensor for name, value in tape.leaves.items()}
    tensors |= {f"output {i}": v.tensor for i, v in enumerate(tape.outputs)}
    for name, tensor in tensors.items():
        for axis, size in enumerate(tensor.shape):
            numbers[f"the size of axis {axis} of {name}"] = float(size)
        numbers[f"the number of elements of {name}"] = float(tensor.numel())
        if tensor.dim() > 2 and tensor.shape[1]:
            share = float(tensor.numel() // tensor.shape[1])
            numbers[f"the number of elements of one channel of {name}"] = share
    for op in tape.ops:
        for position, number in enumerate(op.flat):
            if isinstance(number, float | int) and not isinstance(number, bool):
                number = abs(float(number))
                if math.isfinite(number):
                    numbers[f"a number in {op.name} ({op.index}, {position})"] = number
                    numbers[f"1 − a number in {op.name} ({op.index}, {position})"] = 1 - number
    return numbers


@dataclass(frozen=True)
class Factor:
    """A wrong factor: ± number^power, or a value that is none of the known numbers."""

    value: float
    kind: str
    number: str = ""
    power: int = 1

    @property
    def known(self) -> bool:
        """Whether it is a number that stands somewhere, not just any."""
        return bool(self.number) or abs(self.value) in (0, 0.5, 1, 2)

    @property
    def words(self) -> str:
        if self.kind == "forgotten-path":
            return "is left out"
        if self.value == -1:
            return "has the wrong sign"
        turned = ", with the wrong sign" if self.value < 0 else ""
        size = abs(self.value)
        if not self.number:
            return f"is multiplied by {size:.9g}{turned}"
        known = size ** (1 / self.power)
        square = "the square of " if abs(self.power) == 2 else ""
        how = "divided" if self.power < 0 else "multiplied"
        number = self.number.partition(" (")[0]
        return f"is {how} by {square}{known:.6g}, {number}{turned}"

    def on(self, numbers: Mapping[str, float]) -> float | None:
        """The factor's value where the numbers are others; None where there is no such number."""
        if not self.number:
            return self.value
        if self.number not in numbers or not numbers[self.number]:
            return None
        return math.copysign(numbers[self.number] ** self.power, self.value)


def factors_for(value: float, numbers: Mapping[str, float], eps: float) -> list[Factor]:
    """What a factor may be; sizes are told from 2 and ½ only by another input."""

    def close(other: float) -> bool:
        return abs(value - other) <= 1e7 * eps * abs(other)

    if abs(value) < 1e7 * eps:
        return [Factor(0.0, "forgotten-path")]
    if close(-1):
        return [Factor(-1.0, "sign")]
    factors = [Factor(plain, "scale") for plain in (2.0, 0.5, -2.0, -0.5) if close(plain)]
    for name, number in numbers.items():
        counts = name.startswith("the ")
        for power in (-1, 1, -2, 2):
            if number <= 0 or number == 1 or not close(math.copysign(number**power, value)):
                continue
            kind = {-1: "mean-for-sum", 1: "sum-for-mean"}.get(power, "scale")
            value = math.copysign(number**power, value)
            factors.append(Factor(value, kind if counts else "scale", name, power))
    return factors or [Factor(value, "scale")]
