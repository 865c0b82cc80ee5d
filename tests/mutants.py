"""`python -m tests.mutants`: mistakes planted into the by-hand layers' own source, one at a time.

For each it is asked whether the parity suite fails, and whether the diagnosis names the mistake.
A mistake is planted by changing one node of a function's syntax tree; the rest of the file is as it
stands. What a function shares, such as the losses' reduction, is tried on every class that uses it.
What kinds of verdict are right follows from the kind of change, and is stated beside it.

Two tables come out: the mistakes that people make in backpropagation, which are to be named; and
slips of the pen inside a formula, any operator or operand of it, which are to be caught.
"""

import argparse
import ast
import copy
import inspect
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
from torch.utils._pytree import tree_map

import manual
from manual.arrays import is_floating
from torch_ref.diagnosis.samples import Sample
from torch_ref.diagnosis.search import diagnose
from torch_ref.diagnosis.verdict import Diagnosis
from torch_ref.parity.distance import table
from torch_ref.parity.one_pass import one_pass
from torch_ref.twin import to_torch

from .cases import CASES, Case
from .conftest import Pair, make_pair
from .planting import code_of, first_line, function_of, modules, put

# Where layers and losses are; what is composed of them has no formula of its own.
ROOMS = ("manual.layers.", "manual.losses.")
FILES = [module for module in modules() if module.__name__.startswith(ROOMS)]
# What only backward uses; `derivative` and the slopes are the tables of derivatives.
BACKWARD = {
    "backward",
    "to_target",
    "derivative",
    "slope",
    "target_slope",
    "expand",
    "per_sample",
    "weights",
}
FACTOR = {"scale", "mean-for-sum", "sum-for-mean", "number-forgotten"}
LEFT_OUT = {
    "forgotten-derivative",
    "forgotten-factor",
    "forgotten-upstream",
    "wrong-derivative",
    "number-forgotten",
}


# Mutants that change nothing, by function, name and result, and why.
EQUIVALENT = {
    # f′(f(x)) = f′(x): y lies on the same side of every corner as x.
    *((f"{name}.derivative", "argument") for name in ("ReLU", "LeakyReLU", "Hardtanh")),
    ("Hardshrink.derivative", "argument"),
    # Where nothing is counted, every weight is zero as well, so that any g gives zero.
    ("Loss.expand", "factor left out", "0"),
    ("Loss.expand", "factor left out", "g"),
    # Whether all is written over: else it is zeroed first.
    ("MaxPool.backward", "factor left out", "count(places)"),
    ("MaxPool.backward", "factor left out", "count(self._kernel)"),
}


@dataclass(frozen=True)
class Mutant:
    """One planted mistake.

    Attributes:
        file: the module of `manual` that it is planted into.
        function: its qualified name, `Linear.backward`.
        number: of the node among the function's nodes.
        name: the kind of change.
        kinds: the verdicts that name it rightly.
    """

    file: ModuleType
    function: str
    number: int
    name: str
    kinds: frozenset[str]
    slip: bool = False
    layer: str = ""
    line: int = 0
    was: str = ""
    now: str = ""

    def __str__(self) -> str:
        place = f"{self.file.__name__.partition('.')[2]}.py:{self.line}"
        change = f"{self.was} -> {self.now}" if len(self.was) < 200 else ""
        return f"{place} {self.function} of {self.layer}: {self.name}: {change}"


Change = tuple[str, frozenset[str], Callable[[Any], Any]]


def kinds(*names: Any) -> frozenset[str]:
    return frozenset().union(*({n} if isinstance(n, str) else n for n in names))


