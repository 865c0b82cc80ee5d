"""One group of numbers normalized: mean and variance, and the paths on which the gradient comes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from manual.arrays import Array
from manual.layers.batch_normalization import BatchNorm, InstanceNorm
from manual.layers.normalization import GroupNorm, LayerNorm, RMSNorm

from ..example import Run
from .parts import Formula, Index, Step, at, constant, entry, mean, number, square_root, total

FOLLOWED = 1  # of the group, counted from 0


def is_of_first_group(module: Any, shape: Index) -> Array:
    """Which places of an input are normalized together with its first number."""
    inside = np.zeros(shape, bool)
    if isinstance(module, BatchNorm):
        inside[:, 0] = True
    elif isinstance(module, InstanceNorm):
        inside[0, 0] = True
    elif isinstance(module, GroupNorm):
        inside[0, : module.num_channels // module.num_groups] = True
    else:
        inside[(0,) * (len(shape) - len(module.normalized_shape))] = True
    return inside


@dataclass(frozen=True)
class Group:
    """Numbers that are normalized together, counted from 1.

    Attributes:
        places: where they are in the input.
        own: where each has its γ and β.
    """

    run: Run
    places: list[Index]
    own: list[Index]

    def numbers(self, name: str, values: Array) -> list[Formula]:
        """What an array as large as the input has at their places."""
        return [number(f"{name}_{i}", values[place]) for i, place in enumerate(self.places, 1)]

    @property
    def gamma(self) -> list[Formula]:
        module: Any = self.run.module
        return [entry("γ", module.weight.data, place) for place in self.own]


def first_group(run: Run) -> tuple[Group, Step]:
    """The group, and a step in which it is written down."""
    module: Any = run.module
    inside = is_of_first_group(module, run.inputs[0].shape)
    places = [tuple(map(int, place)) for place in np.argwhere(inside)]
    of_last_axes = isinstance(module, LayerNorm | RMSNorm)
    axes = len(module.normalized_shape) if of_last_axes else 0
    own = [place[-axes:] if of_last_axes else place[1:2] for place in places]
    group = Group(run, places, own)
    step = Step(f"the output {at('y', places[FOLLOWED])}, number {FOLLOWED + 1} of its group")
    step.show(f"x_1 … x_{len(places)}", values(group.numbers("x", run.inputs[0])))
    return group, step


def values(formulas: list[Formula]) -> Array:
    return np.array([formula.value for formula in formulas])


def each(step: Step, name: str, formulas: list[Formula]) -> list[Formula]:
    """The followed number's formula written down, the others' results beside it."""
    step.work(f"{name}_{FOLLOWED + 1}", formulas[FOLLOWED])
    step.show(f"{name}_1 … {name}_{len(formulas)}", values(formulas))
    return [number(f"{name}_{i}", formula.value) for i, formula in enumerate(formulas, 1)]


def back_to_normalized(group: Group, step: Step) -> list[Formula]:
    """ĝ = γ g of every number."""
    step.backward()
    g = group.numbers("g", group.run.upstream[0])
    step.show(f"g_1 … g_{len(g)}, ∂L/∂y", values(g))
    pairs = zip(group.gamma, g, strict=True)
    return each(step, "ĝ", [gamma * one for gamma, one in pairs])


def by_gamma(group: Group, step: Step, x_hat: list[Formula]) -> None:
    """∂L/∂γ, where none but this group shares it."""
    run, own = group.run, group.own[FOLLOWED]
    uses = run.inputs[0].size // run.mine.quantities["gradient", "weight"].size
    g = group.numbers("g", run.upstream[0])
    products = [a * b for a, b, place in zip(g, x_hat, group.own, strict=True) if place == own]
    if len(products) == uses:
        step.work(at("∂L/∂γ", own), total(products), run.gradient("weight", own))


def normalization(run: Run) -> Step:
    """A group brought to mean 0 and variance 1, and one number's gradient on its three paths."""
    module: Any = run.module
    group, step = first_group(run)
    x, place, own = group.numbers("x", run.inputs[0]), group.places[FOLLOWED], group.own[FOLLOWED]
    mu = step.work("μ", mean(x))
    variance = step.work("v", mean([(one - mu).squared() for one in x]))
    sigma = step.work("σ", square_root(variance + constant(module.eps)))
    x_hat = each(step, "x̂", [(one - mu) / sigma for one in x])
    scaled = group.gamma[FOLLOWED] * x_hat[FOLLOWED] + entry("β", module.bias.data, own)
    step.work(at("y", place), scaled, run.output(place))

    g_hat = back_to_normalized(group, step)
    products = [a * b for a, b in zip(g_hat, x_hat, strict=True)]
    mean_g = step.work("mean(ĝ)", mean(g_hat))
    mean_gx = step.work("mean(ĝ·x̂)", mean(products))
    direct = step.work("directly", g_hat[FOLLOWED] / sigma)
    through_mean = step.work("through the mean", -(mean_g / sigma))
    through_variance = step.work("through the variance", -(x_hat[FOLLOWED] * mean_gx / sigma))
    paths = total([direct, through_mean, through_variance])
    step.work(at("∂L/∂x", place), paths, run.gradient("input 0", place))
    by_gamma(group, step, x_hat)
    return step


