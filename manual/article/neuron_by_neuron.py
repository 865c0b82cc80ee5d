"""The formulas of one step, one for each neuron and each weight, as the article writes them."""

from collections.abc import Iterator, Sequence

from .description import Description, loss_class
from .formulas import BACKWARD, FORWARD, LOSS, UPDATE, Equation, Parts, Term, call

NEURONS = 6  # of a layer, at most, in the view of single neurons


class Names:
    """What neurons and weights are called: the article's names, or layer and number."""

    def __init__(self, d: Description) -> None:
        self.article = d.article
        self.sizes = d.sizes

    def neuron(self, kind: str, layer: int, i: int) -> str:
        if self.article:
            return f"{kind}_{'ho'[layer - 1]}{i + 1}" if layer else f"i{i + 1}"
        if layer == 0:
            return f"x_{i + 1}"
        return f"{ {'net': 'z', 'out': 'a'}[kind] }{layer}_{i + 1}"

    def weight(self, layer: int, i: int, j: int) -> str:
        if self.article:
            return f"w{4 * (layer - 1) + 2 * i + j + 1}"
        return f"w{layer}_{i + 1}{j + 1}" if max(self.sizes) < 10 else f"w{layer}_{i + 1},{j + 1}"

    def bias(self, layer: int, i: int) -> str:
        return f"b{layer}" if self.article else f"b{layer}_{i + 1}"

    @property
    def loss(self) -> str:
        return "E" if self.article else "L"


