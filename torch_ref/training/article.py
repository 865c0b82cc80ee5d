"""The article's network on both sides: a step by its early rule, its quantities by autograd."""

import copy
from typing import Any

import torch
from torch import Tensor

from manual import Module
from manual.arrays import Array
from manual.article.modules import early_update
from manual.passes import observe_calls

from ..models.losses import HalfSquaredError
from ..parity.one_pass import Criterion, one_pass
from ..parity.tolerance import Sums
from .lockstep import Outcome, Rule, exchange_gradients


def article_round(
    network: Any, x: Tensor, t: Tensor, lr: float, rule: str = "simultaneous"
) -> dict[str, float]:
    """One round, as `manual.article.scalars.scalars` gives it.

    Args:
        network: an `ArticleNetwork`.
        x, t: one sample, (1, 2) each.
        rule: "early" carries the error back through the output weights' new values.
    """
    network = copy.deepcopy(network)  # whose gradients are somebody else's
    passed = one_pass(network, [x], Criterion(HalfSquaredError(), t), True, False)
    values: dict[str, Tensor] = {}
    for neuron, name, layer in (("h", "hidden", network.hidden), ("o", "output", network.output)):
        before, last = (f"{name}.{i}" for i in range(len(layer))[-2:])
        net = values[f"net_{neuron}"] = passed.inside["inside", before]
        values[f"out_{neuron}"] = passed.inside["inside", last]
        values[f"dE_dnet_{neuron}"] = passed.inside["gradient inside", before]
        values[f"dE_dout_{neuron}"] = passed.inside["gradient inside", last]
        activation = one_pass(layer[-1], [net], [torch.ones_like(net)])
        values[f"dout_dnet_{neuron}"] = activation.gradients["input 0"]
    values["E_o"] = (t - values["out_o"]).square() / 2
    dE_dw_h, dE_dw_o = (passed.gradients[f"{name}.0.weight"] for name in ("hidden", "output"))
    weights = dict(network.named_parameters())
    w_h, w_o = (weights[f"{name}.0.weight"] for name in ("hidden", "output"))
    if rule == "early":
        delta, w_o_new = values["dE_dnet_o"], w_o.detach() - lr * dE_dw_o
        by_output = [delta[:, i : i + 1] * row for i, row in enumerate(w_o_new)]
        values["dE_dout_h"] = delta @ w_o_new
        again = one_pass(network.hidden, [x], [values["dE_dout_h"]], True, False)
        values["dE_dnet_h"] = again.inside["gradient inside", str(len(network.hidden) - 2)]
        dE_dw_h = again.gradients["0.weight"]
    else:
        each = torch.diag(values["dE_dout_o"][0])[:, None]  # the error of one output alone
        by_output = [
            one_pass(network.output, [values["out_h"]], [alone]).gradients["input 0"]
            for alone in each
        ]
    values |= {f"dE_o{i + 1}_dout_h": row for i, row in enumerate(by_output)}
    named = {"E_total": values["E_o"].sum()}
    for quantity, row in values.items():
        named |= {f"{quantity}{i + 1}": value for i, value in enumerate(row.flatten())}
    w_all = torch.cat([w_h.flatten(), w_o.flatten()])
    g_all = torch.cat([dE_dw_h.flatten(), dE_dw_o.flatten()])
    for i, (w, g) in enumerate(zip(w_all, g_all, strict=True), 1):
        named |= {f"w{i}": w, f"dE_dw{i}": g, f"w{i}_new": w - lr * g}
    return {name: float(value.detach()) for name, value in named.items()}


def early_by_hand(network: Any, loss: Module, optimizer: Any, x: Array, t: Array) -> Outcome:
    """One step by the article's early rule, by hand; see `manual.article.example`."""
    network.zero_grad()
    criterion = Criterion(loss, t)
    sums = Sums(network)
    with observe_calls(sums):
        output = network(x)
        (g,) = criterion([output])
    gradients = early_update(network, optimizer, g)
    return Outcome(output, criterion.value, gradients, sums.allowed)


def early_by_autograd(
    network: Any, loss: Any, optimizer: Any, x: Array, t: Array, handed: dict[str, Array] | None
) -> Outcome:
    """The early rule in PyTorch: the error is carried on through the new output weights."""
    criterion = Criterion(loss, t)
    passed = one_pass(network, [x], criterion, inside=True, input_gradients=False)
    network.hidden.zero_grad()
    gradients = exchange_gradients(network, handed)
    optimizer.step()
    network.zero_grad()
    delta = passed.inside["gradient inside", "output.0"]
    carried_back = delta @ network.output[0].weight.detach()
    one_pass(network.hidden, [x], [carried_back], input_gradients=False)
    gradients |= exchange_gradients(network, handed)
    optimizer.step()
    return Outcome(passed.outputs[0], criterion.value, gradients, passed.allowed)


EARLY = Rule(early_by_hand, early_by_autograd)
