"""The formulas of one step, one for each layer, in matrices: a row for each sample."""

from collections.abc import Iterator

from .description import Description
from .formulas import (
    AGAIN,
    BACKWARD,
    FORWARD,
    LOSS,
    UPDATE,
    Equation,
    Parts,
    StepFormulas,
    Term,
    call,
    renewed,
    value_source,
)
from .names import Names


class LayerByLayer(StepFormulas):
    """The formulas of one step in matrices, a few for each layer.

    They are those of single neurons for a whole layer and all samples at once: a row of net, of out
    and of their gradients is a sample, a column a neuron; a row of W is one, a column an input.
    """

    def __init__(self, d: Description) -> None:
        self.d, self.names = d, Names(d)
        self.t, self.onehot = Term("t", "t"), Term("onehot_t", "onehot")
        self.samples = Term(f"{len(d.x)}", plain=float(len(d.x)))
        count = d.x.shape[0] * d.sizes[-1]
        self.count = Term(f"{count}", plain=float(count))

    def term(self, kind: str, layer: int, new: bool = False) -> Term:
        """A layer's "net", "out", "W" or "b"."""
        key = f"{KEYS[kind]}{layer}" if layer else "x"
        new = new and layer > 0 and (kind != "b" or self.d.trains_biases)
        return renewed(Term(self.names.matrix(kind, layer), key), new)

    def by(self, kind: str, layer: int) -> Term:
        """The error's gradient with respect to it."""
        return Term(f"∂E/∂{self.names.matrix(kind, layer)}", f"d{KEYS[kind]}{layer}")

    def forward_pass(self, section: str = FORWARD) -> Iterator[Equation]:
        new = section == AGAIN
        for i in range(1, self.d.layers + 1):
            net, out = self.term("net", i, new), self.term("out", i, new)
            product = self.term("out", i - 1, new), "·", transposed(self.term("W", i, new))
            formula: Parts = (*product, "+", self.term("b", i, new))
            why = "Every row of W, a neuron's weights, times every sample; b is added to each row."
            yield Equation(net, formula, section, "Linear.forward: @", why, "net")
            name = self.d.activations[i - 1]
            if name == "Identity":
                why, source = "There is no activation here.", "Identity.forward"
                yield Equation(out, (net,), section, source, why, "out")
            else:
                why = "Of every number by itself."
                source = value_source(name)
                yield Equation(out, (f"{call(name)}(", net, ")"), section, source, why, "out")

    def loss(self, section: str = LOSS) -> Iterator[Equation]:
        new = section == AGAIN
        error, out = renewed(Term("E", "L"), new), self.term("out", self.d.layers, new)
        if self.d.loss == "half-squared":
            formula: Parts = ("½ Σ (", self.t, "−", out, ")²")
            why = "The ½ is there to cancel the 2 of the square's derivative."
            yield Equation(error, formula, section, "HalfSquaredError.forward: / 2", why, "total")
        elif self.d.loss == "mse":
            formula = ("Σ (", out, "−", self.t, ")² /", self.count)
            why = "The mean over all outputs of all samples: no ½, so a 2 will stand in its slope."
            yield Equation(error, formula, section, "MSELoss.loss: square", why, "total")
        else:
            p = renewed(Term("p", "p"), new)
            why = "Of each sample by itself: e^out, divided by the sum of its row."
            yield Equation(p, ("softmax(", out, ")"), section, "Softmax.forward: y =", why, "share")
            formula = ("− Σ (", self.onehot, "⊙ log", p, ") /", self.samples)
            why = (
                "onehot_t has a 1 at each sample's true class and 0 elsewhere, so only that one's "
                "share counts. Divided by the number of samples."
            )
            source = "CrossEntropyLoss.forward: shifted[place]"
            yield Equation(error, formula, section, source, why, "total")

    def by_outputs(self) -> Equation:
        out, result = self.term("out", self.d.layers), self.by("out", self.d.layers)
        if self.d.loss == "half-squared":
            formula: Parts = (out, "−", self.t)
            why, source = "−(t − out), of every output.", "HalfSquaredError.backward: grad_output *"
        elif self.d.loss == "mse":
            formula = ("2 (", out, "−", self.t, ") /", self.count)
            why, source = "The square's derivative; the mean's division stays.", "MSELoss.slope"
        else:
            formula = ("(", Term("p", "p"), "−", self.onehot, ") /", self.samples)
            why = "A share for each class, less 1 at the true one; the mean's division stays."
            source = "CrossEntropyLoss.backward: by_x[place] -="
        return Equation(result, formula, BACKWARD, source, why, "by output")

    def backward_pass(self) -> Iterator[Equation]:
        yield self.by_outputs()
        for i in range(self.d.layers, 0, -1):
            by_net, net, out = self.by("net", i), self.term("net", i), self.term("out", i)
            name, slopes = self.d.activations[i - 1], Term(f"f′({net.name})", f"f{i}")
            formula: Parts = (f"{call(name)}′(", net, ")")
            if name == "Sigmoid":
                formula = (out, "⊙ (1 −", out, ")")
            if name == "Tanh":
                formula = ("1 −", out, "²")
            if name != "Identity":
                why = "The activation's slope, of every number by itself."
                yield Equation(slopes, formula, BACKWARD, f"{name}.derivative", why, "slopes")
            formula = (self.by("out", i), "⊙", slopes)
            why = "Neuron by neuron, sample by sample: ⊙ multiplies numbers in the same place."
            if name == "Identity":
                formula, why = (self.by("out", i),), "There is no activation here."
            yield Equation(by_net, formula, BACKWARD, f"{name}.backward", why, "by net")
            formula = (transposed(by_net), "·", self.term("out", i - 1))
            why = "What reaches a neuron times what came in: the product adds up the samples."
            source = "Linear.backward: self.weight.accumulate"
            yield Equation(self.by("W", i), formula, BACKWARD, source, why, "by W")
            formula = ("Σ over samples of", by_net)
            why = "b is added to every sample's row, so the rows add up"
            if self.d.trains_biases:
                why += "."
            else:
                why += "; the article leaves its biases as they are."
            source = "Linear.backward: self.bias.accumulate"
            yield Equation(self.by("b", i), formula, BACKWARD, source, why, "by b")
            if i > 1:
                why = "Back along each weight: a column of W is all that an input reaches."
                source = "Linear.backward: g @"
                formula = (by_net, "·", self.term("W", i))
                yield Equation(self.by("out", i - 1), formula, BACKWARD, source, why, "by out")

    def update(self) -> Iterator[Equation]:
        eta = Term("η", "η", ())
        for i in range(1, self.d.layers + 1):
            for kind in ("W", "b") if self.d.trains_biases else ("W",):
                formula: Parts = (self.term(kind, i), "−", eta, "·", self.by(kind, i))
                why = "A step against the gradient, η times as long: downhill."
                result = self.term(kind, i, new=True)
                yield Equation(result, formula, UPDATE, "SGD.update: s.lr", why, "update")


KEYS = {"net": "z", "out": "a", "W": "W", "b": "b"}


def transposed(term: Term) -> Term:
    """Its rows as columns."""
    name = f"({term.name})ᵀ" if term.name.startswith("∂") else f"{term.name}ᵀ"
    return Term(name, term.key, None, True)


def layer_by_layer(d: Description) -> Iterator[Equation]:
    """The formulas of one step in matrices, a few for each layer."""
    yield from LayerByLayer(d).step()
