"""The step rules as formulas with switches: a switch that is turned plants a mistake.

The notation is that of `manual.optim`: w is a weight, g its gradient, t the number of the step.
With no switch turned each formula is PyTorch's rule, which every check makes sure of first.
"""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from ...parity.tolerance import EPS, ROUNDINGS, Moves
from ..layouts import Array
from .problem import FLOAT, Problem

State = dict[str, Array]
Formula = Callable[[Array, Array, State, int, Any], Array]
SWITCHES = {
    "epsilon": "own",  # "outside" the root, "inside" it, "before" the bias correction, "none"
    "corrected": (True, True),  # the bias of m, of v
    "stored": False,  # what is corrected is what the next step starts from
    "ahead": (0, 0),  # t is counted from 1 and so many: of m, of v
    "means": None,  # the β of the running means m and v, where not those of the correction
    "powers": None,  # the β of the correction, where not those of the running means
    "counted": "once",  # "each": once for each parameter
    "square": "square",  # what v is the mean of: "itself", "size", "weighed", "mean"
    "root": True,
    "new": (1, 1),  # of a running mean of m, of v: 1 for (1 − β) times the new value, 0 for all
    "late": False,  # the step is taken with the m of last time
    "from_zero": False,  # momentum starts from zero, not from the first gradient
    "decay": "own",  # "coupled": λ w added to g; "decoupled"; "after" the step; "bare", without η
    "direction": -1,
    "rate": True,  # the step is multiplied by η
    "look_ahead": "own",  # of Nesterov: "alone", without g itself; "none"
    "shared": (),  # what all parameters have one of: names in their states
    "kept": True,  # the state, from step to step
}


def rounded(moves: Moves | None, values: Any) -> Any:
    """Each number moved by what rounding may do to it; as it is without moves."""
    if moves is None:
        return values
    signs = moves.draw(np.size(values)).reshape(np.shape(values))
    return values * (1 + signs * ROUNDINGS * EPS[FLOAT])


def play(
    formula: Formula, options: Mapping[str, Any], problem: Problem, moves: Moves | None = None
) -> tuple[dict[str, list[Array]], dict[str, list[State]]]:
    """The weights and the state of each tensor after every step, by name.

    Args:
        options: the rule's own, and switches.
        moves: gradients, states, weights and powers of β are moved by what rounding may do to them.
    """
    s = SimpleNamespace(**{**SWITCHES, **options, "rounded": lambda v: rounded(moves, v)})
    weights = {name: w.copy() for name, w in problem.weights.items()}
    states: dict[str, State] = {name: {} for name in weights}
    common: State = {}
    after: dict[str, list[Array]] = {name: [] for name in weights}
    states_after: dict[str, list[State]] = {name: [] for name in weights}
    with np.errstate(all="ignore"):
        for k, gradients in enumerate(problem.gradients):
            for i, (name, g) in enumerate(zip(weights, gradients, strict=True)):
                t = k * len(weights) + i + 1 if s.counted == "each" else k + 1
                state = states[name] | common if s.kept else {}
                w = s.rounded(formula(weights[name], s.rounded(g), state, t, s))
                states[name] = {key: s.rounded(value) for key, value in state.items()}
                common = {key: v for key, v in states[name].items() if key in s.shared}
                weights[name] = w
                after[name].append(w)
                states_after[name].append(states[name])
    return after, states_after


# ---- what the rules have in common


def decay_of(s: Any) -> str:
    """Which way the weights decay."""
    own = "decoupled" if getattr(s, "decoupled_weight_decay", False) else "coupled"
    return own if s.decay == "own" else str(s.decay)


def pulled(w: Array, g: Array, s: Any) -> Array:
    """The gradient to go against: g + λ w, or −g + λ w to maximize."""
    g = -g if s.maximize else g
    return g + s.weight_decay * w if decay_of(s) == "coupled" else g