class NeuronByNeuron:
    """The formulas of one sample's step. Of a wide layer the first neurons are shown, with all that
    reaches them."""

    def __init__(self, d: Description) -> None:
        self.d, self.names = d, Names(d)
        self.E = self.names.loss
        self.shown = [range(min(size, NEURONS)) for size in d.sizes]
        self.outputs = range(d.sizes[-1])

    # ---- the quantities

    def net(self, layer: int, i: int) -> Term:
        return Term(self.names.neuron("net", layer, i), f"z{layer}", (0, i))

    def out(self, layer: int, i: int) -> Term:
        return Term(self.names.neuron("out", layer, i), f"a{layer}", (0, i))

    def weight(self, layer: int, i: int, j: int) -> Term:
        return Term(self.names.weight(layer, i, j), f"W{layer}", (i, j))

    def bias(self, layer: int, i: int) -> Term:
        return Term(self.names.bias(layer, i), f"b{layer}", (i,))

    def target(self, i: int) -> Term:
        return Term(f"t{i + 1}" if self.d.article else f"t_{i + 1}", "t", (0, i))

    def error(self, i: int) -> Term:
        return Term(f"E_o{i + 1}" if self.d.article else f"l_{i + 1}", "errors", (0, i))

    def share(self, i: int) -> Term:
        """The softmax of an output."""
        return Term(f"p_{i + 1}", "p", (0, i))

    def by_out(self, layer: int, i: int) -> Term:
        return slope(self.E, self.out(layer, i), f"da{layer}", (0, i))

    def by_net(self, layer: int, i: int) -> Term:
        return slope(self.E, self.net(layer, i), f"dz{layer}", (0, i))

    # ---- their formulas

    def forward_pass(self) -> Iterator[Equation]:
        for layer in range(1, self.d.layers + 1):
            for i in self.shown[layer]:
                products = [
                    (self.weight(layer, i, j), "·", self.out(layer - 1, j))
                    for j in range(self.d.sizes[layer - 1])
                ]
                sum_of_all = added([*products, (self.bias(layer, i),)])
                yield Equation(self.net(layer, i), sum_of_all, FORWARD, "Linear.forward")
            name = self.d.activations[layer - 1]
            for i in self.shown[layer]:
                formula: Parts = (f"{call(name)}(", self.net(layer, i), ")")
                if name == "Identity":
                    formula = (self.net(layer, i),)
                yield Equation(self.out(layer, i), formula, FORWARD, f"{name}.forward")

    def loss(self) -> Iterator[Equation]:
        d, total = self.d, Term(self.E, "L", ())
        out = [self.out(d.layers, i) for i in self.outputs]
        if d.loss == "half-squared":
            source = "HalfSquaredError.forward"
            for i in self.outputs:
                formula: Parts = ("½ · (", self.target(i), "−", out[i], ")²")
                yield Equation(self.error(i), formula, LOSS, source)
            errors = added([(self.error(i),) for i in self.outputs])
            yield Equation(total, errors, LOSS, source)
        elif d.loss == "mse":
            squares = added([("(", out[i], "−", self.target(i), ")²") for i in self.outputs])
            yield Equation(total, ("(", *squares, ") /", self.count), LOSS, "MSELoss.loss")
        else:
            powers = added([("e^", out[i]) for i in self.outputs])
            for i in self.shown[d.layers]:
                formula = ("e^", out[i], "/ (", *powers, ")")
                yield Equation(self.share(i), formula, LOSS, "Softmax.forward")
            of_class: Parts = ("−log", self.share(int(d.t[0])))
            yield Equation(total, of_class, LOSS, "CrossEntropyLoss.forward")

    @property
    def count(self) -> Term:
        return Term(f"{self.d.sizes[-1]}", plain=float(self.d.sizes[-1]))

    def slope_of_loss(self, i: int) -> Parts:
        """∂E/∂output."""
        d, out = self.d, self.out(self.d.layers, i)
        if d.loss == "half-squared":
            return ("−(", self.target(i), "−", out, ")")
        if d.loss == "mse":
            return ("2 · (", out, "−", self.target(i), ") /", self.count)
        is_the_class = i == int(d.t[0])
        return (self.share(i), "−", Term(f"{is_the_class:d}", plain=float(is_the_class)))

    def backward_pass(self) -> Iterator[Equation]:
        for layer in range(self.d.layers, 0, -1):
            for i in self.shown[layer]:
                if layer == self.d.layers:
                    source = f"{loss_class(self.d)}.backward"
                    yield Equation(self.by_out(layer, i), self.slope_of_loss(i), BACKWARD, source)
                else:
                    yield from self.back_through_weights(layer, i)
                yield from self.back_through_activation(layer, i)
                yield from self.by_weights(layer, i)

    def back_through_weights(self, layer: int, i: int) -> Iterator[Equation]:
        """∂E/∂out of a hidden neuron: it acts through every neuron of the layer above."""
        pieces: list[Parts] = []
        for k in range(self.d.sizes[layer + 1]):
            product = (self.by_net(layer + 1, k), "·", self.weight(layer + 1, k, i))
            if self.d.article:  # which writes down what comes from each
                piece = slope(f"E_o{k + 1}", self.out(layer, i), f"from{layer + 1}", (0, k, i))
                yield Equation(piece, product, BACKWARD, "Linear.backward")
                pieces.append((piece,))
            else:
                pieces.append(product)
        yield Equation(self.by_out(layer, i), added(pieces), BACKWARD, "Linear.backward")

    def local(self, layer: int, i: int) -> Term:
        """∂out/∂net."""
        return slope(self.out(layer, i).name, self.net(layer, i), f"f{layer}", (0, i))

    def back_through_activation(self, layer: int, i: int) -> Iterator[Equation]:
        """∂E/∂net of a neuron."""
        name, by_net, by_out = (
            self.d.activations[layer - 1],
            self.by_net(layer, i),
            self.by_out(layer, i),
        )
        if name == "Identity":
            yield Equation(by_net, (by_out,), BACKWARD, "Identity.backward")
            return
        out = self.out(layer, i)
        formula: Parts = (f"{call(name)}′(", self.net(layer, i), ")")
        if name == "Sigmoid":
            formula = (out, "· (1 −", out, ")")
        if name == "Tanh":
            formula = ("1 −", out, "²")
        local = self.local(layer, i)
        yield Equation(local, formula, BACKWARD, f"{name}.derivative")
        yield Equation(by_net, (by_out, "·", local), BACKWARD, f"{name}.backward")

    def by_weights(self, layer: int, i: int) -> Iterator[Equation]:
        """∂E/∂w of the weights that lead to a neuron, and ∂E/∂b of a bias that is trained."""
        for j in self.shown[layer - 1]:
            w = self.weight(layer, i, j)
            factors: Parts = (self.by_net(layer, i), "·", self.out(layer - 1, j))
            if self.d.article:  # which writes down the chain rule's three factors
                last = slope(self.net(layer, i).name, w, f"a{layer - 1}", (0, j))
                factors = (self.by_out(layer, i), "·", self.local(layer, i), "·", last)
            by_weight = slope(self.E, w, f"dW{layer}", (i, j))
            yield Equation(by_weight, factors, BACKWARD, "Linear.backward")
        if self.d.trains_biases:
            by_bias = slope(self.E, self.bias(layer, i), f"db{layer}", (i,))
            yield Equation(by_bias, (self.by_net(layer, i),), BACKWARD, "Linear.backward")

    def update(self) -> Iterator[Equation]:
        for layer in range(1, self.d.layers + 1):
            for i in self.shown[layer]:
                for j in self.shown[layer - 1]:
                    yield self.updated(self.weight(layer, i, j))
                if self.d.trains_biases:
                    yield self.updated(self.bias(layer, i))
        with_new = ("the error with the new weights",)
        yield Equation(Term(f"{self.E}⁺", "L_new", ()), with_new, UPDATE)

    def updated(self, old: Term) -> Equation:
        assert old.index is not None
        new = Term(f"{old.name}⁺", f"{old.key}_new", old.index)
        by = slope(self.E, old, f"d{old.key}", old.index)
        return Equation(new, (old, "−", Term("η", "η", ()), "·", by), UPDATE, "SGD.step")


def slope(of: str, by: Term, key: str, index: tuple[int, ...]) -> Term:
    """∂of/∂by."""
    return Term(f"∂{of}/∂{by.name}", key, index)


def added(parts: Sequence[Parts]) -> Parts:
    """All of them, with a plus between each two."""
    result: list[Term | str] = []
    for part in parts:
        result += ["+", *part] if result else part
    return tuple(result)


def neuron_by_neuron(d: Description) -> Iterator[Equation]:
    """A formula for each neuron and each weight, for one sample."""
    formulas = NeuronByNeuron(d)
    yield from formulas.forward_pass()
    yield from formulas.loss()
    yield from formulas.backward_pass()
    yield from formulas.update()
