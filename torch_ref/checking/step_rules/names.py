"""What the arguments of someone's step rule are, by their names."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..layouts import CandidateError

MANY = ("params", "parameters", "weights", "ws", "thetas", "variables", "model_params")
ONE = ("w", "x", "theta", "param", "parameter", "p", "weight", "var", "value")
MANY_GRADIENTS = ("grads", "gradients", "gs", "dws", "dparams", "gradient_list", "grad_list")
ONE_GRADIENT = ("dw", "g", "grad", "gradient", "dx", "d", "dtheta", "dp", "grad_w", "grad_wrt_w")
STATE = ("state", "config", "cache", "opt_state", "optimizer_state", "memory", "states", "store")
SETTINGS = ("config", "cfg", "hyper", "hyperparams")  # a state that holds the options too
COUNT = (
    "t",
    "step",
    "steps",
    "iteration",
    "iter",
    "i",
    "it",
    "epoch",
    "k",
    "n",
    "timestep",
    "time",
)
LAYER = ("layer",)
# What the rules' running means and sums are called.
MOMENTS = {
    "exp_avg": ("exp_avg", "m", "ms", "mt", "m_t", "first_moment", "moment1", "mean", "momentums"),
    "exp_avg_sq": ("exp_avg_sq", "v", "vs", "vt", "v_t", "second_moment", "moment2", "var"),
    "exp_inf": ("exp_inf", "u", "us", "ut", "v"),
    "momentum_buffer": (
        *("momentum_buffer", "velocity", "velocities", "vel", "v", "vs", "buf", "buffer", "m"),
        *("momentums", "u"),
    ),
    "square_avg": ("square_avg", "cache", "s", "sq", "v", "r", "h", "mean_square", "grad_squared"),
    "sum": ("sum", "cache", "g2", "h", "s", "gsum", "accumulator", "accum", "r", "grad_squared"),
    "acc_delta": ("acc_delta", "delta", "deltas", "d", "dx2", "delta_acc", "accumulated_delta"),
}
OPTIONS = {  # what PyTorch's options are called elsewhere, the likelier first
    "alpha": ("alpha", "rho", "decay_rate", "beta2", "beta", "gamma", "decay"),
    "rho": ("rho", "decay_rate", "gamma", "beta", "decay"),
    "lr": (
        "lr",
        "learning_rate",
        "eta",
        "step_size",
        "stepsize",
        "rate",
        "l_rate",
        "learning_rate_init",
        "alpha",
    ),
    "beta1": ("beta1", "beta_1", "b1"),
    "beta2": ("beta2", "beta_2", "b2"),
    "eps": ("eps", "epsilon", "fuzz"),
    "momentum": ("momentum", "mu", "beta", "gamma", "rho", "mom", "beta1"),
    "weight_decay": ("weight_decay", "wd", "lam", "lambda_", "lmbda", "lambd", "l2", "reg"),
    "lr_decay": ("lr_decay", "decay"),
    "nesterov": ("nesterov", "use_nesterov"),
}


@dataclass(frozen=True)
class Signature:
    """The arguments of one callable.

    Attributes:
        roles: by name: "params", "grads", "state", "count", "layer", "moment", or an option's.
        values: of the options, by the names that they have here.
        pairs: of arrays with their gradients, one by one, as in (w, b, dw, db).
        many: whether the parameters are handed in together.
        open: whether further arguments by name are taken.
    """

    roles: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    pairs: tuple[tuple[str, str], ...] = ()
    many: bool = True
    open: bool = False

    def has(self, role: str) -> bool:
        return role in self.roles.values()

    def first(self, role: str) -> str:
        """The first argument of this role."""
        return next(name for name, own in self.roles.items() if own == role)


def options_by_name(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """PyTorch's options: of each, its value under every name that it may have elsewhere."""
    flat = dict(options)
    if "betas" in flat:
        flat["beta1"], flat["beta2"] = flat["betas"]
    order = [name for name in OPTIONS if name in flat] + [n for n in flat if n not in OPTIONS]
    return {option: dict.fromkeys(OPTIONS.get(option, (option,)), flat[option]) for option in order}


def gradient_of(name: str, among: list[str]) -> str:
    """The argument that is the gradient of this one; "" if there is none."""
    spelled = (f"d{name}", f"d_{name}", f"grad_{name}", f"{name}_grad", f"g{name}")
    return next((other for other in spelled if other in among), "")


def read(
    label: str, function: Callable[..., Any], options: Mapping[str, Any], given: Mapping[str, Any]
) -> Signature:
    """What the arguments of a function are.

    Args:
        options: of the reference.
        given: someone's own values, by the names that they have here.
    Raises:
        CandidateError: an argument without a default that is none of what is known.
    """
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        raise CandidateError(f"{label}: its arguments cannot be read") from None
    named = {n: p for n, p in parameters.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    values = {name: value for name, value in given.items() if name in named}
    taken = set(values)
    for spelled in options_by_name(options).values():
        fits = [n for s in spelled for n in named if n.lower() == s and n not in taken]
        if fits and not set(given) & {n for n in named if n.lower() in spelled}:
            values[fits[0]] = next(iter(spelled.values()))
            taken.add(fits[0])
    roles = dict.fromkeys(values, "option")
    moments = {name for names in MOMENTS.values() for name in names}
    left = [name for name in named if name not in roles]
    pairs = [(name, gradient_of(name, left)) for name in left if gradient_of(name, left)]
    many = [pair for pair in pairs if pair[0].lower() in MANY]
    singles = () if many else tuple(pairs)
    for name, gradient in many or pairs:
        roles |= {name: "params", gradient: "grads"}
    for name in left:
        low = name.lower()
        if name in roles:
            continue
        for role, known in (
            ("params", MANY + ONE),
            ("grads", MANY_GRADIENTS + ONE_GRADIENT),
            ("state", STATE + SETTINGS),
            ("count", COUNT),
            ("layer", LAYER),
            ("moment", tuple(moments)),
        ):
            if low in known and not (role in ("params", "grads") and role in roles.values()):
                roles[name] = role
                break
        else:
            if named[name].default is inspect.Parameter.empty:
                known_options = ", ".join(options_by_name(options))
                raise CandidateError(
                    f"{label}: what is its argument {name}? Known by name are params, grads, "
                    f"w, dw, state, config, t, layer and the options {known_options}; hand it in "
                    f"with --mine-args {name}=VALUE, rename it, or wrap it all in a function "
                    "update(w, dw, config)"
                )
    roles = {name: roles[name] for name in named if name in roles}
    together = any(n.lower() in MANY + MANY_GRADIENTS for n in roles)
    is_open = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    return Signature(roles, values, singles, together, is_open)