def moved(w: Array, step: Array, s: Any) -> Array:
    """w − η step; decoupled, w ← w − η λ w first."""
    decay, shrink = decay_of(s), 1 - s.lr * s.weight_decay
    if decay == "decoupled":
        w = w * shrink
    elif decay == "bare":
        w = w * (1 - s.weight_decay)
    w = w + s.direction * (s.lr if s.rate else 1.0) * step
    return w * shrink if decay == "after" else w


def running(state: State, name: str, value: Array, beta: float, new: int = 1) -> Array:
    """state ← β state + (1 − β) value."""
    before = state.get(name, np.zeros_like(value))
    state[name] = beta * before + (1 - beta if new else 1.0) * value
    return state[name]


def squared(g: Array, s: Any, beta: float = 0.0, m: Array | None = None) -> Array:
    """What the mean of g² is the mean of."""
    if s.square == "itself":
        return g
    if s.square == "size":
        return np.abs(g)
    if s.square == "weighed":  # ((1 − β) g)²: what stands around it has (1 − β) once more
        return (1 - beta) * g * g
    return m * m if s.square == "mean" and m is not None else g * g


def divisor(v: Array, c: Any, s: Any, own: str = "outside") -> Array:
    """√(v/c) + ε, c the bias correction; where ε stands else, a switch says."""
    root: Callable[[Array], Array] = np.sqrt if s.root else lambda x: x
    place = own if s.epsilon == "own" else s.epsilon
    if place == "outside":
        return root(v / c) + s.eps
    if place == "inside":
        return root(v / c + s.eps)
    if place == "before":
        return (root(v) + s.eps) / root(np.asarray(c))
    if place == "both before and inside":
        return root((v + s.eps) / c)
    return root(v / c)


def correction(beta: float, t: int, corrected: bool, s: Any) -> Any:
    """1 − βᵗ, by which a running mean that starts at 0 is too small after t steps."""
    if not corrected:
        return np.float64(1)
    return 1 - s.rounded(np.float64(beta) ** t) if t else np.float64(0)


# ---- the rules


def sgd(w: Array, g: Array, state: State, t: int, s: Any) -> Array:
    """v ← μ v + (1 − d) g, v = g at first; w ← w − η v, or nesterov: w ← w − η (g + μ v)."""
    g = pulled(w, g, s)
    if not s.momentum:
        return moved(w, g, s)
    before = state.get("momentum_buffer")
    if before is None and not s.from_zero:
        v = g
    else:
        before = np.zeros_like(g) if before is None else before
        v = s.momentum * before + (1 - s.dampening) * g
    state["momentum_buffer"] = v
    if s.late:
        return moved(w, np.zeros_like(g) if before is None else before, s)
    if s.look_ahead == "alone":
        return moved(w, s.momentum * v, s)
    return moved(w, g + s.momentum * v if s.nesterov else v, s)


def moments(g: Array, state: State, t: int, s: Any) -> tuple[Array, Array, Any, Any]:
    """Adam's m and v after this step, and by what each is too small."""
    before = state.get("exp_avg", np.zeros_like(g))
    b1, b2 = s.means or s.betas
    m = running(state, "exp_avg", g, b1, s.new[0])
    v = running(state, "exp_avg_sq", squared(g, s, b2, m), b2, s.new[1])
    c1, c2 = (
        correction(beta, t + ahead, does, s)
        for beta, ahead, does in zip(s.powers or s.betas, s.ahead, s.corrected, strict=True)
    )
    if s.stored:
        m, v = state["exp_avg"], state["exp_avg_sq"] = m / c1, v / c2
        c1 = c2 = np.float64(1)
    return before if s.late else m, v, c1, c2


def adam(w: Array, g: Array, state: State, t: int, s: Any) -> Array:
    """w ← w − η m̂/(√v̂ + ε), m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ)."""
    g = pulled(w, g, s)
    m, v, c1, c2 = moments(g, state, t, s)
    if s.amsgrad:
        v = np.maximum(state.get("max_exp_avg_sq", v), v)
        state["max_exp_avg_sq"] = v
    return moved(w, m / c1 / divisor(v, c2, s), s)


