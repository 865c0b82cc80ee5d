"""How to make something of a bare script that a check can take."""

import ast
import inspect
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .words import RATES


def how_to_wrap(path: Path) -> str:
    """Five lines that make a function of a script's training loop, with its own names.

    The file is read and not run. "" if there is no such loop.
    """
    try:
        tree = ast.parse(path.read_text("utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return ""
    defined = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    loop = loop_in(tree.body)
    if loop is None or any(updates_in(node) for node in defined):
        return ""
    body, updates = body_of(loop)
    output, target = compared(body)
    data = read_before(tree, loop, body, [name for name, _, _ in updates])
    taken = [name for name in data if name != target] + ([target] if target in data else [])
    shapes = " ".join(f"--input {name}=SIZES" for name in taken)
    return (
        f"{path} trains in a loop at line {loop.lineno}: give its gradients a name. Put into it\n\n"
        f"    def loss_and_gradients({', '.join(taken)}):\n"
        f"{lines_for(body, updates, output, target)}\n"
        f"and run: backprop check {path}:loss_and_gradients {shapes}"
    )


def how_to_wrap_method(method: Any) -> str:
    """The same of an object's method that trains and has nothing beside it that runs forward."""
    try:
        lines, start = inspect.getsourcelines(method)
    except (TypeError, OSError):
        return ""
    (function,) = ast.parse(textwrap.dedent("".join(lines))).body
    ast.increment_lineno(function, start - 1)
    loop = loop_in(function.body) if isinstance(function, ast.FunctionDef) else None
    if loop is None or not isinstance(function, ast.FunctionDef):
        return ""
    body, updates = body_of(loop)
    output, target = compared(body)
    arguments = ", ".join(one.arg for one in function.args.args)
    name = type(method.__self__).__name__
    keys = [(f"{key.removeprefix('self.')}", gradient, line) for key, gradient, line in updates]
    shapes = " ".join(f"--input {one.arg}=SIZES" for one in function.args.args[1:])
    return (
        f"{name}.{function.name} trains in a loop at line {loop.lineno}: give its gradients a "
        f"name. Put into the class, whose weights must be there when it is made,\n\n"
        f"    def loss({arguments}):\n"
        f"{lines_for(body, keys, output, target)}\n"
        f"and run: backprop check FILE:{name} {shapes}"
    )


def loop_in(body: Sequence[ast.stmt]) -> ast.For | ast.While | None:
    """The innermost first loop that updates weights."""
    for statement in body:
        if isinstance(statement, ast.For | ast.While) and updates_in(statement):
            return loop_in(statement.body) or statement
    return None


def body_of(loop: ast.For | ast.While) -> tuple[list[ast.stmt], list[tuple[str, str, int]]]:
    """What a loop does ahead of its updates, and those."""
    updates = updates_in(loop)
    first = min(line for _, _, line in updates)
    return [s for s in loop.body if (s.end_lineno or first) < first], updates


def lines_for(
    body: list[ast.stmt], updates: list[tuple[str, str, int]], output: str, target: str
) -> str:
    """The lines of the function that they are to write."""
    lines = f"lines {body[0].lineno} to {body[-1].end_lineno}" if body else "its lines"
    gradients = ", ".join(f'"{name}": {gradient}' for name, gradient, _ in updates)
    return (
        f"        # {lines}, ahead of the updates, as they are\n"
        f"        loss = (({output} - {target}) ** 2).sum() / 2  # or whichever loss you mean\n"
        f"        return loss, {{{gradients}}}\n"
    )


def updates_in(node: ast.AST) -> list[tuple[str, str, int]]:
    """`w -= lr * g`, `w += g`, `w = w - lr * g`: the weight, its gradient, the line."""
    found = []
    for one in ast.walk(node):
        if isinstance(one, ast.AugAssign) and isinstance(one.op, ast.Add | ast.Sub):
            name, step, sign = ast.unparse(one.target), one.value, isinstance(one.op, ast.Sub)
        elif (
            isinstance(one, ast.Assign)
            and isinstance(one.value, ast.BinOp)
            and isinstance(one.value.op, ast.Add | ast.Sub)
            and ast.unparse(one.targets[0]) == ast.unparse(one.value.left)
        ):
            name, step = ast.unparse(one.targets[0]), one.value.right
            sign = isinstance(one.value.op, ast.Sub)
        else:
            continue
        if not isinstance(step, ast.Constant):
            gradient = without_rate(step)
            found.append((name, gradient if sign else f"-({gradient})", one.lineno))
    return found


def without_rate(step: ast.expr) -> str:
    """A step without the learning rate in front."""
    if isinstance(step, ast.BinOp) and isinstance(step.op, ast.Mult):
        for rate, other in ((step.left, step.right), (step.right, step.left)):
            named = rate.id if isinstance(rate, ast.Name) else getattr(rate, "attr", "")
            if isinstance(rate, ast.Constant) or named in RATES:
                return ast.unparse(other)
            if isinstance(rate, ast.BinOp) and without_rate(rate) != ast.unparse(rate):
                return f"{without_rate(rate)} * {ast.unparse(other)}"
    return ast.unparse(step)


def compared(body: list[ast.stmt]) -> tuple[str, str]:
    """The output and the target: of the first difference of two names in a loop."""
    assigned = {
        n.id
        for s in body
        for n in ast.walk(s)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    for statement in body:
        for one in ast.walk(statement):
            if isinstance(one, ast.BinOp) and isinstance(one.op, ast.Sub):
                names = [ast.unparse(part) for part in (one.left, one.right)]
                inside = [name in assigned for name in names]
                if inside == [True, False]:
                    return names[0], names[1]
                if inside == [False, True]:
                    return names[1], names[0]
    return "output", "target"


def read_before(
    tree: ast.Module, loop: ast.stmt, body: list[ast.stmt], weights: list[str]
) -> list[str]:
    """The data that a loop reads: what is assigned ahead of it and is no weight."""
    ahead = [
        node.id
        for statement in tree.body
        if statement.lineno < loop.lineno and isinstance(statement, ast.Assign)
        for target in statement.targets
        for node in ast.walk(target)
        if isinstance(node, ast.Name)
    ]
    used = {n.id for s in body for n in ast.walk(s) if isinstance(n, ast.Name)}
    rates = set(RATES)
    return [
        name
        for name in dict.fromkeys(ahead)
        if name in used and name not in weights and name not in rates
    ]
