r"""What a Python file consists of, by name, and which of its units two texts differ in. Nothing is executed.

A *unit* is a top-level constant, a function or method, a class without its methods, an attribute of a class, the imports, or the
remaining statements of the module. A function inside a function belongs to the outer one. Two units are the same if their
syntax trees are, so layout, comments and docstrings never count; decorators and signatures do, as part of their function.

A hostile text can make a parser slow or exhaust its stack. So: at most ``SOURCE_BYTES_MAX`` bytes, ``BRACKETS_MAX``
brackets open at once, ``INDENT_MAX`` columns of indentation, ``CHAIN_MAX`` prefix operators in a row; what the parser
then still refuses is ``Unreadable`` with a reason, never an exception of its own.

>>> before, after = python_units(b"DEPTH = 8\ndef f(x):\n    return x\n"), python_units(b"DEPTH = 10\ndef f(x):\n    return x\n")
>>> [(change.name, change.kind, change.how, change.values) for change in changed_units(before, after)]
[('DEPTH', 'constant', 'changed', '8→10')]
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from detente.measure.changes.rules import FRAMEWORKS

SOURCE_BYTES_MAX: Final = 512 * 1024
"""A syntax tree takes a hundred times its text, so about 50 MiB; a hand-written training file stays below half of this."""
BRACKETS_MAX: Final = 60
"""CPython's tokenizer stops at 200; below that its parser can still backtrack for long over open brackets."""
INDENT_MAX: Final = 200
"""CPython allows 100 levels; 50 levels of four columns are past anything a person indents."""
CHAIN_MAX: Final = 50
UNITS_MAX: Final = 20_000
"""Units of one file: half the smallest statements that fit into ``SOURCE_BYTES_MAX``."""

Kind = Literal["constant", "attribute", "function", "method", "class", "imports", "statements"]
How = Literal["added", "removed", "changed"]

_TOO_DEEP: Final = (
    r"(?:(?:[-+~]|\bnot\b|\bawait\b|\blambda\b\s*:)\s*){"
    + str(CHAIN_MAX)
    + r"}|^[ \t]{"
    + str(INDENT_MAX)
    + r"}[ \t]*[^\s#]"
)
_LEXED = re.compile(
    r"#[^\n]*|\"\"\".*?\"\"\"|'''.*?'''|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|[\[({]|[\])}]|(?P<deep>"
    + _TOO_DEEP
    + ")",
    re.DOTALL | re.MULTILINE,
)


class Unreadable(Exception):  # a reason, raised and caught inside this room
    """A text that cannot be taken apart; its only argument says why in a few constant words."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One named piece: its source text, each part indented as it stands, and ``number`` if it is a constant that is one."""

    kind: Kind
    text: tuple[bytes, ...]
    number: str | None = None


@dataclass(frozen=True, slots=True)
class PythonFile:
    """Its units by name, and whether it imports a machine-learning framework."""

    units: Mapping[str, Unit]
    machine_learning: bool


@dataclass(frozen=True, slots=True)
class UnitChange:
    """One unit that two texts differ in; ``values`` only where both are numbers: no text of a file is quoted."""

    name: str
    kind: str
    how: How
    values: str | None = None


NOTHING: Final = PythonFile({}, machine_learning=False)


def python_units(text: bytes) -> PythonFile:
    """Take a source text apart; raises ``Unreadable``."""
    if len(text) > SOURCE_BYTES_MAX:
        raise Unreadable("larger than the bound for a syntax tree")
    source = _decoded(text)
    bound_brackets(source)
    return _Taker(source).take(_parsed(source))


def changed_units(before: PythonFile, after: PythonFile) -> tuple[UnitChange, ...]:
    """Units added, removed or changed, in the order of the later text, removed ones last."""
    changes = []
    for name, unit in after.units.items():
        old = before.units.get(name)
        if old is None:
            changes.append(UnitChange(name, unit.kind, "added"))
        elif old.text != unit.text and not _is_same(old, unit):
            both = f"{old.number}→{unit.number}" if old.number and unit.number else None
            changes.append(UnitChange(name, unit.kind, "changed", both))
    changes += [
        UnitChange(name, unit.kind, "removed") for name, unit in before.units.items() if name not in after.units
    ]
    return tuple(changes)


