"""Small changes to the by-hand source, any of which a test should notice; mutation.py asks which.

A change is made to one node of a function's syntax tree. The function's code, or its defaults, are
then replaced in place, so that whoever has imported it runs the changed one.
"""

import ast
import copy
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

import manual

Change = tuple[str, Callable[[Any], ast.AST]]  # what kind it is, and what becomes of a node

COMPARED = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
COMPUTED = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
ONLY_FOR_SPEED = ("copy", "out", "strict")  # or a second look at what has been looked at
EXTREMES = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum"}


@dataclass(frozen=True)
class Mutant:
    """One change.

    Attributes:
        module, function, first: where: the function's qualified name and first line.
        number: of the node among the function's nodes; of what is done there, `variant`.
        kind: the kind of change.
        was, now: the expression or statement without and with it.
    """

    module: str
    function: str
    first: int
    number: int
    variant: int
    kind: str
    line: int
    was: str
    now: str

    def __str__(self) -> str:
        file = f"{self.module.replace('.', '/')}.py:{self.line}"
        return f"{file} {self.function}: {self.kind}: {self.was[:160]} -> {self.now[:160]}"

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What tells it from others of its function, wherever in a file that stands."""
        return self.function, self.kind, self.was, self.now


def modules() -> list[ModuleType]:
    """Every file of `manual` with functions in it, however deep."""
    names = [info.name for info in pkgutil.walk_packages(manual.__path__, "manual.")]
    return [importlib.import_module(n) for n in names if not n.endswith("__main__")]


@cache
def source_of(module: str) -> str:
    return inspect.getsource(importlib.import_module(module))


def functions_of(
    tree: ast.Module | ast.ClassDef, prefix: str = ""
) -> Iterator[tuple[str, ast.FunctionDef]]:
    """The functions and methods, with their qualified names; a setter has its getter's."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from functions_of(node, f"{prefix}{node.name}.")


def left_alone(function: ast.FunctionDef) -> set[int]:
    """Nodes whose change is of no interest: docstrings, annotations, messages of errors."""
    skipped: list[ast.AST | None] = [function.returns]
    for node in ast.walk(function):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
            skipped.append(node.body[0])
        if isinstance(node, ast.arg | ast.AnnAssign):
            skipped.append(node.annotation)
        if isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr):
            skipped += list(ast.iter_child_nodes(node))
        if isinstance(node, ast.keyword) and node.arg in ONLY_FOR_SPEED:
            skipped.append(node.value)
    return {id(inner) for node in skipped if node is not None for inner in ast.walk(node)}


def replaced(**fields: Any) -> Callable[[Any], ast.AST]:
    """The node with other fields."""

    def change(node: Any) -> ast.AST:
        for name, value in fields.items():
            setattr(node, name, value)
        return node

    return change


def ignoring(name: str, default: ast.expr) -> Callable[[Any], ast.AST]:
    """The function that takes its default, whatever it is given."""

    def change(node: Any) -> ast.AST:
        node.body.insert(0, ast.Assign([ast.Name(name, ast.Store())], default))
        return node

    return change


