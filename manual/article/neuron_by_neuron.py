"""The formulas of one step, one for each neuron and each weight, as the article writes them."""

import math
from collections.abc import Callable, Iterator

from .description import Description
from .formulas import (
    AGAIN,
    BACKWARD,
    FORWARD,
    LOSS,
    UPDATE,
    Equation,
    Parts,
    Rest,
    StepFormulas,
    Term,
    Values,
    call,
    renewed,
    value_source,
)
from .names import Names, shown_of


class NeuronByNeuron(StepFormulas):
    """The formulas of one sample's step. Of a wide layer some neurons are shown, with all that
    reaches them."""

    def __init__(self, d: Description) -> None:
        self.d, self.names = d, Names(d)
        self.shown = [shown_of(size) for size in d.sizes]

    # ---- the quantities; `new` ones are those of the forward pass with the new weights

    def net(self, layer: int, i: int, new: bool = False) -> Term:
        return renewed(Term(self.names.neuron("net", layer, i), f"z{layer}", (0, i)), new)

    def out(self, layer: int, i: int, new: bool = False) -> Term:
        name = self.names.neuron("out", layer, i)
        return renewed(Term(name, f"a{layer}", (0, i)), new and layer > 0)

    def weight(self, layer: int, i: int, j: int, new: bool = False) -> Term:
        return renewed(Term(self.names.weight(layer, i, j), f"W{layer}", (i, j)), new)

    def bias(self, layer: int, i: int, new: bool = False) -> Term:
        bias = Term(self.names.bias(layer, i), f"b{layer}", (i,))
        return renewed(bias, new and self.d.trains_biases)

    def target(self, i: int) -> Term:
        return Term(f"t{i + 1}", "t", (0, i))

    def error(self, i: int, new: bool = False) -> Term:
        return renewed(Term(f"E_o{i + 1}", "errors", (0, i)), new)

    def share(self, i: int, new: bool = False) -> Term:
        """The softmax of an output."""
        return renewed(Term(f"p_o{i + 1}", "p", (0, i)), new)

    def by_out(self, layer: int, i: int) -> Term:
        return slope("E", self.out(layer, i), f"da{layer}", (0, i))

    def by_net(self, layer: int, i: int) -> Term:
        return slope("E", self.net(layer, i), f"dz{layer}", (0, i))

    def local(self, layer: int, i: int) -> Term:
        """∂out/∂net."""
        return slope(self.out(layer, i).name, self.net(layer, i), f"f{layer}", (0, i))

    def along(self, layer: int, i: int, j: int) -> Term:
        """∂net/∂out of the neuron below."""
        below = self.out(layer - 1, j)
        return slope(self.net(layer, i).name, below, f"W{layer}", (i, j))

    # ---- their formulas

    def forward_pass(self, section: str = FORWARD) -> Iterator[Equation]:
        new = section == AGAIN
        for layer in range(1, self.d.layers + 1):
            name = self.d.activations[layer - 1]
            for i in self.shown[layer]:
                neuron, net = self.names.of(layer, i), self.net(layer, i, new)

                def product(j: int, layer: int = layer, i: int = i) -> Parts:
                    return (self.weight(layer, i, j, new), "·", self.out(layer - 1, j, new))

                products = added(self.d.sizes[layer - 1], product, product_value)
                formula = (*products, "+", self.bias(layer, i, new))
                why = f"{neuron} weighs what comes in, adds it up, and adds its bias."
                if new:
                    why = "As before, with the new weights."
                source = "Linear.forward: @"
                yield Equation(net, formula, section, source, why, "net", f"Neuron {neuron}")
                if name == "Identity":
                    formula = (net,)
                    why = "There is no activation here: what was added up is given on as it is."
                    source = "Identity.forward"
                else:
                    formula = (f"{call(name)}(", net, ")")
                    why = f"The activation {FUNCTIONS.get(name, f'is {name}, derived below')}."
                    source = value_source(name)
                out = self.out(layer, i, new)
                yield Equation(
                    out, formula, section, source, why, f"out {layer}", f"Neuron {neuron}"
                )

    def loss(self, section: str = LOSS) -> Iterator[Equation]:
        d, new = self.d, section == AGAIN
        total = renewed(Term("E", "L", ()), new)
        outputs = d.sizes[-1]
        out = [self.out(d.layers, i, new) for i in range(outputs)]
        if d.loss == "half-squared":
            for i in self.shown[-1]:
                formula: Parts = ("½ · (", self.target(i), "−", out[i], ")²")
                why = (
                    f"How far {self.names.of(d.layers, i)} is from its target, squared; the ½ is "
                    "there to cancel the 2 of its derivative."
                )
                source = "HalfSquaredError.forward: / 2"
                yield Equation(self.error(i, new), formula, section, source, why, "error")
            errors = added(outputs, lambda i: (self.error(i, new),), product_value)
            why = "The errors of all outputs add up."
            yield Equation(total, errors, section, "HalfSquaredError.forward: / 2", why, "total")
        elif d.loss == "mse":
            squares = added(
                outputs, lambda i: ("(", out[i], "−", self.target(i), ")²"), square_value
            )
            why = (
                "The mean of the squared distances from the targets. The article's error has a ½ "
                "in its place; here there is none, so the 2 of the derivative stays."
            )
            formula = ("(", *squares, ") /", self.count)
            yield Equation(total, formula, section, "MSELoss.loss: square", why, "total")
        else:
            powers = added(outputs, lambda i: ("e^", out[i]), power_value)
            for i in self.shown[-1]:
                formula = ("e^", out[i], "/ (", *powers, ")")
                why = (
                    f"The softmax: of all the outputs' powers of e the share that is "
                    f"{self.names.of(d.layers, i)}'s. The shares are positive and add up to 1."
                )
                source = "Softmax.forward: y ="
                yield Equation(self.share(i, new), formula, section, source, why, "share")
            true = int(d.t[0])
            why = (
                "The cross entropy: only the share of the true class counts, here of "
                f"{self.names.of(d.layers, true)}; it costs 0 where it is 1, and more and more as "
                "it falls. Since −log(a / b) = log b − log a, this is log(sum of all e^out) less "
                "the out of the true class; log is the natural one."
            )
            of_class: Parts = ("−log", self.share(true, new))
            source = "CrossEntropyLoss.forward: shifted[place]"
            yield Equation(total, of_class, section, source, why, "total")

    @property
    def count(self) -> Term:
        return Term(f"{self.d.sizes[-1]}", plain=float(self.d.sizes[-1]))

    def by_output(self, i: int) -> Equation:
        """∂E/∂output."""
        d, out = self.d, self.out(self.d.layers, i)
        neuron, target = self.names.of(d.layers, i), self.target(i)
        if d.loss == "half-squared":
            formula: Parts = ("−(", target, "−", out, ")")
            source = "HalfSquaredError.backward: grad_output *"
            why = (
                f"Of all the errors only E_{neuron} has {out.name} in it. The square's derivative "
                f"is 2 · ½ ({target.name} − {out.name}), times −1 for the −{out.name} within."
            )
        elif d.loss == "mse":
            formula = ("2 · (", out, "−", target, ") /", self.count)
            source = "MSELoss.slope: 2 *"
            why = (
                f"Only one of the squares has {out.name} in it; its derivative is "
                f"2 ({out.name} − {target.name}), and the mean's division stays."
            )
        else:
            is_the_class = i == int(d.t[0])
            share = self.share(i)
            formula = (share, "−", Term(f"{is_the_class:d}", plain=float(is_the_class)))
            source = "CrossEntropyLoss.backward: by_x[place] -="
            why = (
                "E = log(sum) − out of the true class, as above. The log's derivative is 1 / sum, "
                f"times that of e^{out.name}, which is itself: together {share.name}. "
            ) + (
                f"The true class has {out.name} once more, with −1."
                if is_the_class
                else f"{neuron} is not the true class: nothing else has {out.name} in it."
            )
        result = self.by_out(d.layers, i)
        about = f"Neuron {neuron}"
        return Equation(result, formula, BACKWARD, source, why, "by output", about)

    def backward_pass(self) -> Iterator[Equation]:
        for layer in range(self.d.layers, 0, -1):
            for i in self.shown[layer]:
                if layer == self.d.layers:
                    yield self.by_output(i)
                else:
                    yield from self.back_through_weights(layer, i)
                yield from self.back_through_activation(layer, i)
                yield from self.by_weights(layer, i)
            if self.d.article:
                yield self.by_shared_bias(layer)

    def back_through_weights(self, layer: int, i: int) -> Iterator[Equation]:
        """∂E/∂out of a hidden neuron: it acts through every neuron of the layer above."""
        above, size = layer + 1, self.d.sizes[layer + 1]
        neuron, out = self.names.of(layer, i), self.out(layer, i)
        source = "Linear.backward: g @"

        def product(k: int) -> Parts:
            return (self.by_net(above, k), "·", self.weight(above, k, i))

        def piece(k: int) -> Parts:
            return (slope(f"E_o{k + 1}", out, f"from{above}", (0, k, i)),)

        if self.d.article:  # which writes down what comes from each
            for k in range(size):
                weight, net = self.weight(above, k, i), self.net(above, k)
                why = (
                    f"{net.name} has {out.name} in it once, as {weight.name} · {out.name}: its "
                    f"slope there is {weight.name}."
                )
                along = self.along(above, k, i)
                yield Equation(along, (weight,), BACKWARD, "", why, "along", f"Neuron {neuron}")
                why = (
                    f"{neuron} reaches E_{self.names.of(above, k)} through {net.name} alone. No "
                    f"other error has {net.name} in it, so its slope is ∂E/∂{net.name}, known "
                    "from above."
                )
                (result,) = piece(k)
                assert isinstance(result, Term)
                by_path = (self.by_net(above, k), "·", along)
                yield Equation(result, by_path, BACKWARD, source, why, "piece", f"Neuron {neuron}")
        why = (
            f"{neuron} acts on E through every neuron of the next layer. What comes back on these "
            "paths adds up"
        )
        why += (
            "."
            if self.d.article
            else ": the next neuron's slope, times the weight that leads to it."
        )
        formula = added(size, piece if self.d.article else product, product_value)
        result = self.by_out(layer, i)
        yield Equation(result, formula, BACKWARD, source, why, "by out", f"Neuron {neuron}")

    def back_through_activation(self, layer: int, i: int) -> Iterator[Equation]:
        """∂E/∂net of a neuron."""
        name, neuron = self.d.activations[layer - 1], self.names.of(layer, i)
        by_net, by_out, net, out = (
            self.by_net(layer, i),
            self.by_out(layer, i),
            self.net(layer, i),
            self.out(layer, i),
        )
        if name == "Identity":
            why = f"{out.name} is {net.name}, so the slope is the same."
            source = "Identity.backward"
            yield Equation(
                by_net, (by_out,), BACKWARD, source, why, f"by net {layer}", f"Neuron {neuron}"
            )
            return
        formula: Parts = (f"{call(name)}′(", net, ")")
        if name == "Sigmoid":
            formula = (out, "· (1 −", out, ")")
        if name == "Tanh":
            formula = ("1 −", out, "²")
        local = self.local(layer, i)
        why = f"The activation's slope: {SLOPES.get(name, f'{name}′, derived below')}."
        source = f"{name}.derivative"
        yield Equation(local, formula, BACKWARD, source, why, f"local {layer}", f"Neuron {neuron}")
        why = (
            f"E has {net.name} in it only through {out.name}: the chain rule multiplies the two "
            "slopes. All that follows below uses this number again."
        )
        formula = (by_out, "·", local)
        source = f"{name}.backward"
        yield Equation(
            by_net, formula, BACKWARD, source, why, f"by net {layer}", f"Neuron {neuron}"
        )

    def by_weights(self, layer: int, i: int) -> Iterator[Equation]:
        """∂E/∂w of the weights that lead to a neuron, and ∂E/∂b of a bias that is trained."""
        neuron, net, by_net = self.names.of(layer, i), self.net(layer, i), self.by_net(layer, i)
        source = "Linear.backward: self.weight.accumulate"
        for j in self.shown[layer - 1]:
            w, below = self.weight(layer, i, j), self.out(layer - 1, j)
            factors: Parts = (by_net, "·", below)
            contained = f"{net.name} has {w.name} in it once, as {w.name} · {below.name}"
            why = f"{contained}: the slope there is {below.name}."
            if self.d.article:  # which writes down the chain rule's three factors
                last = slope(net.name, w, f"a{layer - 1}", (0, j))
                yield Equation(last, (below,), BACKWARD, "", why, "by w of net", f"Neuron {neuron}")
                factors = (self.by_out(layer, i), "·", self.local(layer, i), "·", last)
                why = (
                    f"{w.name} reaches E only through {net.name}, and that only through "
                    f"{self.out(layer, i).name}: the slopes along the path multiply. The first "
                    f"two are {by_net.name}, known from above: nothing is worked out twice."
                )
            by_weight = slope("E", w, f"dW{layer}", (i, j))
            yield Equation(by_weight, factors, BACKWARD, source, why, "by w", f"Neuron {neuron}")
        if self.d.trains_biases:
            bias = self.bias(layer, i)
            by_bias = slope("E", bias, f"db{layer}", (i,))
            why = f"{net.name} has {bias.name} in it with the factor 1: the slope passes unchanged."
            source = "Linear.backward: self.bias.accumulate"
            yield Equation(by_bias, (by_net,), BACKWARD, source, why, "by b", f"Neuron {neuron}")

    def by_shared_bias(self, layer: int) -> Equation:
        """∂E/∂b of the article's one bias for a layer."""
        bias = self.bias(layer, 0)
        slopes = added(self.d.sizes[layer], lambda i: (self.by_net(layer, i),), product_value)
        why = (
            f"Both neurons have {bias.name} in them, with the factor 1: their slopes add up. The "
            "article leaves its biases as they are, so this is not used."
        )
        result = slope("E", bias, f"db{layer}_sum", ())
        return Equation(result, slopes, BACKWARD, "", why, "by shared b", f"Bias {bias.name}")

    def update(self) -> Iterator[Equation]:
        for layer in range(1, self.d.layers + 1):
            for i in self.shown[layer]:
                neuron = self.names.of(layer, i)
                for j in self.shown[layer - 1]:
                    yield self.updated(self.weight(layer, i, j), f"Neuron {neuron}")
                if self.d.trains_biases:
                    yield self.updated(self.bias(layer, i), f"Neuron {neuron}")

    def updated(self, old: Term, about: str) -> Equation:
        assert old.index is not None
        by = slope("E", old, f"d{old.key}", old.index)
        formula = (old, "−", Term("η", "η", ()), "·", by)
        why = "A step against the slope, η times as long: downhill."
        source = "SGD.update: s.lr"
        return Equation(renewed(old, True), formula, UPDATE, source, why, "update", about)