def expression(text: str, **parts: ast.expr) -> ast.expr:
    """An expression with other nodes in place of names."""

    class Fill(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> Any:
            return copy.deepcopy(parts.get(node.id, node))

    return Fill().visit(ast.parse(text, mode="eval").body)


def uses_upstream(node: ast.AST) -> bool:
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    return bool(names & {"g", "grad_output", "samples_g", "through_w"})


def starting(statement: str) -> Callable[[Any], Any]:
    """Put a statement at the start of a function, below what it takes off the saved values."""

    def change(node: Any) -> Any:
        first = 1 if isinstance(node.body[0], ast.Expr) else 0  # a docstring
        saved = [i for i, line in enumerate(node.body) if "take_saved" in ast.unparse(line)]
        at = saved[-1] + 1 if saved else first
        node.body[at:at] = ast.parse(statement).body
        return node

    return change


def replacing(text: str, value: ast.expr) -> Callable[[Any], Any]:
    """Put this expression of the value, E, in the node's place."""
    return lambda node: expression(text, E=value)


def accumulating(text: str, value: ast.expr) -> Callable[[Any], Any]:
    """Accumulate this expression of the value, E, instead; of a product, of its first factor."""
    return lambda node: ast.Call(
        node.func, [expression(text, E=value), *node.args[1:]], node.keywords
    )


def mistakes(node: ast.AST, method: str) -> Iterator[Change]:
    """The mistakes that people make in backpropagation, where they can be planted at this node."""
    if isinstance(node, ast.FunctionDef):
        names = {argument.arg for argument in node.args.args} & {"g", "grad_output"}
        if method == "backward" and names:
            name = names.pop()
            yield "upstream", kinds("forgotten-upstream"), starting(f"{name} = {name} * 0 + 1")
        if method == "derivative":
            yield "argument", kinds("wrong-argument"), starting("x = y; y = self.value(x)")
    if isinstance(node, ast.Return) and node.value is not None:
        value = node.value
        first = value.elts[0] if isinstance(value, ast.Tuple) else value

        def returning(text: str) -> Callable[[Any], Any]:
            def change(node: Any) -> Any:
                new = expression(text, E=first)
                if isinstance(value, ast.Tuple):
                    new = ast.Tuple([new, *value.elts[1:]], ast.Load())
                return ast.Return(new)

            return change

        several = isinstance(first, ast.Starred) or ast.unparse(first).startswith("tuple(")
        if not several and ast.unparse(first) != "None":
            yield "sign", kinds("sign"), returning("-1 * E")
            yield "twice", kinds(FACTOR), returning("2 * E")
            yield "half", kinds(FACTOR), returning("E / 2")
        if method == "derivative":
            left_out = kinds("forgotten-derivative", "forgotten-factor")
            yield "derivative left out", left_out, returning("np.ones_like(x)")
            yield "function for derivative", kinds("activation-for-derivative"), returning("y")
            boolean = isinstance(first, ast.Compare) or isinstance(
                getattr(first, "op", None), ast.Invert
            )
            if not boolean:  # 0² = 0 and 1² = 1
                twice = kinds("derivative-twice", "number-forgotten")  # of a constant, the number
                yield "derivative twice", twice, returning("(E) * (E)")
        text = ast.unparse(value)
        if text == "g * self.derivative(x, y)":
            kind = kinds("activation-on-gradient")
            yield "function of the gradient", kind, returning("self.value(g)")
        if text.startswith("g / count if count"):
            yield "mean taken twice", kinds(FACTOR), returning("E / (count or 1)")
            yield "mean left out", kinds(FACTOR), returning("g")
        if text.endswith("else g * scale"):
            yield "mask left out", kinds(LEFT_OUT), returning("g.copy()")
        if text.startswith("self.SIGN * y * (g - "):
            jacobian = kinds("diagonal-only"), kinds("forgotten-derivative", "not-a-gradient")
            yield "diagonal only", jacobian[0], returning("self.SIGN * g * y * (1 - y)")
            yield "identity", jacobian[1] | kinds("sign"), returning("self.SIGN * g")
            path = kinds("forgotten-path")
            yield "path left out", path, returning("self.SIGN * g * y")
        if text.startswith("g - np.exp(y)"):
            yield "path left out", kinds(LEFT_OUT, "forgotten-path"), returning("g")
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr == "sum":

            def averaged(node: Any) -> Any:
                attribute = ast.Attribute(node.func.value, "mean", ast.Load())
                return ast.Call(attribute, node.args, node.keywords)

            if method == "backward":
                yield "mean for sum", kinds(FACTOR), averaged
            axis = next((k.value for k in node.keywords if k.arg == "axis"), None)
            if isinstance(axis, ast.Constant) and axis.value == 0:
                inside = node.func.value
                only = kinds("dropped-index", "assigned-for-added")
                yield "first sample only", only, lambda node: expression("E[0]", E=inside)
                over = kinds("extra-axis")
                yield (
                    "summed over all",
                    over,
                    lambda node: expression("E.sum() + 0 * E[0]", E=inside),
                )
        if node.func.attr in ("accumulate", "accumulate_product"):
            parameter = node.func.value
            yield (
                "no gradient",
                kinds("not-a-gradient", "other-gradient"),
                lambda node: expression("E.accumulate(E.data)", E=parameter),
            )
            yield "sign", kinds("sign"), accumulating("-(E)", node.args[0])
            yield "twice", kinds(FACTOR), accumulating("2 * (E)", node.args[0])
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "column_sums":
        (columns,) = node.args
        for name, kind, text in (
            ("mean for sum", kinds(FACTOR), "column_sums(E) / len(E)"),
            ("first sample only", kinds("dropped-index", "assigned-for-added"), "E[0]"),
            ("summed over all", kinds("extra-axis"), "E.sum() + 0 * E[0]"),
        ):
            yield name, kind, replacing(text, columns)
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "at":
        array, index, values = node.args
        yield (
            "assigned for added",
            kinds("assigned-for-added"),
            lambda node: expression("A.__setitem__(I, G)", A=array, I=index, G=values),
        )


def slips(node: ast.AST, method: str) -> Iterator[Change]:
    """An operand or a sign of a formula left out or turned."""
    anything = {"forgotten-path", "wrong-argument", "option-ignored", "not-a-gradient", "sign"}
    right = kinds(FACTOR, LEFT_OUT, anything)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        if not isinstance(node.op, ast.Div):
            yield "factor left out", right, lambda node: node.right
        mask = ast.unparse(node.right).startswith(("taken == ", "self.first_largest"))
        masked = {"not-the-largest"} if mask else set()
        yield "factor left out", right | masked, lambda node: node.left
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        turned = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        yield "term left out", right | {"diagonal-only", "overwritten"}, lambda node: node.left
        yield "sign of a term", right, lambda node: ast.BinOp(node.left, turned, node.right)
    if (
        isinstance(node, ast.UnaryOp)
        and isinstance(node.op, ast.USub)
        and not isinstance(node.operand, ast.Constant)
    ):
        # of the sine in a rotation, whose transpose has it
        yield "minus left out", right | {"transpose"}, lambda node: node.operand


def changes(node: ast.AST, function: str) -> Iterator[tuple[bool, Change]]:
    """All that can be planted at one node, and whether it is a slip."""
    method = function.rpartition(".")[2]
    for change in mistakes(node, method):
        yield False, change
    for change in slips(node, method):
        yield True, change


def layers_by_base() -> dict[str, list[str]]:
    """For every class of `manual`, the classes with cases of their own that inherit from it."""
    found: dict[str, list[str]] = {}
    for name in dict.fromkeys(case.class_name for case in CASES):
        made = getattr(manual, name, None)
        for base in made.__mro__ if isinstance(made, type) else ():
            found.setdefault(base.__name__, []).append(name)
    return found


def tree_of(file: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(file))


def functions_of(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Functions and methods that only backward uses."""
    for node in tree.body:
        members = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        for member in members:
            if isinstance(member, ast.FunctionDef) and member.name in BACKWARD:
                yield prefix + member.name, member


def mutants() -> list[Mutant]:
    """All of them, in the order of the source."""
    found = []
    layers = layers_by_base()
    for file in FILES:
        for name, function in functions_of(tree_of(file)):
            beside = {id(node) for node in beside_the_target(function)}
            for number, node in enumerate(ast.walk(function)):
                if id(node) in beside:
                    continue
                for slip, (kind, right, change) in changes(node, name):
                    old = ast.unparse(node)
                    new = ast.unparse(ast.fix_missing_locations(change(copy.deepcopy(node))))
                    line = getattr(node, "lineno", function.lineno)
                    if old == new:
                        continue
                    owners = [
                        n for n in layers.get(name.partition(".")[0], []) if runs(n, file, name)
                    ]
                    for layer in [" ".join(owners)] if slip and owners else owners:
                        place = (slip, layer, line, old, new)
                        found.append(Mutant(file, name, number, kind, right, *place))
    return found


def beside_the_target(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """What a loss returns beside its target's gradient: the same again, as a test demands."""
    for node in ast.walk(function):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "with_target":
            for statement in node.body:
                yield from ast.walk(statement)


def function_and_line(file: ModuleType, name: str) -> tuple[FunctionType, int]:
    """The function of this qualified name, and its first line."""
    first = first_line(dict(functions_of(tree_of(file)))[name])
    return function_of(file.__name__, name, first), first


@cache
def runs(layer: str, file: ModuleType, name: str) -> bool:
    """Whether the cases of a layer run this function at all."""
    code = function_and_line(file, name)[0].__code__
    seen = False

    def watch(frame: Any, event: str, argument: Any) -> None:
        nonlocal seen
        seen = seen or frame.f_code is code

    sys.setprofile(watch)
    try:
        for case in CASES:
            if case.class_name == layer and not seen:
                pair = make_pair(case, np.float64)
                pair.by_hand()
    finally:
        sys.setprofile(None)
    return seen


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """The mistake stands in the layer's own source within this block."""
    tree = tree_of(mutant.file)
    function = dict(functions_of(tree))[mutant.function]
    nodes = [*ast.walk(function), tree]
    target = nodes[mutant.number]
    change = next(
        change
        for _, (kind, _, change) in changes(target, mutant.function)
        if kind == mutant.name
        and ast.unparse(ast.fix_missing_locations(change(copy.deepcopy(target)))) == mutant.now
    )
    put(nodes, target, change(target))
    ast.fix_missing_locations(tree)
    made, first = function_and_line(mutant.file, mutant.function)
    code = code_of(compile(tree, str(mutant.file.__file__), "exec"), mutant.function, first)
    right = made.__code__
    made.__code__ = code
    try:
        yield
    finally:
        made.__code__ = right


def concerned(mutant: Mutant) -> list[Case]:
    """The cases of the layers that it is tried on, those where PyTorch itself is off at the end."""
    cases = [case for case in CASES if case.class_name in mutant.layer.split()]
    return sorted(cases, key=lambda case: (bool(case.pytorch_is_off), not case.smooth))


@dataclass
class Outcome:
    """What became of one mutant."""

    mutant: Mutant
    killed: bool
    case: str = ""
    diagnosis: Diagnosis | None = None
    error: str = ""

    @property
    def named(self) -> str:
        if not self.killed:
            key = self.mutant.function, self.mutant.name
            known = {key, (*key, self.mutant.now)} & EQUIVALENT
            return "equivalent" if known else "survived"
        if self.diagnosis is None or not self.diagnosis.verdicts:
            return "error raised" if self.error else "not named"
        first = self.diagnosis.verdicts[0]
        given = {first.kind, *(text.partition(":")[0] for text in first.same)}
        both = set(first.kind.split(" + ")) <= self.mutant.kinds  # a loop makes it twice
        return "rightly" if both or given & self.mutant.kinds else "wrongly"


def agrees(pair: Pair) -> bool:
    return pair.gradients().agrees


def sample_of(case: Case, seed: int | None = None) -> Sample:
    """What the mutated layer gives for a case; with a seed, for other numbers."""
    pair = make_pair(case, np.float64)
    inputs = pair.inputs
    if seed is not None:
        drawn = case.draw(np.random.default_rng(seed))
        inputs = tree_map(lambda x: x.astype(np.float64) if is_floating(x) else x, tuple(drawn))
    passed = one_pass(pair.mine, inputs, pair.upstream)
    gradients = {name: g for name, g in passed.gradients.items() if g is not None}
    mine = {name: to_torch(np.asarray(g)) for name, g in gradients.items()}
    tensors = tree_map(to_torch, list(inputs))
    return Sample.of(pair.twin, tensors, [to_torch(g) for g in pair.upstream], mine)


def outcome(mutant: Mutant) -> Outcome:
    """Plant it, run the cases it concerns, and ask the diagnosis."""
    with planted(mutant):
        for case in concerned(mutant):
            try:
                if agrees(make_pair(case, np.float64)):
                    continue
            except AssertionError:
                pass  # where PyTorch is off, the judge has caught it
            except Exception as error:
                return Outcome(mutant, True, case.name, error=f"{type(error).__name__}: {error}")
            try:
                samples = [sample_of(case), sample_of(case, 7)]
            except (NotImplementedError, ValueError) as error:
                return Outcome(mutant, True, case.name, error=str(error))
            allowed = make_pair(case, np.float64).by_hand().allowed.backward
            return Outcome(mutant, True, case.name, diagnose(samples, allowed))
    return Outcome(mutant, False)


def summary(outcomes: Sequence[Outcome]) -> str:
    """The table: mutants, killed, named rightly, named wrongly, not named, by file."""
    headers = ("equivalent", "rightly", "wrongly", "not named", "by an error")
    rows: list[tuple[str, ...]] = [("", "mutants", "killed", *headers)]
    files = list(dict.fromkeys(o.mutant.file.__name__ for o in outcomes))
    for file in [*files, "all"]:
        own = [o for o in outcomes if file in ("all", o.mutant.file.__name__)]
        counts = Counter(o.named for o in own)
        named = (
            counts[n] for n in ("equivalent", "rightly", "wrongly", "not named", "error raised")
        )
        rows.append((file, *map(str, (len(own), sum(o.killed for o in own), *named))))
    return table(rows)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", default="", help="functions or layers whose name contains this")
    parser.add_argument("--every", type=int, default=1, help="only one in so many")
    parser.add_argument("--verbose", action="store_true", help="every verdict")
    given = parser.parse_args(argv)
    warnings.simplefilter("ignore")  # a mutant may divide by zero
    np.seterr(all="ignore")
    start = time.monotonic()
    survivors = 0
    for slip, title in ((False, "Mistakes of backpropagation"), (True, "Slips inside a formula")):
        chosen = [m for m in mutants() if m.slip == slip]
        chosen = [m for m in chosen if given.only in f"{m.function} {m.layer}"]
        outcomes = []
        for mutant in chosen[:: given.every]:
            found = outcome(mutant)
            outcomes.append(found)
            if given.verbose or (found.named not in ("rightly", "equivalent") and not slip):
                print(f"{found.named}: {mutant}  [{found.case}] {found.error}", flush=True)
                for verdict in found.diagnosis.verdicts[:2] if found.diagnosis else []:
                    print(f"    {verdict.kind}: {verdict.what}")
            elif found.named == "survived":
                print(f"survived: {mutant}", flush=True)
        survivors += sum(o.named == "survived" for o in outcomes)
        print(f"\n{title}\n\n{summary(outcomes)}\n", flush=True)
    print(f"{time.monotonic() - start:.0f} s")
    return int(survivors > 0)


if __name__ == "__main__":
    raise SystemExit(main())