def rms_normalization(run: Run) -> Step:
    """A group divided by its root mean square, and one number's gradient on its two paths."""
    module: Any = run.module
    group, step = first_group(run)
    x, place = group.numbers("x", run.inputs[0]), group.places[FOLLOWED]
    eps = np.finfo(np.float64).eps if module.eps is None else module.eps
    size = step.work("r", square_root(mean([one.squared() for one in x]) + constant(eps)))
    x_hat = each(step, "x̂", [one / size for one in x])
    step.work(at("y", place), group.gamma[FOLLOWED] * x_hat[FOLLOWED], run.output(place))

    g_hat = back_to_normalized(group, step)
    products = [a * b for a, b in zip(g_hat, x_hat, strict=True)]
    mean_gx = step.work("mean(ĝ·x̂)", mean(products))
    direct = step.work("directly", g_hat[FOLLOWED] / size)
    through_size = step.work("through r", -(x_hat[FOLLOWED] * mean_gx / size))
    paths = direct + through_size
    step.work(at("∂L/∂x", place), paths, run.gradient("input 0", place))
    return step


def response_normalization(run: Run) -> Step:
    """A channel damped by its neighbours, and its gradient through its own and their damping."""
    module: Any = run.module
    (x,), (g,) = run.inputs, run.upstream
    channels, c, rest = x.shape[1], 0, (0,) * (x.ndim - 2)
    before = module.size // 2

    def neighbours(c: int) -> list[int]:
        return [k for k in range(c - before, c - before + module.size) if 0 <= k < channels]

    def of(name: str, array: Array, c: int) -> Formula:
        return entry(name, array, (0, c, *rest))

    step = Step(f"the output {at('y', (0, c, *rest))}")
    alpha, beta = constant(module.alpha), module.beta
    reached = [k for k in range(channels) if c in neighbours(k)]
    damping = {}
    for k in sorted({c, *reached}):
        squares = total(of("x", x, j).squared() for j in neighbours(k))
        formula = constant(module.k) + alpha / constant(module.size) * squares
        damping[k] = step.work(f"d_{k}", formula)
    own = of("x", x, c) / damping[c].to_the(beta)
    step.work(at("y", (0, c, *rest)), own, run.output((0, c, *rest)))

    step.backward()
    direct = step.work("directly", of("∂L/∂y", g, c) / damping[c].to_the(beta))
    shares = total(of("∂L/∂y", g, k) * of("x", x, k) / damping[k].to_the(beta + 1) for k in reached)
    summed = step.work("Σ", shares)
    twice = constant(2) * alpha * constant(beta) / constant(module.size)
    through = step.work("through d", -(twice * of("x", x, c) * summed))
    place = (0, c, *rest)
    step.work(at("∂L/∂x", place), direct + through, run.gradient("input 0", place))
    return step
