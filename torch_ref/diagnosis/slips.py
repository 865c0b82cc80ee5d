"""Slips of the pen in a formula: any operand left out or exchanged, any operator or sign turned.

A formula is an expression of Python's, as in "g * y * (1 - y)"; here it is read, not run.
"""

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch

Names = Mapping[str, Any]  # what stands for each name of a formula
MOST = 400  # slips of one formula


# What formulas are written with; of a sum it is said over what.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "abs": torch.abs,
    "sign": torch.sign,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "sin": torch.sin,
    "cos": torch.cos,
    "softplus": torch.nn.functional.softplus,
    "where": torch.where,
}
OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
}
TURNED: dict[type, type] = {ast.Gt: ast.Lt, ast.GtE: ast.Lt, ast.Lt: ast.Gt, ast.LtE: ast.Gt}


@cache
def read(formula: str) -> ast.expr:
    return ast.parse(formula, mode="eval").body


def value_of(node: ast.expr, names: Names) -> Any:
    """What an expression gives; functions that are not common ones are among the names."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return names[node.id]
    if isinstance(node, ast.UnaryOp):
        return -value_of(node.operand, names)
    if isinstance(node, ast.BinOp):
        a, b = value_of(node.left, names), value_of(node.right, names)
        return OPERATORS[type(node.op)](a, b)
    if isinstance(node, ast.Compare):
        a, b = value_of(node.left, names), value_of(node.comparators[0], names)
        return OPERATORS[type(node.ops[0])](a, b)
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    function = FUNCTIONS.get(node.func.id) or names[node.func.id]
    number = partial(torch.as_tensor, dtype=names["g"].dtype)  # of the gradient's precision
    arguments = [value_of(argument, names) for argument in node.args]
    arguments = [x if torch.is_tensor(x) else number(x) for x in arguments]
    return function(*arguments)


@dataclass(frozen=True)
class Slip:
    """One slip in a formula: its kind, what it is in words, and what stands there now."""

    kind: str
    what: str
    now: ast.expr


Others = tuple[
    tuple[str, str, str, str], ...
]  # kind, function, another one for it, how it is taken


@cache
def slips_of(formula: str, others: Others = (), further: tuple[str, ...] = ()) -> tuple[Slip, ...]:
    """Every slip of a formula, each result once.

    Args:
        others: functions that may be taken for those in it.
        further: names that are not in it, and may be taken for those that are.
    """
    whole = read(formula)
    slips: dict[str, Slip] = {ast.dump(whole): Slip("", "", whole)}
    for slip in all_slips(whole, others, further):
        slips.setdefault(ast.dump(slip.now), slip)
    return tuple(slips.values())[1 : MOST + 1]


def all_slips(whole: ast.expr, others: Others, further: tuple[str, ...]) -> Iterator[Slip]:
    nodes = [node for node in ast.walk(whole) if isinstance(node, ast.expr)]
    functions = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    names = [n for n in nodes if isinstance(n, ast.Name)]
    variables = sorted({n.id for n in names if id(n) not in functions})
    for part in nodes:
        if id(part) not in functions:
            for kind, what, new in changes(part, [*variables, *further]):
                yield Slip(kind, what, replaced(whole, part, new))
    for node in names:
        for kind, name, another, how in others:
            if id(node) in functions and node.id == name:
                now = replaced(whole, node, ast.Name(another, ast.Load()))
                yield Slip(kind, f"{name} is taken {how}", now)
    for name in variables:
        turned = everywhere(whole, {name: minus(ast.Name(name, ast.Load()))})
        yield Slip("sign", f"stands -{name} for {name} everywhere", turned)
        for second in variables:
            now = everywhere(whole, {name: ast.Name(second, ast.Load())})
            yield Slip("wrong-derivative", f"stands {second} for {name} everywhere", now)
            both = {name: ast.Name(second, ast.Load()), second: ast.Name(name, ast.Load())}
            what = f"{name} and {second} are exchanged"
            yield Slip("wrong-derivative", what, everywhere(whole, both))


Change = tuple[str, str, ast.expr]  # kind, what, what stands there in its place


def changes(node: ast.expr, variables: list[str]) -> Iterator[Change]:
    """What may have become of one part of a formula."""
    text = words(node)
    if isinstance(node, ast.BinOp):
        yield from changed_operation(node)
    elif isinstance(node, ast.UnaryOp):
        yield "sign", f"the minus of {text} is left out", node.operand
    elif isinstance(node, ast.Compare):
        turned = ast.Compare(node.left, [TURNED[type(node.ops[0])]()], node.comparators)
        yield "wrong-derivative", f"stands {words(turned)} for {text}", turned
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id == "where":
            condition, one, other = node.args
            for part in (one, other):
                yield "wrong-derivative", f"stands {words(part)} for {text}", part
            turned_round: ast.expr = ast.Call(node.func, [condition, other, one], [])
            yield "wrong-derivative", f"stands {words(turned_round)} for {text}", turned_round
        else:
            yield "wrong-derivative", f"stands {words(node.args[0])} for {text}", node.args[0]
    elif isinstance(node, ast.Name):
        for name in variables:
            if name != node.id:
                yield exchange(node, ast.Name(name, ast.Load()))
        kind = "forgotten-upstream" if node.id == "g" else "wrong-derivative"
        yield kind, f"stands 1 for {text}", ast.Constant(1)
        yield exchange(node, ast.BinOp(node, ast.Pow(), ast.Constant(2)))
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        for other_number in (node.value + 1, node.value - 1):
            yield exchange(node, ast.Constant(other_number))
    if not isinstance(node, ast.Compare | ast.Constant | ast.UnaryOp) and text != "g":
        yield "sign", f"stands {words(ast.UnaryOp(ast.USub(), node))} for {text}", minus(node)


def exchange(node: ast.expr, other: ast.expr) -> Change:
    return "wrong-derivative", f"stands {words(other)} for {words(node)}", other


def changed_operation(node: ast.BinOp) -> Iterator[Change]:
    """Of a sum, product, quotient or power: an operand alone, or another operator."""
    a, b, text = node.left, node.right, words(node)

    def other(operator: ast.operator, one: ast.expr = a, two: ast.expr = b) -> Change:
        return exchange(node, ast.BinOp(one, operator, two))

    if isinstance(node.op, ast.Mult | ast.Div):
        yield left_out(b, text, a)
        yield left_out(a, text, b if isinstance(node.op, ast.Mult) else inverse(b))
        yield other(ast.Div() if isinstance(node.op, ast.Mult) else ast.Mult())
        yield other(ast.Add())
        if isinstance(node.op, ast.Div):
            yield other(ast.Div(), b, a)
    elif isinstance(node.op, ast.Add | ast.Sub):
        subtracted = isinstance(node.op, ast.Sub)
        yield "wrong-derivative", f"the term {words(b)} of {text} is left out", a
        rest = minus(b) if subtracted else b
        yield "wrong-derivative", f"the term {words(a)} of {text} is left out", rest
        turned = ast.Add() if subtracted else ast.Sub()
        what = f"the sign of {words(b)} in {text} is turned"
        yield "sign", what, ast.BinOp(a, turned, b)
        yield other(ast.Mult())
    elif isinstance(node.op, ast.Pow):
        yield "wrong-derivative", f"the power of {text} is left out", a
        yield other(ast.Mult())
        yield other(ast.Pow(), a, minus(b))
        if not isinstance(b, ast.Constant):
            for sign in (ast.Add(), ast.Sub()):
                yield other(ast.Pow(), a, ast.BinOp(b, sign, ast.Constant(1)))


def left_out(factor: ast.expr, text: str, rest: ast.expr) -> Change:
    is_g = isinstance(factor, ast.Name) and factor.id == "g"
    kind = "forgotten-upstream" if is_g else "forgotten-factor"
    return kind, f"{words(factor)} of {text} is left out", rest


def minus(node: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.USub(), node)


def inverse(node: ast.expr) -> ast.expr:
    return ast.BinOp(ast.Constant(1), ast.Div(), node)


def words(node: ast.AST) -> str:
    """A formula for the eye."""
    return ast.unparse(node).replace(" ** 2", "²").replace(" ** 3", "³").replace(" - ", " − ")


def replaced(tree: Any, target: ast.AST, new: ast.AST) -> Any:
    """The tree with another node in one's place; what has not changed is shared."""
    if tree is target:
        return new
    if isinstance(tree, list):
        entries = [replaced(entry, target, new) for entry in tree]
        return entries if any(a is not b for a, b in zip(entries, tree, strict=True)) else tree
    if not isinstance(tree, ast.AST):
        return tree
    old = dict(ast.iter_fields(tree))
    fields = {name: replaced(value, target, new) for name, value in old.items()}
    return type(tree)(**fields) if any(fields[name] is not old[name] for name in old) else tree


def everywhere(tree: ast.expr, other: dict[str, Any]) -> ast.expr:
    """The formula with something else in place of names."""
    for node in [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id in other]:
        tree = replaced(tree, node, other[node.id])
    return tree
