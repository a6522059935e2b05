"""One small change to a module's syntax tree at a time: what a slip of the hand would do.

Each mutant negates a condition, turns a comparison around, moves a border by one, swaps a
constant, lets a branch or a statement fall out. Docstrings, types, imports and raises'
messages are left alone: they decide nothing.
"""

import ast
import copy
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

OTHER_BORDER: Final = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}
OPPOSITE: Final = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
}


class Mutant(Struct, frozen=True):
    """A changed module, and how it was changed.

    `is_in_function`: the change is looked at when a function runs, not when it is defined.
    """

    module: str
    line: int
    change: str
    source: str
    is_in_function: bool

    def __str__(self):
        return f"{self.module}:{self.line} {self.change}"


def mutants(module: str, source: str) -> Iterator[Mutant]:
    """Every mutant of a module's functions, in the order of its lines."""
    tree = ast.parse(source)
    silent = {id(part) for each in ast.walk(tree) for part in types_in(each)}
    inside = {id(part) for each in ast.walk(tree) for part in body_of(each)}
    for number, node in enumerate(ast.walk(tree)):
        for variant in range(0 if id(node) in silent else variants_of(node)):
            changed = copy.deepcopy(tree)
            target = next(each for at, each in enumerate(ast.walk(changed)) if at == number)
            before = said(target)
            after = change(target, variant)
            if after is not None:
                ast.fix_missing_locations(changed)
                words, said_now = f"{before} -> {after}", ast.unparse(changed)
                yield Mutant(module, node.lineno, words, said_now, id(node) in inside)


def body_of(node) -> Iterator[ast.AST]:
    """Everything that runs when a function does."""
    if isinstance(node, ast.FunctionDef):
        for statement in node.body:
            yield from ast.walk(statement)


def types_in(node) -> Iterator[ast.AST]:
    """Everything of a node that only a type checker reads."""
    match node:
        case ast.FunctionDef(args=ast.arguments(args=args, kwonlyargs=keywords), returns=returns):
            notes = [returns, *(each.annotation for each in (*args, *keywords))]
        case ast.AnnAssign(annotation=annotation):
            notes = [annotation]
        case ast.Assign(value=ast.Subscript() as alias):
            notes = [alias]
        case _:
            return
    for note in filter(None, notes):
        yield from ast.walk(note)


def said(node) -> str:
    return ast.unparse(node).splitlines()[0][:70]


def variants_of(node) -> int:
    """How many ways there are to change this node."""
    match node:
        case ast.Compare():
            return 2 if type(node.ops[0]) in OTHER_BORDER else 1
        case ast.BoolOp() | ast.IfExp() | ast.If() | ast.For():
            return 2
        case ast.Return(value=ast.expr()):
            return 1
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            return 1
        case ast.UnaryOp(op=ast.Not()):
            return 1
        case ast.Tuple(elts=[_, *_], ctx=ast.Load()):
            return 1
        case ast.Subscript(slice=ast.Slice()):
            return 1
    return 0


def change(node, variant: int) -> str | None:
    """Change a node in place; return what it says now, None when nothing changed."""
    return CHANGES[type(node)](node, variant)


def change_compare(node, variant: int) -> str:
    table = OTHER_BORDER if variant else OPPOSITE
    node.ops[0] = table[type(node.ops[0])]()
    return said(node)


def change_bool(node, variant: int) -> str:
    if variant:
        del node.values[-1]
        return f"{said(node.values[0])} (the last is dropped)"
    node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    return said(node)


def change_test(node, variant: int) -> str:
    node.test = ast.Constant(bool(variant))
    return said(node)


def change_loop(node, variant: int) -> str:
    if variant:
        node.body = [*node.body, ast.Break()]
        return "only once"
    node.iter = ast.Tuple([], ast.Load())
    return said(node)


def change_sum(node, _variant: int) -> str:
    node.op = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
    return said(node)


def change_not(node, _variant: int) -> str:
    node.op, node.operand = ast.UAdd(), ast.Call(ast.Name("bool", ast.Load()), [node.operand], [])
    return said(node)


def change_slice(node, _variant: int) -> str:
    node.slice = ast.Slice()
    return said(node)


def change_return(node, _variant: int) -> str | None:
    """Give back nothing, the opposite, or another member."""
    match node.value:
        case ast.Constant(value=None | bool() as was):
            node.value = ast.Constant(not was)
        case ast.Attribute(value=ast.Name(), attr=name) if name.isupper():
            node.value = ast.Constant(None)
        case ast.Call() | ast.BinOp() | ast.Name() | ast.ListComp() | ast.List():
            node.value = ast.Constant(None)
        case _:
            return None
    return said(node)


def change_tuple(node, _variant: int) -> str:
    """Let the last part not count, where parts are compared or ordered."""
    dropped = node.elts.pop()
    return f"without {said(dropped)}"


CHANGES: Final = {
    ast.Compare: change_compare,
    ast.BoolOp: change_bool,
    ast.IfExp: change_test,
    ast.If: change_test,
    ast.For: change_loop,
    ast.Return: change_return,
    ast.BinOp: change_sum,
    ast.UnaryOp: change_not,
    ast.Tuple: change_tuple,
    ast.Subscript: change_slice,
}