def slope(of: str, by: Term, key: str, index: tuple[int, ...]) -> Term:
    """∂of/∂by."""
    return Term(f"∂{of}/∂{by.name}", key, index)


def added(
    size: int, part: Callable[[int], Parts], value: Callable[[Parts, Values], float]
) -> Parts:
    """The sum of a part for each neuron of a layer; the middle of a wide one as one number."""
    shown = shown_of(size)
    left = [i for i in range(size) if i not in shown]
    result: list[Term | str] = []
    for i in shown:
        if left and i == left[-1] + 1:
            parts = tuple(part(j) for j in left)
            rest = Rest(f"({len(left)} more)", parts=parts, value_of=value)
            result += ["+", rest]
        result += ["+", *part(i)] if result else part(i)
    return tuple(result)


def numbers_of(part: Parts, values: Values) -> list[float]:
    return [term.value(values) for term in part if isinstance(term, Term)]


def product_value(part: Parts, values: Values) -> float:
    return math.prod(numbers_of(part, values))


def square_value(part: Parts, values: Values) -> float:
    out, target = numbers_of(part, values)
    return (out - target) ** 2


def power_value(part: Parts, values: Values) -> float:
    return math.exp(*numbers_of(part, values))


FUNCTIONS = {  # what an activation does, in words
    "Sigmoid": "maps any number between 0 and 1: σ(x) = 1 / (1 + e⁻ˣ)",
    "Tanh": "maps any number between −1 and 1: tanh x = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)",
    "ReLU": "lets pass what is positive, and gives 0 for the rest",
}
SLOPES = {
    "Sigmoid": "σ = 1 / (1 + e⁻ˣ), so σ′ = e⁻ˣ / (1 + e⁻ˣ)² = σ · e⁻ˣ / (1 + e⁻ˣ), and that "
    "last fraction is 1 − σ",
    "Tanh": "tanh is a fraction of sinh = (eˣ − e⁻ˣ)/2, whose slope is cosh, and cosh = "
    "(eˣ + e⁻ˣ)/2, whose slope is sinh; so tanh′ = (cosh² − sinh²) / cosh² = 1 − tanh²",
    "ReLU": "1 where its input is positive, 0 where it is negative, and at 0 itself taken as 0",
}


def neuron_by_neuron(d: Description) -> Iterator[Equation]:
    """A formula for each neuron and each weight, for one sample."""
    yield from NeuronByNeuron(d).step()
