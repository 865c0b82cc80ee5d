"""One training step by hand and by autograd: the rows that the terminal and the page show."""

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from manual.article.description import Description
from manual.article.figures import FIGURES, Figure, rounds
from manual.article.formulas import Equation, Term, Values
from manual.article.layer_by_layer import layer_by_layer
from manual.article.neuron_by_neuron import neuron_by_neuron
from manual.article.walkthrough import after, again, values_by_hand

from ..models.losses import LOSSES
from ..models.mlp import make_activation
from ..parity.one_pass import Criterion, one_pass
from ..twin import to_torch
from .code_lines import scalars_name

ROUNDS = (0, 1, 10, 100, 1_000, 10_000)
TRIED = 1e-4  # how far a weight is moved to try its slope
WIDEST = 64  # neurons of a layer that is still written out


def values_by_autograd(d: Description) -> Values:
    """Every quantity of one step by PyTorch, under the names that `values_by_hand` gives."""
    network = torch.nn.Sequential()
    for w, b, name in zip(d.weights, d.biases, d.activations, strict=True):
        out_features, in_features = w.shape
        layer = torch.nn.Linear(in_features, out_features, dtype=torch.float64)
        layer.load_state_dict({"weight": to_torch(w), "bias": to_torch(b)})
        network.extend([layer, make_activation(name, torch.float64)])
    x, t = to_torch(d.x), to_torch(d.t)
    criterion = Criterion(LOSSES[d.loss], t)
    passed = one_pass(network, [x], criterion, inside=True, input_gradients=False)
    values: dict[str, Any] = {"x": x, "a0": x, "t": t, "L": criterion.value}
    values["η"] = torch.tensor(d.lr, dtype=torch.float64)
    if d.loss == "cross-entropy":
        values["onehot"] = torch.nn.functional.one_hot(t, d.sizes[-1]).to(x.dtype)
    below = x
    for number in range(1, d.layers + 1):
        first, second = str(2 * number - 2), str(2 * number - 1)
        linear: Any = network[2 * number - 2]
        activation = network[2 * number - 1]
        z, a = passed.inside["inside", first], passed.inside["inside", second]
        dz, da = (passed.inside["gradient inside", name] for name in (first, second))
        leaf = z.clone().requires_grad_()
        (slope,) = torch.autograd.grad(activation(leaf).sum(), leaf)
        below = below.clone().requires_grad_()
        net = linear(below)
        single = [  # what comes back to the layer below from one neuron alone
            torch.autograd.grad(net[:, i], below, dz[:, i], retain_graph=True)[0]
            for i in range(z.shape[1])
        ]
        dW, db = (passed.gradients[f"{first}.{name}"] for name in ("weight", "bias"))
        W, bias = linear.weight.detach(), linear.bias.detach()
        step = d.lr if d.trains_biases else 0
        values |= {f"W{number}": W, f"b{number}": bias, f"z{number}": z, f"a{number}": a}
        values |= {f"dW{number}": dW, f"db{number}": db, f"dz{number}": dz, f"da{number}": da}
        values |= {f"f{number}": slope, f"from{number}": torch.stack(single, dim=1)}
        values |= {f"W{number}_new": W - d.lr * dW, f"b{number}_new": bias - step * db}
        values[f"db{number}_sum"] = db.sum()
        below = a
    values |= parts_of_loss(d, passed.outputs[0], t)
    for number in range(1, d.layers + 1):  # once more, with the new weights
        linear, activation = network[2 * number - 2], network[2 * number - 1]
        for name in ("weight", "bias"):
            getattr(linear, name).data = values[f"{'W' if name == 'weight' else 'b'}{number}_new"]
        z = values[f"z{number}_new"] = linear(x if number == 1 else values[f"a{number - 1}_new"])
        out = values[f"a{number}_new"] = activation(z)
    new = {**parts_of_loss(d, out, t), "L": criterion.loss(out, t)}
    values |= {f"{name}_new": value for name, value in new.items()}
    return {name: value.detach().numpy() for name, value in values.items()}


