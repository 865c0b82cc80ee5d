"""Where a parameter of the reference stands in someone's code, and how it lies there."""

from dataclasses import dataclass

import numpy as np

from ..safe_files import InputError

Array = np.ndarray
# What courses call a parameter that PyTorch calls by the first name.
ALIASES = {
    "weight": ("weight", "weights", "W", "w", "kernel", "theta", "gamma"),
    "bias": ("bias", "biases", "b", "beta"),
    "weight_ih": ("weight_ih", "W_ih", "Wx", "W_x", "W", "Wxh", "W_xh"),
    "weight_hh": ("weight_hh", "W_hh", "Wh", "W_h", "U", "Whh"),
    "bias_ih": ("bias_ih", "b_ih", "b", "bx", "bh"),
    "bias_hh": ("bias_hh", "b_hh", "bh"),
}
GATES = ("ifgo", "rzn")  # PyTorch's order of a recurrent layer's gates


class CandidateError(InputError):
    """What was handed in cannot be run; the message is one line."""


@dataclass(frozen=True)
class Layout:
    """Where one parameter of the reference stands in someone's code, and how it lies there.

    Written `NAME[:GRADIENT][.T][.flat][@ORDER]`: transposed; its trailing axes flattened into one;
    its gates in another order than PyTorch's (`ifgo`, `rzn`, or digits). `0` stands for a parameter
    that is not there: the reference's is held at zero.
    """

    name: str
    gradient: str = ""
    transposed: bool = False
    flat: bool = False
    order: str = ""
    shape: tuple[int, ...] | None = None  # with axes of length 1 more, or fewer
    kernel_first: bool = False  # a convolution's (kernel, in, out), where PyTorch has (out, in, …)

    @classmethod
    def parse(cls, text: str) -> "Layout":
        """The layout that a text describes.

        Raises:
            CandidateError: it describes none.
        """
        if text == "0":
            return cls("")
        rest, _, order = text.partition("@")
        flags = {"T": False, "flat": False}
        while "." in rest and rest.rpartition(".")[2] in flags:
            rest, _, flag = rest.rpartition(".")
            flags[flag] = True
        name, _, gradient = rest.partition(":")
        if not name.replace(".", "_").isidentifier():
            raise CandidateError(
                f"map {text!r}: expected NAME, as in W, W.T, Wx.T@ifog, weight:grad_weight"
            )
        layout = cls(name, gradient, flags["T"], flags["flat"], order)
        layout.blocks()
        return layout

    def blocks(self) -> list[int]:
        """For each of their gates, which of PyTorch's it is."""
        if not self.order:
            return []
        standard = next((g for g in GATES if sorted(g) == sorted(self.order)), None)
        standard = standard or "0123456789"[: len(self.order)]
        if sorted(standard) != sorted(self.order):
            raise CandidateError(
                f"map {self.name}@{self.order}: expected the gates ifgo or rzn in some order"
            )
        return [standard.index(gate) for gate in self.order]

    def to_mine(self, value: Array) -> Array:
        """A copy of the reference's array, as it lies in someone's code."""
        blocks = self.blocks()
        if blocks:
            parts = np.split(value, len(blocks))
            value = np.concatenate([parts[i] for i in blocks])
        if self.flat:
            value = value.reshape(len(value), -1)
        if self.transposed:
            value = value.T
        if self.kernel_first:
            value = np.moveaxis(value, (0, 1), (-1, -2))
        if self.shape is not None:
            value = value.reshape(self.shape)
        return np.array(value, order="C")

    def shape_of_mine(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape in someone's code of what has this one in the reference."""
        return self.to_mine(np.empty(shape)).shape

    def to_reference(self, value: Array, shape: tuple[int, ...]) -> Array:
        """Someone's array as it lies in the reference; one of an unfit shape stays unfit.

        A gradient lies as its own array does: one that lies as the reference's does is wrong there.
        """
        wanted = self.shape_of_mine(shape)
        if value.shape != wanted:
            value = value.T if self.transposed else value
            return value.reshape(-1) if value.shape == shape else value
        if self.shape is not None:
            return value.reshape(shape)
        if self.kernel_first:
            return np.moveaxis(value, (-1, -2), (0, 1))
        if self.transposed:
            value = value.T
        if self.flat:
            value = value.reshape(shape)
        blocks = self.blocks()
        if blocks:
            parts = np.split(value, len(blocks))
            value = np.concatenate([parts[blocks.index(i)] for i in range(len(blocks))])
        return value


def names_for(name: str, position: int) -> list[str]:
    """What someone may call a parameter; `position` counts those of its kind."""
    last = name.rpartition(".")[2]
    stem = last[:-3] if last.endswith("_l0") else last
    names = [name, name.replace(".", "_"), last, *ALIASES.get(stem, (stem,))]
    short = {"weight": "Ww", "bias": "b"}.get(stem, "")
    numbered = [f"{s}{n}" for n in (position + 1, position) for s in short]
    return list(dict.fromkeys([*numbered, *names] if position else [*names, *numbered]))
