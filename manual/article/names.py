"""What the quantities of a small network are called: as the article calls those of its own.

    i1          the first input                 t1      the first output's target
    net_h1      what neuron h1 adds up          out_h1  what it gives on
    w_h1i2      the weight from i2 to h1        b_h1    the bias of h1
    net_h, W_h  all of a layer at once: a matrix

The article numbers its weights through, w1 to w8, and has one bias for a layer, b1 and b2.
"""

from .description import Description, DescriptionError

HIDDEN = "hkmnpqrsuvyz"  # the letters of the hidden layers; o is the last one's
MOST = 8  # neurons of a layer that are all written out; of more, so many:
HEAD, TAIL = 5, 2


def shown_of(size: int) -> list[int]:
    """The neurons of a layer that are written out: all, or the first and the last."""
    if size <= MOST:
        return list(range(size))
    return [*range(HEAD), *range(size - TAIL, size)]


class Names:
    """The names of a network's quantities.

    Raises:
        DescriptionError: it has more hidden layers than there are letters.
    """

    def __init__(self, d: Description) -> None:
        if d.layers - 1 > len(HIDDEN):
            raise DescriptionError(
                f"{d.layers - 1} hidden layers: at most {len(HIDDEN)} are written out"
            )
        self.article = d.article
        self.letters = ["i", *HIDDEN[: d.layers - 1], "o"]

    def of(self, layer: int, i: int) -> str:
        """A neuron."""
        return f"{self.letters[layer]}{i + 1}"

    def neuron(self, kind: str, layer: int, i: int) -> str:
        """What a neuron adds up, "net", or gives on, "out"; an input only is."""
        return f"{kind}_{self.of(layer, i)}" if layer else self.of(0, i)

    def weight(self, layer: int, i: int, j: int) -> str:
        if self.article:
            return f"w{4 * (layer - 1) + 2 * i + j + 1}"
        return f"w_{self.of(layer, i)}{self.of(layer - 1, j)}"

    def bias(self, layer: int, i: int) -> str:
        return f"b{layer}" if self.article else f"b_{self.of(layer, i)}"

    def matrix(self, kind: str, layer: int) -> str:
        """All of a layer: "net", "out", "W" or "b"."""
        return f"{kind}_{self.letters[layer]}" if layer else "i"