def parts_of_loss(d: Description, out: torch.Tensor, t: torch.Tensor) -> dict[str, torch.Tensor]:
    """What a loss is made of: the shares of a cross entropy, the errors of a half squared one."""
    if d.loss == "cross-entropy":
        return {"p": torch.softmax(out, dim=1)}
    return {"errors": (t - out).square() / 2} if d.loss == "half-squared" else {}


def both_after(d: Description, steps: int) -> tuple[Values, Values, Description]:
    """One step by hand and by autograd, each after so many steps of its own."""
    mine = theirs = d
    for _ in range(steps):
        mine, theirs = after(mine, values_by_hand(mine)), after(theirs, values_by_autograd(theirs))
    return values_by_hand(mine), values_by_autograd(theirs), mine


@dataclass(frozen=True)
class Row:
    """One quantity in four forms: formula, numbers, by hand, by autograd.

    Attributes:
        printed: the article's figure for it, if it prints one, and why it is another, if it is.
        tried: of a weight's or bias's slope, how much E really grows to both sides of it.
    """

    equation: Equation
    numbers: tuple[Any, ...]
    mine: Any
    theirs: Any
    printed: Figure | None = None
    tried: float | None = None

    @property
    def difference(self) -> float:
        """The largest between the two sides."""
        return float(np.max(np.abs(np.asarray(self.mine) - np.asarray(self.theirs)), initial=0))


def rows_of(d: Description, mine: Values, theirs: Values, scalar: bool, first: bool) -> list[Row]:
    """The rows of one view; `first` where it is the article's own first round."""
    rows = []
    for equation in neuron_by_neuron(d) if scalar else layer_by_layer(d):
        numbers = tuple(t if isinstance(t, str) else t.value(mine) for t in equation.formula)
        values = equation.result.value(mine), equation.result.value(theirs)
        figure = printed_figure(equation.result) if d.article and first and scalar else None
        slope = tried(d, equation.result.key, equation.result.index) if scalar else None
        rows.append(Row(equation, numbers, *values, figure, slope))
    return rows


def tried(d: Description, key: str, index: tuple[int, ...] | None) -> float | None:
    """A slope without the chain rule: E at the weight a little up and down, by their distance.

    Args:
        key, index: of the slope, such as "dW1" and (0, 1); of all else there is none.
    """
    if not (match := re.fullmatch(r"d([Wb])(\d+)(_sum)?", key)):
        return None
    kind, layer = match[1], int(match[2]) - 1
    errors = []
    for change in (TRIED, -TRIED):
        arrays = list(d.weights if kind == "W" else d.biases)
        arrays[layer] = arrays[layer].copy()
        arrays[layer][index or ...] += change
        moved = tuple(arrays)
        there = replace(d, weights=moved) if kind == "W" else replace(d, biases=moved)
        errors.append(float(again(there)["L_new"]))
    return (errors[0] - errors[1]) / (2 * TRIED)


def printed_figure(term: Term) -> Figure | None:
    """What the article prints for this quantity in its first round."""
    name = scalars_name(term.name)
    if name == "E_new":
        return next(f for f in FIGURES if f.name == "E after 1 round")
    return next((f for f in FIGURES if f.quantity == name and f.said_of == 0), None)


def nine_digits(value: float) -> str:
    """A number in nine significant digits, with a real minus, and no −0."""
    return f"{value + 0.0:.9g}".replace("-", "−")


def small(value: float) -> str:
    """A difference: 0 where it is, else its size."""
    return "0" if value == 0 else f"{value:.1e}".replace("-", "−")


def the_slip(row: Row) -> str:
    """How a printed figure that no gradient step gives came about."""
    figure = row.printed
    if figure is None or f"{float(row.mine):.{figure.decimals}f}" == figure.printed:
        return ""
    if figure.rule == "early":
        early = rounds({0, 1}, "early")
        slope = nine_digits(early[0]["dE_dout_h1"])
        return (
            f"The article prints {figure.printed}. It is {figure.why}: with w5⁺ and w7⁺ in place "
            f"of w5 and w7, ∂E/∂out_h1 becomes {slope} and the error after the round "
            f"{early[1]['E_total']:.9f}. That is no step along the gradient, which is taken at one "
            "point; and the w1⁺ … w4⁺ that the article prints are those of the right rule."
        )
    return f"The article prints {figure.printed}: {figure.why}."