def nadam(w: Array, g: Array, state: State, t: int, s: Any) -> Array:
    """w ← w − η ((1 − μₜ)/(1 − Πₜ) g + μₜ₊₁/(1 − Πₜ₊₁) m)/(√v̂ + ε), Πₜ = μ₁ … μₜ."""
    g = pulled(w, g, s)
    m, v, c1, c2 = moments(g, state, t, s)
    if s.look_ahead == "none":
        return moved(w, m / c1 / divisor(v, c2, s), s)
    t += s.ahead[0]
    now, after = (s.betas[0] * (1 - 0.5 * 0.96 ** (n * s.momentum_decay)) for n in (t, t + 1))
    product = state.get("mu_product", np.float64(1)) * now
    state["mu_product"] = product
    ahead = (1 - now) / (1 - product) * g + after / (1 - product * after) * m
    return moved(w, ahead / divisor(v, c2, s), s)


def adamax(w: Array, g: Array, state: State, t: int, s: Any) -> Array:
    """u ← max(β₂ u, |g| + ε); w ← w − η m̂/u."""
    g = pulled(w, g, s)
    b1, b2 = s.means or s.betas
    m = running(state, "exp_avg", g, b1, s.new[0])
    beside, outside = (s.eps if s.epsilon == place else 0.0 for place in ("own", "outside"))
    before = state.get("exp_inf", np.zeros_like(g))
    u = np.maximum(b2 * before, np.abs(g) + beside)
    state["exp_inf"] = u
    c1 = correction((s.powers or s.betas)[0], t + s.ahead[0], s.corrected[0], s)
    return moved(w, m / c1 / (u + outside), s)


def rmsprop(w: Array, g: Array, state: State, t: int, s: Any) -> Array:
    """s ← α s + (1 − α) g²; w ← w − η g/(√s + ε), centered: √(s − ḡ²) + ε; with momentum
    b ← μ b + g/(√s + ε), w ← w − η b."""
    g = pulled(w, g, s)
    v = running(state, "square_avg", squared(g, s, s.alpha), s.alpha, s.new[1])
    if s.centered:
        mean = running(state, "grad_avg", g, s.alpha)
        v = v - mean * mean
    step = g / divisor(v, np.float64(1), s)
    if s.momentum:
        before = state.get("momentum_buffer", np.zeros_like(g))
        state["momentum_buffer"] = s.momentum * before + step
        step = before if s.late else state["momentum_buffer"]
    return moved(w, step, s)


def adagrad(w: Array, g: Array, state: State, t: int, s: Any) -> Array:
    """s ← s + g²; w ← w − η/(1 + (t − 1) decay) g/(√s + ε)."""
    g = pulled(w, g, s)
    start = np.full_like(g, s.initial_accumulator_value)
    state["sum"] = state.get("sum", start) + squared(g, s)
    step = g / divisor(state["sum"], np.float64(1), s)
    return moved(w, step / (1 + (t + s.ahead[0] - 1) * s.lr_decay), s)


def adadelta(w: Array, g: Array, state: State, t: int, s: Any) -> Array:
    """Δ = g √(d + ε)/√(s + ε), s and d the running means of g² and Δ²; w ← w − η Δ."""
    g = pulled(w, g, s)
    one = np.float64(1)
    v = running(state, "square_avg", squared(g, s, s.rho), s.rho, s.new[1])
    d = state.get("acc_delta", np.zeros_like(g))
    delta = divisor(d, one, s, "inside") / divisor(v, one, s, "inside") * g
    running(state, "acc_delta", delta * delta, s.rho, s.new[1])
    return moved(w, delta, s)


FORMULAS: dict[str, Formula] = {
    "SGD": sgd,
    "Adam": adam,
    "AdamW": adam,
    "NAdam": nadam,
    "Adamax": adamax,
    "RMSprop": rmsprop,
    "Adagrad": adagrad,
    "Adadelta": adadelta,
}