def changes(node: ast.AST) -> Iterator[Change]:
    """All that is done at one node."""
    if isinstance(node, ast.FunctionDef):
        arguments = node.args
        last = arguments.args[len(arguments.args) - len(arguments.defaults) :]
        defaults = [*zip(last, arguments.defaults, strict=True)]
        defaults += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)  # type: ignore[arg-type]
        for argument, default in defaults:
            if default is not None:
                yield "option ignored", ignoring(argument.arg, default)
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARED:
        yield "comparison", replaced(ops=[COMPARED[type(node.ops[0])](), *node.ops[1:]])
    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in COMPUTED:
        yield "operator", replaced(op=COMPUTED[type(node.op)]())
    if isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield "and/or", replaced(op=other)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.Invert):
        yield "unary", lambda node: node.operand
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield "boolean", replaced(value=not node.value)
        elif isinstance(node.value, int):
            yield "number", replaced(value=node.value + 1)
        elif isinstance(node.value, float):
            yield "number", replaced(value=2 * node.value or 1.0)
        elif isinstance(node.value, str):
            yield "text", replaced(value=node.value + "?")
    if isinstance(node, ast.If | ast.IfExp):
        yield "condition negated", replaced(test=ast.UnaryOp(ast.Not(), node.test))
        yield "condition true", replaced(test=ast.Constant(True))
        yield "condition false", replaced(test=ast.Constant(False))
    if isinstance(node, ast.Slice):
        if node.lower is not None:
            yield "slice", replaced(lower=None)
        if node.upper is not None:
            yield "slice", replaced(upper=None)
    if isinstance(node, ast.Call):
        for i in range(len(node.keywords)):
            if node.keywords[i].arg not in (None, *ONLY_FOR_SPEED):
                yield "keyword", replaced(keywords=node.keywords[:i] + node.keywords[i + 1 :])
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        name = node.func.id if isinstance(node.func, ast.Name) else name
        if name in EXTREMES:
            field = "attr" if isinstance(node.func, ast.Attribute) else "id"
            func = copy.copy(node.func)
            setattr(func, field, EXTREMES[name])
            yield "min/max", replaced(func=func)
    if isinstance(node, ast.AugAssign):
        yield (
            "assigned for added",
            lambda node: ast.Assign([node.target], node.value, lineno=node.lineno),
        )
    if isinstance(node, ast.Raise):
        yield "raise", lambda node: ast.Pass()
    if isinstance(node, ast.Expr | ast.AugAssign):
        yield "deleted", lambda node: ast.Pass()
    if isinstance(node, ast.Assign) and not isinstance(node.targets[0], ast.Name | ast.Tuple):
        yield "deleted", lambda node: ast.Pass()


@cache
def mutants() -> list[Mutant]:
    """All of them, in the order of the source."""
    planted = []
    for module in modules():
        for name, function in functions_of(ast.parse(source_of(module.__name__))):
            skipped, first = left_alone(function), first_line(function)
            around = {id(c): p for p in ast.walk(function) for c in ast.iter_child_nodes(p)}
            for number, node in enumerate(ast.walk(function)):
                if id(node) in skipped or is_abstract(node):
                    continue
                for variant, (kind, change) in enumerate(changes(node)):
                    line = getattr(node, "lineno", function.lineno)
                    place = (module.__name__, name, first, number, variant)
                    texts = before_and_after(node, change, around)
                    planted.append(Mutant(*place, kind, line, *texts))
    return planted


def before_and_after(
    node: ast.AST, change: Callable[[Any], ast.AST], around: dict[int, ast.AST]
) -> tuple[str, str]:
    """The text without and with the change; of a single number or word, what stands around it."""
    if isinstance(node, ast.FunctionDef):  # an option is ignored
        made: Any = change(copy.deepcopy(node))
        ignored = written(made.body[0])
        return ignored.partition(" = ")[0], ignored
    if isinstance(node, ast.If | ast.IfExp):  # its condition is changed
        made = change(copy.deepcopy(node))
        return written(node.test), written(made.test)
    whole = node
    while says_little(whole):
        outer = around[id(whole)]
        if isinstance(outer, ast.stmt) and hasattr(outer, "body"):
            break
        whole = outer
    place = [id(part) for part in ast.walk(whole)].index(id(node))
    changed = copy.deepcopy(whole)
    parts = list(ast.walk(changed))
    new = change(parts[place])
    if place:
        put(parts, parts[place], new)
    return written(whole), written(changed if place else new)


def says_little(node: ast.AST) -> bool:
    """Whether it is a number, a word or a part of one expression: too little to be known by."""
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.operand, ast.Constant)
    return isinstance(node, ast.Constant | ast.Compare | ast.keyword | ast.Slice)


def written(tree: ast.AST) -> str:
    """Its source on one line."""
    return " ".join(ast.unparse(ast.fix_missing_locations(tree)).split())