def _parsed(source: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a text's own invalid escapes are no business of ours
            return ast.parse(source)
    except (RecursionError, MemoryError):  # the parser's own stack raises the second
        raise Unreadable("nested too deeply") from None
    except (SyntaxError, ValueError):
        raise Unreadable("not the syntax of this Python") from None


def _is_same(old: Unit, new: Unit) -> bool:
    """Have two units the same syntax? Only parts whose text differs are parsed again: a thousandth of all."""
    before, after = (sorted(unit.text) if unit.kind == "imports" else list(unit.text) for unit in (old, new))
    while before and after and before[-1] == after[-1]:
        del before[-1], after[-1]
    start = next(
        (at for at, (x, y) in enumerate(zip(before, after, strict=False)) if x != y), min(len(before), len(after))
    )
    before, after = before[start:], after[start:]
    return len(before) == len(after) and all(
        _is_same_tree(_parsed(_standing_alone(x)), _parsed(_standing_alone(y)))
        for x, y in zip(before, after, strict=True)
    )


def _standing_alone(part: bytes) -> str:
    """A part as a text of its own: what stands indented goes below something."""
    return (b"if 1:\n" + part if part[:1] in b" \t" else part).decode("utf-8")


def _is_same_tree(one: ast.AST, other: ast.AST) -> bool:
    """Two syntax trees, positions and docstrings aside. Walks with a stack of its own: no depth exhausts Python's."""
    waiting: list[tuple[Any, Any]] = [(one, other)]
    while waiting:
        a, b = waiting.pop()
        if type(a) is not type(b):
            return False
        if isinstance(a, ast.AST):
            documented = isinstance(a, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            for name in a._fields:
                x: Any = getattr(a, name, None)
                y: Any = getattr(b, name, None)
                if documented and name == "body":
                    x, y = _without_docstring(x), _without_docstring(y)
                waiting.append((x, y))
        elif isinstance(a, list):
            if len(a) != len(b):
                return False
            waiting += zip(a, b, strict=True)
        elif a != b:
            return False
    return True


def _decoded(text: bytes) -> str:
    if b"\0" in text:
        raise Unreadable("holds a NUL byte")
    try:
        return text.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        raise Unreadable("not UTF-8") from None


def bound_brackets(source: str) -> None:
    """Raise ``Unreadable`` if more than ``BRACKETS_MAX`` brackets stand open at once, outside strings and comments.

    Likewise for a row of prefix operators or an indentation past its bound.
    """
    depth = 0
    for match in _LEXED.finditer(source):
        sign = match[0]
        if match["deep"]:
            raise Unreadable("nested too deeply")
        if sign in {"(", "[", "{"}:
            depth += 1
            if depth > BRACKETS_MAX:
                raise Unreadable("nested too deeply")
        elif sign in {")", "]", "}"}:
            depth = max(0, depth - 1)


class _Taker:
    """Cuts a module into units. Keeps source text and no tree, so that a version in memory is as large as its file."""

    def __init__(self, source: str) -> None:
        self._lines = source.encode("utf-8").split(b"\n")
        self._parts: dict[str, list[bytes]] = {}
        self._said: dict[str, tuple[Kind, str | None]] = {}

    def take(self, tree: ast.Module) -> PythonFile:
        machine_learning = False
        for node in _statements(tree.body):
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._put("<imports>", "imports", self._text(node))
                machine_learning = machine_learning or _imports_framework(node)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self._put(node.name, "function", self._text(node))
            elif isinstance(node, ast.ClassDef):
                self._class(node, node.name)
            elif not self._assigned(node, "", "constant"):
                self._put("<module>", "statements", self._text(node))
        units = {name: Unit(kind, tuple(self._parts[name]), number) for name, (kind, number) in self._said.items()}
        return PythonFile(units, machine_learning)

    def _class(self, node: ast.ClassDef, name: str) -> None:
        head = [self._text(part) for part in (*node.decorator_list, *node.bases, *(key.value for key in node.keywords))]
        for text in head or [b"pass"]:
            self._put(name, "class", text)
        for part in _without_docstring(node.body):
            if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
                self._put(f"{name}.{part.name}", "method", self._text(part))
            elif isinstance(part, ast.ClassDef):
                self._class(part, f"{name}.{part.name}")
            elif not self._assigned(part, f"{name}.", "attribute"):
                self._put(name, "class", self._text(part))

    def _assigned(self, node: ast.stmt, prefix: str, kind: Kind) -> bool:
        """Is this an assignment to plain names? Then each is a unit."""
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        if not names or len(names) < len(targets) or not isinstance(node, ast.Assign | ast.AnnAssign):
            return False
        for name in names:
            self._put(prefix + name, kind, self._text(node), _number(node.value))
        return True

    def _text(self, node: ast.stmt | ast.expr) -> bytes:
        first: int = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
        last, end = node.end_lineno or node.lineno, node.end_col_offset or 0
        indent = b" " * node.col_offset if isinstance(node, ast.stmt) else b""
        if first < node.lineno:  # decorators stand above, on lines of their own
            indent, start = b"", 0
        else:
            start = node.col_offset
        if first == last:
            return indent + self._lines[first - 1][start:end]
        lines = [
            indent + self._lines[first - 1][start:],
            *self._lines[first : last - 1],
            self._lines[last - 1][:end],
        ]
        return b"\n".join(lines) if isinstance(node, ast.stmt) else b"(" + b"\n".join(lines) + b")"

    def _put(self, name: str, kind: Kind, text: bytes, number: str | None = None) -> None:
        """A name given more than once (overloads, branches) is one unit of several parts."""
        if name in self._parts:
            self._parts[name].append(text)
            self._said[name] = (self._said[name][0], None)
        elif len(self._parts) >= UNITS_MAX:
            raise Unreadable("more units than the bound")
        else:
            self._parts[name], self._said[name] = [text], (kind, number)


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, those below ``if`` and ``try`` one by one: imports and functions stand there as well."""
    waiting = [iter(_without_docstring(body))]
    while waiting:
        node = next(waiting[-1], None)
        if node is None:
            waiting.pop()
        elif isinstance(node, ast.If) and not _is_main(node):
            yield ast.copy_location(ast.Expr(node.test), node.test)
            waiting.append(iter([*node.body, *node.orelse]))
        elif isinstance(node, ast.Try):
            parts = (node.body, *(handler.body for handler in node.handlers), node.orelse, node.finalbody)
            waiting.append(iter([statement for part in parts for statement in part]))
        else:
            yield node


def _is_main(node: ast.If) -> bool:
    return (
        isinstance(node.test, ast.Compare) and isinstance(node.test.left, ast.Name) and node.test.left.id == "__name__"
    )


def _number(node: ast.expr | None) -> str | None:
    sign = ""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        sign, node = "-", node.operand
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        text = repr(node.value) if isinstance(node.value, float) or abs(node.value) < 10**24 else ""
        return f"{sign}{text}" if text else None
    return None


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return body[1:]
    return body


def _imports_framework(node: ast.Import | ast.ImportFrom) -> bool:
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
    return any(name.split(".")[0] in FRAMEWORKS for name in names)
