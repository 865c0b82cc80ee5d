"""Functions of one value, element by element."""

import math
from typing import Any

import torch
from torch.nn import functional

from ..operations import Tensor
from .page import Page, of_one, page

of_one("sigmoid", "g * y * (1 - y)", y=torch.sigmoid)
of_one("tanh", "g * (1 - y * y)", y=torch.tanh)
of_one("log_sigmoid", "g * sigmoid(-x)", "g * (1 - sigmoid(x))", "g / (1 + exp(x))")
of_one("softsign", "g / (1 + abs(x)) ** 2", "g * (1 - abs(y)) ** 2", y=functional.softsign)
of_one("tanhshrink", "g * tanh(x) ** 2", "g * (1 - (1 - tanh(x) ** 2))")
of_one("exp", "g * y", y=torch.exp)
of_one("log", "g / x")
of_one("sqrt", "g / (2 * y)", y=torch.sqrt)
of_one("rsqrt", "-g * y ** 3 / 2", y=torch.rsqrt)
of_one("reciprocal", "-g * y ** 2", "-g / x ** 2", y=torch.reciprocal)
of_one("sin", "g * cos(x)")
of_one("cos", "-g * sin(x)")
of_one("abs", "g * sign(x)")
of_one("square", "2 * g * x")
of_one("erf", "2 * g * exp(-x ** 2) / sqrt(pi)", pi=lambda x: math.pi)


@page
def relu(input: Tensor, inplace: bool = False) -> Page:
    return Page({"input": ("where(x > 0, g, 0 * g)",)}, {"x": input})


@page
def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Page:
    return Page({"input": ("where(x > 0, g, a * g)",)}, {"x": input, "a": negative_slope})


@page
def prelu(input: Tensor, weight: Tensor) -> Page:
    shape = [1, -1] + [1] * (input.dim() - 2) if input.dim() > 1 else [-1]
    formulas = {
        "input": ("where(x > 0, g, w * g)",),
        "weight": ("add(g * where(x > 0, 0 * x, x))",),
    }
    w = weight.reshape(shape)
    names = {"x": input, "w": w, "add": lambda v: v.sum_to_size(w.shape).reshape(weight.shape)}
    return Page(formulas, names)


@page
def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Page:
    formulas = "where(x > 0, g, a * g * exp(x))", "where(x > 0, g, g * (y + a))"
    return Page({"input": formulas}, {"x": input, "y": functional.elu(input, alpha), "a": alpha})


@page
def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Page:
    formulas = ("where(x > 0, g, g * exp(x / a))",)
    return Page({"input": formulas}, {"x": input, "a": alpha})


@page
def selu(input: Tensor, inplace: bool = False) -> Page:
    names: dict[str, Any] = {"x": input, "y": functional.selu(input)}
    names |= {"a": 1.6732632423543772848170429916717, "k": 1.0507009873554804934193349852946}
    formulas = "k * g * where(x > 0, 1, a * exp(x))", "g * where(x > 0, k, y + k * a)"
    return Page({"input": formulas}, names)


@page
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Page:
    formulas = "g * sigmoid(b * x)", "g / (1 + exp(-b * x))"
    return Page({"input": formulas}, {"x": input, "b": beta})


@page
def silu(input: Tensor, inplace: bool = False) -> Page:
    s = torch.sigmoid(input)
    formulas = "g * (s + x * s * (1 - s))", "g * (y + s * (1 - y))", "g * s * (1 + x * (1 - s))"
    return Page({"input": formulas}, {"x": input, "s": s, "y": input * s})


@page
def mish(input: Tensor, inplace: bool = False) -> Page:
    formulas = ("g * (t + x * (1 - t * t) * s)",)
    t, s = torch.tanh(functional.softplus(input)), torch.sigmoid(input)
    return Page({"input": formulas}, {"x": input, "t": t, "s": s})


@page
def gelu(input: Tensor, approximate: str = "none") -> Page:
    if approximate == "none":
        names = {"x": input, "P": (1 + torch.erf(input / math.sqrt(2))) / 2}
        density = torch.exp(-(input**2) / 2) / math.sqrt(2 * math.pi)
        return Page({"input": ("g * (P + x * p)",)}, names | {"p": density})
    k, c = math.sqrt(2 / math.pi), 0.044715
    formula = "g * ((1 + t) / 2 + x * (1 - t ** 2) / 2 * k * (1 + 3 * c * x ** 2))"
    t = torch.tanh(k * (input + c * input**3))
    return Page({"input": (formula,)}, {"x": input, "t": t, "k": k, "c": c})


@page
def hardswish(input: Tensor, inplace: bool = False) -> Page:
    middle = "where(x < -3, 0 * g, where(x <= 3, g * ({}), g))"
    formulas = (middle.format("x / 3 + 0.5"), middle.format("(2 * x + 3) / 6"))
    return Page({"input": formulas}, {"x": input})