def is_abstract(node: ast.AST) -> bool:
    """A method that only says that a subclass has to give it."""
    return isinstance(node, ast.Raise) and "has no " in ast.unparse(node)


def first_line(function: ast.FunctionDef) -> int:
    """As the function's code has it: a decorator's, if there is one."""
    return min([function.lineno, *(d.lineno for d in function.decorator_list)])


def code_of(code: CodeType, name: str, first: int) -> CodeType:
    """The code of the function of this qualified name that begins at this line."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if (constant.co_qualname, constant.co_firstlineno) == (name, first):
                return constant
            if name.startswith(constant.co_qualname + "."):
                with suppress(LookupError):
                    return code_of(constant, name, first)
    raise LookupError(name)


def inner(code: CodeType) -> Iterator[CodeType]:
    """The codes of the functions that stand within this one."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from inner(constant)


def function_of(module: str, name: str, first: int) -> FunctionType:
    """The function of this qualified name that begins at this line, below any decorator."""
    owner: Any = importlib.import_module(module)
    *path, last = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    held = vars(owner)[last]
    accessors = (held.fget, held.fset) if isinstance(held, property) else (held,)
    for one in filter(None, accessors):
        function: Any = inspect.unwrap(getattr(one, "__func__", one))
        if function.__code__.co_firstlineno == first:
            return function
    raise LookupError(f"{module}.{name}")


def put(nodes: Sequence[ast.AST], target: ast.AST, new: ast.AST) -> None:
    """Put a node in another's place, wherever among these it stands."""
    for parent in nodes:
        for name, value in ast.iter_fields(parent):
            if value is target:
                setattr(parent, name, new)
            elif isinstance(value, list) and any(entry is target for entry in value):
                value[[entry is target for entry in value].index(True)] = new


def plant(mutant: Mutant) -> None:
    """Put the change in its place, for good: to be done in a process of its own."""
    tree = ast.parse(source_of(mutant.module))
    function = {(name, first_line(node)): node for name, node in functions_of(tree)}[
        mutant.function, mutant.first
    ]
    nodes = list(ast.walk(function))
    target = nodes[mutant.number]
    put(nodes, target, list(changes(target))[mutant.variant][1](target))
    made = function_of(mutant.module, mutant.function, mutant.first)
    before = made.__code__, made.__defaults__, made.__kwdefaults__
    code = compiled(tree, mutant)
    lost = [name for name in made.__code__.co_freevars if name not in code.co_freevars]
    if lost:  # what the changed code no longer uses must still be among its variables
        function.body[:0] = ast.parse("\n".join(f"if 0: {name}" for name in lost)).body
        code = compiled(tree, mutant)
    made.__code__ = code
    was = {(c.co_qualname, c.co_firstlineno): c for c in inner(before[0])}
    now = {(c.co_qualname, c.co_firstlineno): c for c in inner(code)}
    for held in vars(importlib.import_module(mutant.module)).values():
        for place, old in was.items():  # what it has made already, as a decorator does
            if isinstance(held, FunctionType) and held.__code__ is old and place in now:
                held.__code__ = now[place]
    made.__defaults__ = tuple(map(valued(made), function.args.defaults)) or None
    named = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    made.__kwdefaults__ = {a.arg: valued(made)(d) for a, d in named if d is not None} or None
    if before == (made.__code__, made.__defaults__, made.__kwdefaults__):
        raise LookupError(f"nothing was planted: {mutant}")


def compiled(tree: ast.Module, mutant: Mutant) -> CodeType:
    ast.fix_missing_locations(tree)
    return code_of(compile(tree, mutant.module, "exec"), mutant.function, mutant.first)


def valued(made: FunctionType) -> Callable[[ast.expr], Any]:
    """The value of a default, where the function was defined."""

    def value(node: ast.expr) -> Any:
        expression = ast.fix_missing_locations(ast.Expression(node))
        return eval(compile(expression, "default", "eval"), made.__globals__)

    return value
