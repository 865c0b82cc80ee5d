"""Losses with one number for every element."""

from typing import Any

import torch

from ..operations import Tensor
from .page import PAGES, Page, page, reduced


def of_pair(name: str, *formulas: str, target: tuple[str, ...] = (), **options: float) -> None:
    """A page of a loss of each element x and its target t; options are numbers by their names."""

    def made(input: Tensor, target: Tensor, *_: Any, reduction: str = "mean", **given: Any) -> Page:
        names = {"x": input, "t": target, **options}
        names |= {option: given.get(option, default) for option, default in options.items()}
        return Page(by_argument, names, reduced(input, reduction))

    by_argument = {"input": formulas, "target": target}
    PAGES[name] = made


of_pair("mse_loss", "2 * g * (x - t)", target=("-2 * g * (x - t)",))
of_pair("l1_loss", "g * sign(x - t)", target=("-g * sign(x - t)",))
of_pair("smooth_l1_loss", "where(abs(x - t) < beta, g * (x - t) / beta, g * sign(x - t))", beta=1.0)
of_pair("huber_loss", "where(abs(x - t) <= delta, g * (x - t), g * delta * sign(x - t))", delta=1.0)
of_pair("soft_margin_loss", "-g * t * sigmoid(-t * x)", "-g * t / (1 + exp(t * x))")
of_pair("hinge_embedding_loss", "where(t > 0, g, where(x < margin, -g, 0 * g))", margin=1.0)


@page
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *_: Any,
    reduction: str = "mean",
    **__: Any,
) -> Page:
    names = {"x": input, "t": target, "w": torch.ones(()) if weight is None else weight}
    formulas = {
        "input": ("w * g * (x - t) / (x * (1 - x))", "w * g * (-t / x + (1 - t) / (1 - x))"),
        "target": ("w * g * (log(1 - x) - log(x))",),
    }
    siblings = [("the loss of logits", "w * g * (sigmoid(x) - t)")]
    return Page(formulas, names, reduced(input, reduction), siblings=siblings)


@page
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *_: Any,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
    **__: Any,
) -> Page:
    one = torch.ones(())
    names = {"x": input, "t": target, "w": one if weight is None else weight}
    formula = "w * g * ((1 - t) * sigmoid(x) - t * sigmoid(-x))"
    formulas: tuple[str, ...] = (formula, "w * g * (sigmoid(x) - t)")
    if pos_weight is not None:
        names["p"] = pos_weight
        formulas = (formula.replace("- t * s", "- p * t * s"),)
    names["s"] = torch.sigmoid(input)
    siblings = [
        ("the loss of probabilities", "w * g * (s - t) / (s * (1 - s))"),
        ("the loss of probabilities, at the logits", "w * g * (x - t) / (x * (1 - x))"),
    ]
    return Page({"input": formulas}, names, reduced(input, reduction), siblings=siblings)


@page
def kl_div(
    input: Tensor,
    target: Tensor,
    *_: Any,
    reduction: str = "mean",
    log_target: bool = False,
    **__: Any,
) -> Page:
    formulas = {"input": ("-g * t",), "target": ("g * (log(t) - x + 1)",)}
    if log_target:
        formulas = {"input": ("-g * exp(t)",), "target": ("g * exp(t) * (t - x + 1)",)}
    count = len(input) if reduction == "batchmean" and input.dim() else None
    reduction = "mean" if reduction == "batchmean" else reduction
    return Page(formulas, {"x": input, "t": target}, reduced(input, reduction, count))


@page
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: None = None,
    eps: float = 1e-8,
    reduce: None = None,
    reduction: str = "mean",
) -> Page:
    names = {"x": input, "t": target, "e": eps}
    formulas = (
        {"input": ("g * (exp(x) - t)",)} if log_input else {"input": ("g * (1 - t / (x + e))",)}
    )
    if not full:
        formulas["target"] = ("-g * x",) if log_input else ("-g * log(x + e)",)
    return Page(formulas, names, reduced(input, reduction))


@page
def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Page:
    formulas = {
        "input": ("g * (x - t) / v",),
        "target": ("-g * (x - t) / v",),
        "var": ("g * (1 / v - (x - t) ** 2 / v ** 2) / 2",),
    }
    names = {"x": input, "t": target, "v": var.clamp(min=eps)}
    return Page(formulas, names, reduced(input, reduction))
