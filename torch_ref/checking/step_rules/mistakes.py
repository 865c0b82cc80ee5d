"""The mistakes made in step rules: each is the rule's own formula with options or switches turned.

What changes nothing under the options of a check, a sign of a weight decay of 0 or an exchange of
equal β, drops out by itself: its numbers are the right ones.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

# The kinds of mistake, each with its remedy.
FIXES = {
    "state-shared": "keep a state of its own for each parameter",
    "state-not-kept": "keep the state from step to step: set it to zero once, at the start",
    "epsilon-place": "put ε where PyTorch has it: {epsilon}",
    "no-epsilon": "add ε to what is divided by: {epsilon}",
    "no-bias-correction": "divide m by 1 − β₁ᵗ and v by 1 − β₂ᵗ: both start at zero",
    "corrected-state": "keep m and v as they are: what is corrected is for this step alone",
    "step-off-by-one": "count the steps from one: t is 1 in the first",
    "step-per-parameter": "count the step once, before going through the parameters",
    "betas-exchanged": "β₁ belongs to the mean of g, β₂ to that of g²",
    "one-beta": "β₁ belongs to the mean of g, β₂ to that of g²",
    "beta-for-its-rest": "what was weighs β, what is new 1 − β",
    "new-not-weighed": "multiply what is new by 1 − β",
    "not-squared": "v is the running mean of g²: take the square, then weigh it",
    "no-root": "divide by the square root",
    "old-state": "bring the state up to date first, then take the step with it",
    "coupled-decay": "shrink the weights beside the step, w ← w − η λ w, and leave g without λ w",
    "decoupled-decay": "add λ w to g before anything else is made of it",
    "decay-sign": "the decay pulls to zero: turn its sign round",
    "decay-place": "shrink the weights before the step: w ← w (1 − η λ)",
    "decay-without-rate": "multiply the weight decay by the learning rate too",
    "no-decay": "let the weights decay: λ is given and not used",
    "added": "go against the gradient: w ← w − η …",
    "no-rate": "multiply the step by the learning rate",
    "momentum-sign": "add the momentum: v ← μ v + …",
    "no-momentum": "add the momentum: μ is given and not used",
    "dampening": "{dampening}",
    "momentum-start": "the first v is the whole gradient: dampening sets in with the second step",
    "no-look-ahead": "{look_ahead}",
    "look-ahead": "take the step with v alone: nesterov is not asked for",
    "option-ignored": "the option is given: use it",
}
EPSILON = {
    "outside": "√v + ε, outside the root, after the bias correction",
    "inside": "√(v + ε), inside the root",
    "largest": "max(β₂ u, |g| + ε)",
}
OWN_EPSILON = {"Adadelta": "inside", "Adamax": "largest"}
STATES = {  # what the rules keep
    "exp_avg": "m",
    "exp_avg_sq": "v",
    "exp_inf": "u",
    "momentum_buffer": "momentum",
    "square_avg": "mean of g²",
    "grad_avg": "mean of g",
    "sum": "sum of g²",
    "acc_delta": "mean of Δ²",
}
BETAS = {"alpha": "α", "rho": "ρ"}


@dataclass(frozen=True)
class Mistake:
    """One mistake: its kind, one of `FIXES`; what it is; what is turned to plant it; the remedy."""

    kind: str
    what: str
    changes: Mapping[str, Any]
    fix: str

    def also(self, other: "Mistake") -> "Mistake":
        """Both at once."""
        return Mistake(
            f"{self.kind} + {other.kind}",
            f"{self.what}; and {other.what}",
            {**self.changes, **other.changes},
            f"{self.fix}; {other.fix}",
        )


def mistakes(rule: str, options: Mapping[str, Any], alike: bool) -> list[Mistake]:
    """All that are known of a rule, the more telling first: of equal numbers the first is told.

    Args:
        options: the rule's own.
        alike: all parameters have one shape, and can share a state.
    """
    words = {
        "epsilon": EPSILON[OWN_EPSILON.get(rule, "outside")],
        "dampening": f"v ← μ v + (1 − d) g, d = {options.get('dampening', 0)}",
        "look_ahead": "take the step with g + μ v, not with v"
        if rule == "SGD"
        else "take the step with m as the next step will have it",
    }
    listed = [*of_every_rule(options, alike), *of_moments(rule, options), *of_momentum(options)]
    listed += [*of_epsilon(rule), *of_decay(options)] if "eps" in options else of_decay(options)
    return [
        Mistake(kind, what, changes, FIXES[kind].format(**words)) for kind, what, changes in listed
    ]


def pairs(of: list[Mistake]) -> Iterator[Mistake]:
    """Every two that turn different things."""
    for one, other in combinations(of, 2):
        if not one.changes.keys() & other.changes.keys():
            yield one.also(other)


Listed = Iterator[tuple[str, str, dict[str, Any]]]


def of_every_rule(options: Mapping[str, Any], alike: bool) -> Listed:
    yield "added", "the step is added to the weights, not subtracted", {"direction": 1}
    other = not options["maximize"]
    named = "uphill, as to maximize" if other else "downhill: maximize is not followed"
    yield "added", f"the step goes {named}", {"maximize": other}
    yield "no-rate", "the step is not multiplied by the learning rate", {"rate": False}
    yield "state-not-kept", "every step begins with a new state", {"kept": False}
    if alike:
        yield "state-shared", "all parameters share one state", {"shared": tuple(STATES)}
        for key, name in STATES.items():
            yield "state-shared", f"all parameters share one {name}", {"shared": (key,)}
    yield (
        "step-per-parameter",
        "the step is counted once for each parameter, not once for all",
        {"counted": "each"},
    )
    for first, ahead in ((0, -1), (2, 1)):
        counted = f"counted from {first}"
        yield "step-off-by-one", f"the steps are {counted}", {"ahead": (ahead, ahead)}
        yield "step-off-by-one", f"for m the steps are {counted}", {"ahead": (ahead, 0)}
        yield "step-off-by-one", f"for v the steps are {counted}", {"ahead": (0, ahead)}
    for name in ("amsgrad", "centered"):
        if name in options:
            was, now = ("used", "not asked for") if not options[name] else ("ignored", "given")
            yield "option-ignored", f"{name} is {was}, though {now}", {name: not options[name]}
    for name in ("lr_decay", "initial_accumulator_value", "momentum_decay"):
        if name in options:
            yield "option-ignored", f"{name} is ignored", {name: 0}


def of_epsilon(rule: str) -> Listed:
    own = OWN_EPSILON.get(rule, "outside")
    for place, words in (
        ("inside", "stands inside the root"),
        ("before", "is added before the bias correction, as TensorFlow does"),
        ("both before and inside", "stands inside the root, before the bias correction"),
        ("outside", "stands outside the root" if own == "inside" else "is added to u, not to |g|"),
    ):
        if place != own:
            yield "epsilon-place", f"ε {words}", {"epsilon": place}
    yield "no-epsilon", "there is no ε", {"epsilon": "none"}


def of_moments(rule: str, options: Mapping[str, Any]) -> Listed:
    """Of running means, their weights and their bias."""
    both, mean = "betas" in options, next((b for b in BETAS if b in options), "")
    if not both and not mean and rule != "Adagrad":
        return
    if both:
        b1, b2 = options["betas"]
        kind, why = "no-bias-correction", "divided by 1 − βᵗ, which undoes its start at zero"
        if rule != "Adamax":
            yield kind, f"neither m nor v is {why}", {"corrected": (False, False)}
            yield kind, f"v is not {why}", {"corrected": (True, False)}
        yield kind, f"m is not {why}", {"corrected": (False, True)}
        yield (
            "corrected-state",
            "the corrected m and v stay: each step corrects them once more",
            {"stored": True},
        )
        rest = "1 − β for β, and β for 1 − β"
        for kind, what, betas in (
            ("betas-exchanged", "β₁ and β₂ are exchanged", (b2, b1)),
            ("one-beta", "v has β₁ for its own β₂", (b1, b1)),
            ("one-beta", "m has β₂ for its own β₁", (b2, b2)),
            ("beta-for-its-rest", f"m has {rest}", (1 - b1, b2)),
            ("beta-for-its-rest", f"v has {rest}", (b1, 1 - b2)),
            ("beta-for-its-rest", f"each of m and v has {rest}", (1 - b1, 1 - b2)),
        ):
            yield kind, what, {"betas": betas}
            yield kind, f"{what}, in the running mean", {"means": betas}
            yield kind, f"{what}, in the correction of the bias", {"powers": betas}
        yield "new-not-weighed", "what is new in m is not multiplied by 1 − β₁", {"new": (0, 1)}
        yield "new-not-weighed", "what is new in v is not multiplied by 1 − β₂", {"new": (1, 0)}
        yield "new-not-weighed", "what is new in m and v has no 1 − β", {"new": (0, 0)}
        yield "old-state", "the step is taken with the m of the step before", {"late": True}
        yield "not-squared", "v is the running mean of m²", {"square": "mean"}
    elif mean:
        symbol, rest = BETAS[mean], 1 - options[mean]
        what = f"the mean of g² has 1 − {symbol} for {symbol}, and the reverse"
        yield "beta-for-its-rest", what, {mean: rest}
        yield (
            "new-not-weighed",
            f"what is new in the mean of g² is not multiplied by 1 − {symbol}",
            {"new": (1, 0)},
        )
    yield "not-squared", "v is made of g, not of g²", {"square": "itself"}
    yield "not-squared", "v is made of |g|, not of g²", {"square": "size"}
    if rule != "Adagrad":
        yield (
            "not-squared",
            "v is made of ((1 − β) g)²: the square is taken of the weighed gradient",
            {"square": "weighed"},
        )
    if rule != "Adamax":
        yield "no-root", "the root is not taken of what is divided by", {"root": False}
    if rule == "NAdam":
        yield "no-look-ahead", "m̂ is that of this step, as in Adam", {"look_ahead": "none"}


def of_momentum(options: Mapping[str, Any]) -> Listed:
    if "momentum" not in options:
        return
    momentum = options["momentum"]
    yield "momentum-sign", "the momentum has the wrong sign", {"momentum": -momentum}
    yield "no-momentum", "there is no momentum", {"momentum": 0}
    yield "old-state", "the step is taken with the momentum of the step before", {"late": True}
    if "dampening" not in options:
        return
    for value, what in (
        (momentum, "the gradient is damped to 1 − μ of it"),
        (0, "the dampening is not used"),
        (-options["dampening"], "the dampening has the wrong sign"),
    ):
        yield "dampening", what, {"dampening": value}
        yield "dampening", f"{what}, from the first step", {"dampening": value, "from_zero": True}
    yield "momentum-start", "the first gradient is damped too", {"from_zero": True}
    if options["nesterov"]:
        yield "no-look-ahead", "Nesterov's look ahead is missing", {"nesterov": False}
        yield "no-look-ahead", "the step is μ v alone, without g", {"look_ahead": "alone"}
    else:
        yield "look-ahead", "the step is Nesterov's, g + μ v", {"nesterov": True}


def of_decay(options: Mapping[str, Any]) -> Listed:
    decay = options["weight_decay"]
    if options.get("decoupled_weight_decay"):
        what = "the weight decay is added to the gradient, as L2, not taken from the weights"
        yield "coupled-decay", what, {"decay": "coupled"}
        yield "decay-place", "the weights decay after the step", {"decay": "after"}
    else:
        what = "the weight decay is taken from the weights, as AdamW does, not added to g"
        yield "decoupled-decay", what, {"decay": "decoupled"}
        yield "decoupled-decay", f"{what}, after the step", {"decay": "after"}
    yield (
        "decay-without-rate",
        "the weights decay by λ w, not by η λ w, beside the step",
        {"decay": "bare"},
    )
    yield "decay-sign", "the weight decay has the wrong sign", {"weight_decay": -decay}
    yield "no-decay", "there is no weight decay", {"weight_decay": 0}
