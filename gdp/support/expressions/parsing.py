"""From text to the tree: Python's parser reads it, an allow list decides what may be there."""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field

from gdp.core.errors import GdpError, printable
from gdp.support.expressions.tree import (
    Calculation,
    Combination,
    Comparison,
    Kind,
    Link,
    Literal,
    Negation,
    Node,
    Reference,
)

LONGEST = 2000
"""Characters that an expression may have."""
DEEPEST = 100
"""Levels that an expression may nest; a sum of n terms has n."""

_ARITHMETIC: Mapping[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_COMPARISONS: Mapping[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
}
_FUNCTIONS = {"abs": (1, 1), "min": (2, 20), "max": (2, 20)}
_TRUTHS = {"true": True, "false": False, "True": True, "False": False}
_WORDS: Mapping[Kind, str] = {"number": "a number", "word": "a word", "truth": "true or false", "any": "a score"}
_UNREADABLE = "it cannot be read from here on"


@dataclass(frozen=True)
class Expression:
    """What was read; `gdp.support.expressions.binding.bind` connects it with scores."""

    text: str
    root: Node
    references: tuple[Reference, ...]
    """The scores that it names, in the order of the text, each name once."""
    conditions: tuple[tuple[str, Node], ...]
    """The conditions that `and` joins at the top, with their text; the whole where there is no such `and`."""


def parse_condition(text: str) -> Expression:
    """Read a condition, which is true or false (or unknown) of a pair.

    Raises:
        GdpError: with every mistake, each with its column, counted from 1.
    """
    return _parse(text, "truth")


def parse_value(text: str) -> Expression:
    """Read what has a value for each pair: a score, or something calculated from scores.

    Raises:
        GdpError: with every mistake, each with its column, counted from 1.
    """
    return _parse(text, "any")


def _parse(text: str, wanted: Kind) -> Expression:
    body = _read(text)
    reader = _Reader(text, len(text) - len(text.lstrip()))
    root = reader.node(body, 0)
    reader.expect(root, wanted)
    if reader.mistakes:
        raise GdpError("; ".join(f"column {column}: {message}" for column, message in sorted(set(reader.mistakes))))
    references = tuple({reference.name: reference for reference in reader.references}.values())
    whole = text.strip()
    conditions: tuple[tuple[str, Node], ...] = ((whole, root),)
    if isinstance(root, Combination) and root.name == "and" and isinstance(body, ast.BoolOp):
        segments = [ast.get_source_segment(text.lstrip(), value) or whole for value in body.values]
        conditions = tuple(zip(segments, root.parts, strict=True))
    return Expression(whole, root, references, conditions)


def _read(text: str) -> ast.expr:
    if not text.strip():
        raise GdpError('it is empty; write a condition such as "source_age >= 18"')
    if len(text) > LONGEST:
        raise GdpError(f"it has {len(text)} characters; an expression has at most {LONGEST}")
    if not text.isprintable():
        raise GdpError("it holds a line break or another character that cannot be printed; write it on one line")
    begin = len(text) - len(text.lstrip())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what Python only warns of, such as 1in x, is a mistake here
            return ast.parse(text.lstrip(), mode="eval").body
    except SyntaxError as error:
        offset = error.offset or 0
        if not 0 < offset <= len(text.strip()):
            raise GdpError(f"column {len(text.rstrip())}: it ends too early") from None
        raise GdpError(f"column {begin + offset}: {_hint(text)}") from None
    except (ValueError, MemoryError, RecursionError):
        raise GdpError("it nests too deeply or holds a number of too many digits") from None


def _hint(text: str) -> str:
    outside = re.sub(r"\"[^\"]*\"|'[^']*'", "", text)
    if re.search(r"(?<![=!<>:])=(?!=)", outside):
        return f"{_UNREADABLE}; write == to compare"
    if re.search(r"&&|\|\||!(?!=)", outside):
        return f"{_UNREADABLE}; write and, or, not"
    return _UNREADABLE


@dataclass
class _Reader:
    """Turns allowed parts of the syntax tree into ours and notes every other; it looks nothing up and runs nothing."""

    text: str
    begin: int
    mistakes: list[tuple[int, str]] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)

    def node(self, tree: ast.expr, depth: int) -> Node:
        """Turn one part round, with all in it."""
        column = self.column(tree)
        if depth > DEEPEST:
            return self._mistake(column, f"it nests deeper than {DEEPEST} levels")
        match tree:
            case ast.Constant():
                node = self._literal(tree, column)
            case ast.Name() | ast.Attribute():
                node = self._reference(tree, column)
            case ast.BoolOp():
                parts = tuple(self._of_kind(value, "truth", depth) for value in tree.values)
                node = Combination("and" if isinstance(tree.op, ast.And) else "or", parts, column)
            case ast.UnaryOp():
                node = self._unary(tree, column, depth)
            case ast.BinOp(op=operation) if type(operation) in _ARITHMETIC:
                operands = (self._of_kind(tree.left, "number", depth), self._of_kind(tree.right, "number", depth))
                node = Calculation(_ARITHMETIC[type(operation)], operands, column)
            case ast.Compare():
                node = self._comparison(tree, column, depth)
            case ast.Call():
                node = self._call(tree, column, depth)
            case _:
                node = self._mistake(column, f"{_described(tree)} has no place in an expression")
        return node

    def expect(self, node: Node, kind: Kind) -> None:
        """Note a part that can never be of the kind that belongs there."""
        if kind not in ("any", node.kind) and node.kind != "any":
            advice = "; compare it with something" if kind == "truth" else ""
            self.mistakes.append((node.column, f"{_WORDS[node.kind]} stands where {_WORDS[kind]} is expected{advice}"))

    def column(self, tree: ast.expr) -> int:
        """Return where a part begins, in characters from 1; the parser counts bytes of UTF-8."""
        before = self.text.lstrip().encode()[: tree.col_offset]
        return self.begin + len(before.decode(errors="replace")) + 1

    def _mistake(self, column: int, message: str) -> Node:
        self.mistakes.append((column, message))
        return Reference("", column)  # of any kind, so that it causes no second mistake

    def _of_kind(self, tree: ast.expr, kind: Kind, depth: int) -> Node:
        node = self.node(tree, depth + 1)
        self.expect(node, kind)
        return node

    def _literal(self, tree: ast.Constant, column: int) -> Node:
        value = tree.value
        if isinstance(value, bool | str):
            return Literal(value, column)
        if isinstance(value, int | float):
            try:
                number = float(value)
            except OverflowError:
                number = math.inf
            return (
                Literal(number, column) if math.isfinite(number) else self._mistake(column, "this number is too large")
            )
        if value is None:
            return self._mistake(column, "there is no None: what is not known makes the outcome unknown by itself")
        return self._mistake(column, "only numbers, words in quotes, true and false can be written out")

    def _reference(self, tree: ast.Name | ast.Attribute, column: int) -> Node:
        if isinstance(tree, ast.Name):
            if tree.id in _TRUTHS:
                return Literal(_TRUTHS[tree.id], column)
            name = tree.id
        elif isinstance(tree.value, ast.Name):
            name = f"{tree.value.id}.{tree.attr}"
        else:
            return self._mistake(column, "a dot stands only between a filter's name and its score's")
        reference = Reference(name, column)
        self.references.append(reference)
        return reference

    def _unary(self, tree: ast.UnaryOp, column: int, depth: int) -> Node:
        if isinstance(tree.op, ast.Not):
            return Negation(self._of_kind(tree.operand, "truth", depth), column)
        if isinstance(tree.op, ast.Invert):
            return self._mistake(column, "~ has no place in an expression; write not")
        operand = self._of_kind(tree.operand, "number", depth)
        return operand if isinstance(tree.op, ast.UAdd) else Calculation("negative", (operand,), column)

    def _comparison(self, tree: ast.Compare, column: int, depth: int) -> Node:
        links: list[Link] = []
        left = self.node(tree.left, depth + 1)
        for operation, comparator in zip(tree.ops, tree.comparators, strict=True):
            sign = _COMPARISONS.get(type(operation))
            if sign is None:
                return self._mistake(column, "write == and != to compare, not is")
            if links and links[-1].operator in ("in", "not in"):
                return self._mistake(column, "no comparison goes on after a list; join two with and")
            listed = sign in ("in", "not in")
            right = self._choices(comparator, depth) if listed else [self.node(comparator, depth + 1)]
            for node in right:
                self._comparable(sign, left, node)
            links.append(Link(sign, left, tuple(right)))
            left = right[0]
        return Comparison(tuple(links), column)

    def _choices(self, tree: ast.expr, depth: int) -> list[Node]:
        if isinstance(tree, ast.Tuple | ast.List) and tree.elts:
            return [self.node(element, depth + 1) for element in tree.elts]
        return [self._mistake(self.column(tree), 'after in comes a list in brackets, such as ("a", "b") or [1]')]

    def _comparable(self, sign: str, left: Node, right: Node) -> None:
        kinds = {left.kind, right.kind} - {"any"}
        if len(kinds) > 1:
            this, that = _WORDS[left.kind], _WORDS[right.kind]
            self.mistakes.append((left.column, f"{this} is compared with {that}"))
        elif kinds == {"truth"} and sign in ("<", "<=", ">", ">="):
            self.mistakes.append((left.column, f"true and false have no order; {sign} cannot compare them"))

    def _call(self, tree: ast.Call, column: int, depth: int) -> Node:
        if not isinstance(tree.func, ast.Name) or tree.func.id not in _FUNCTIONS:
            return self._mistake(column, f"there are the functions {', '.join(_FUNCTIONS)} and no others")
        name = tree.func.id
        least, most = _FUNCTIONS[name]
        if tree.keywords or not least <= len(tree.args) <= most or any(isinstance(a, ast.Starred) for a in tree.args):
            wanted = "one number" if most == 1 else f"{least} to {most} numbers"
            return self._mistake(column, f"{name}() takes {wanted}")
        return Calculation(name, tuple(self._of_kind(each, "number", depth) for each in tree.args), column)


def _described(tree: ast.expr) -> str:
    """Name a part of Python's that is not allowed."""
    if isinstance(tree, ast.BinOp):
        return "an operator other than + - * /"
    if isinstance(tree, ast.Tuple | ast.List | ast.Set | ast.Dict):
        return "a list that does not follow in"
    return printable(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(tree).__name__).lower())
