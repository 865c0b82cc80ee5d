"""How to make something of a bare script that a check can take."""

import ast
from pathlib import Path

from .words import RATES

GRADIENT = "GRADIENT"


def how_to_wrap(path: Path) -> str:
    """Five lines that make a function of a training loop, with its own names; "" if there is none.

    The file is read and not run.
    """
    try:
        tree = ast.parse(path.read_text("utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return ""
    if any(
        isinstance(node, ast.FunctionDef | ast.ClassDef) and updates_in(node) for node in tree.body
    ):
        return ""
    loop = next(
        (n for n in tree.body if isinstance(n, ast.For | ast.While) and updates_in(n)), None
    )
    if loop is None:
        return ""
    updates = updates_in(loop)
    first = min(line for _, _, line in updates)
    body = [s for s in loop.body if s.end_lineno is not None and s.end_lineno < first]
    output, target = compared(body)
    data = read_before(tree, loop, body, [name for name, _, _ in updates])
    inputs = [name for name in data if name != target]
    taken = ", ".join([*inputs, *([target] if target in data else [])])
    lines = f"lines {body[0].lineno} to {body[-1].end_lineno}" if body else "its lines"
    gradients = ", ".join(f'"{name}": {gradient}' for name, gradient, _ in updates)
    shapes = " ".join(f"--input {name}=SIZES" for name in [*inputs, target] if name in data)
    return (
        f"{path} trains in a loop at line {loop.lineno}: give its gradients a name. Put into it\n\n"
        f"    def loss_and_gradients({taken}):\n"
        f"        # {lines}, ahead of the updates, as they are\n"
        f"        loss = ((({output}) - ({target})) ** 2).sum() / 2  # or whichever loss you mean\n"
        f"        return loss, {{{gradients}}}\n\n"
        f"and run: backprop check {path}:loss_and_gradients {shapes}"
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
            if isinstance(rate, ast.Constant) or (isinstance(rate, ast.Name) and rate.id in RATES):
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
