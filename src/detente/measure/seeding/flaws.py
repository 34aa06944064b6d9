r"""Where a Python file can be made known-bad in one small place, each with a name for what is wrong then.

Decides by the syntax tree alone; the text is edited where the tree says that the piece stands, so layout and comments stay as they were. What comes out parses, and its
tree differs. Bounds are those of ``measure.changes.python_units``.

- ``evaluation-disabled``: a check that raises, or an ``assert``, is taken out of a function that tests, evaluates, validates or scores.
- ``test-data-in-training``: a training split loses its upper end, or loads the test split too.
- ``split-overlap``: a test or validation split loses its lower end, so that it holds what was trained on.
- ``hook-removed``: a call that registers a hook or callback goes.
- ``limit-raised``: a limit, budget, threshold or timeout is multiplied by ten.
- ``guard-call-removed``: a call of the guard (``step``, ``check``, ``propose`` of something called a guard) goes.

>>> text = "MAX_STEPS = 50\ndef evaluate(model):\n    if model.loss > 1:\n        raise ValueError\n    return model.loss\n"
>>> [flaw.name for flaw in find_flaws(text)]
['limit-raised', 'evaluation-disabled']
>>> print(find_flaws(text)[1].spoil(text))
MAX_STEPS = 50
def evaluate(model):
    return model.loss
<BLANKLINE>
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from detente.measure.changes.python_units import SOURCE_BYTES_MAX, Unreadable, bound_brackets
from detente.measure.changes.rules import words_of

FLAWS: Final = (
    "evaluation-disabled", "test-data-in-training", "split-overlap", "hook-removed", "limit-raised", "guard-call-removed",
)  # fmt: skip
EVALUATES: Final = frozenset(
    {
        "eval",
        "evaluate",
        "evaluation",
        "test",
        "check",
        "validate",
        "validation",
        "verify",
        "score",
        "assess",
        "tests",
        "evals",
        "checks",
    }
)
_TRAINS: Final = frozenset({"train", "training"})
_TESTS: Final = frozenset({"test", "val", "valid", "validation", "eval", "holdout"})
_HOOKS: Final = frozenset({"hook", "hooks", "callback", "callbacks"})
LIMITS: Final = frozenset({"max", "limit", "limits", "budget", "threshold", "timeout", "cap", "tolerance", "ceiling"})
_GUARDS: Final = frozenset({"guard", "detente"})
_GUARD_CALLS: Final = frozenset({"step", "check", "propose"})


@dataclass(frozen=True, slots=True)
class Flaw:
    """One place: from ``start`` to ``end`` (offsets in the text) stands ``instead`` afterwards; ``line`` is for people."""

    name: str
    line: int
    start: int
    end: int
    instead: str

    def spoil(self, text: str) -> str:
        """The text with the flaw."""
        return text[: self.start] + self.instead + text[self.end :]


def find_flaws(text: str) -> tuple[Flaw, ...]:
    """Every place of the file that can be spoilt, in the order of the text; none where it cannot be read."""
    return tuple(flaw for flaw in list_places(text) if is_spoilt(text, flaw))


def list_places(text: str) -> tuple[Flaw, ...]:
    """The same at the price of one reading: whether what comes out parses is for ``is_spoilt``, of the one that is taken."""
    tree = _parsed(text)
    if tree is None:
        return ()
    finder = _Finder(text)
    finder.visit_block(tree.body, evaluates=False)
    return tuple(sorted(finder.found, key=lambda flaw: (flaw.start, flaw.name)))


def is_spoilt(text: str, flaw: Flaw) -> bool:
    """Does the text parse with the flaw, into another tree?"""
    before, after = _parsed(text), _parsed(flaw.spoil(text))
    return before is not None and after is not None and ast.dump(after) != ast.dump(before)


def _parsed(text: str) -> ast.Module | None:
    if len(text.encode("utf-8", "replace")) > SOURCE_BYTES_MAX or "\r" in text or "\f" in text:
        return None
    try:
        bound_brackets(text)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (Unreadable, SyntaxError, ValueError, MemoryError, RecursionError):
        return None


class _Finder:
    def __init__(self, text: str) -> None:
        self.text = text
        self.found: list[Flaw] = []
        self._lines = [0]
        for line in text.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))
        self._bytes = [line.encode() for line in text.splitlines(keepends=True)]

    def visit_block(self, body: list[ast.stmt], *, evaluates: bool) -> None:
        """Every statement of a block; ``evaluates``: it belongs to a function that does."""
        for statement in body:
            self._statement(statement, body, evaluates=evaluates)
            inner = evaluates
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                inner = not EVALUATES.isdisjoint(words_of(statement.name))
            for part in ("body", "orelse", "finalbody"):
                block = getattr(statement, part, None)
                if isinstance(block, list):
                    self.visit_block(block, evaluates=inner)
            for handler in getattr(statement, "handlers", ()):
                self.visit_block(handler.body, evaluates=inner)

    def _statement(self, statement: ast.stmt, body: list[ast.stmt], *, evaluates: bool) -> None:
        if (isinstance(statement, ast.Assert) and evaluates) or (
            isinstance(statement, ast.If) and evaluates and not statement.orelse and _only_raises(statement.body)
        ):
            self._drop("evaluation-disabled", statement, body)
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            self._call(statement, statement.value, body)
        elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            self._assignment(statement.targets[0], statement.value)
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            self._assignment(statement.target, statement.value)
        for value in _values(statement):
            for call in (node for node in ast.walk(value) if isinstance(node, ast.Call)):
                self._arguments(call)

    def _call(self, statement: ast.Expr, call: ast.Call, body: list[ast.stmt]) -> None:
        name, owner = _callee(call)
        words = words_of(name)
        if not _HOOKS.isdisjoint(words):
            self._drop("hook-removed", statement, body)
        elif name in _GUARD_CALLS and (owner == "g" or not _GUARDS.isdisjoint(words_of(owner))):
            self._drop("guard-call-removed", statement, body)

    def _assignment(self, target: ast.expr, value: ast.expr) -> None:
        name = target.id if isinstance(target, ast.Name) else target.attr if isinstance(target, ast.Attribute) else ""
        words = words_of(name)
        if not LIMITS.isdisjoint(words):
            self._raise(value)
        if isinstance(value, ast.Subscript) and isinstance(value.slice, ast.Slice) and value.slice.step is None:
            cut = value.slice
            if not _TRAINS.isdisjoint(words) and cut.upper is not None and cut.lower is None:
                self._replace("test-data-in-training", cut.upper, "")
            elif not _TESTS.isdisjoint(words) and cut.lower is not None and cut.upper is None:
                self._replace("split-overlap", cut.lower, "")

    def _arguments(self, call: ast.Call) -> None:
        for keyword in call.keywords:
            words = words_of(keyword.arg or "")
            if not LIMITS.isdisjoint(words):
                self._raise(keyword.value)
            if keyword.arg == "split" and isinstance(keyword.value, ast.Constant) and keyword.value.value == "train":
                self._replace("test-data-in-training", keyword.value, '"train+test"')

    def _raise(self, value: ast.expr) -> None:
        number = value.value if isinstance(value, ast.Constant) else None
        if isinstance(number, int | float) and not isinstance(number, bool) and number:
            self._replace("limit-raised", value, repr(number * 10))

    def _replace(self, name: str, node: ast.expr, instead: str) -> None:
        start, end = self._span(node)
        self.found.append(Flaw(name, node.lineno, start, end, instead))

    def _drop(self, name: str, statement: ast.stmt, body: list[ast.stmt]) -> None:
        """Take a statement out with its lines, or put ``pass`` where it stood alone."""
        start, end = self._span(statement)
        first, last = self._lines[statement.lineno - 1], self._lines[statement.end_lineno or statement.lineno]
        alone = len(body) == 1
        whole = not self.text[first:start].strip() and not self.text[end:last].strip()
        if alone or not whole:
            self.found.append(Flaw(name, statement.lineno, start, end, "pass"))
        else:
            self.found.append(Flaw(name, statement.lineno, first, last, ""))

    def _span(self, node: ast.stmt | ast.expr) -> tuple[int, int]:
        return (
            self._offset(node.lineno, node.col_offset),
            self._offset(node.end_lineno or node.lineno, node.end_col_offset or 0),
        )

    def _offset(self, line: int, column: int) -> int:
        """Columns of a syntax tree are bytes of UTF-8."""
        return self._lines[line - 1] + len(self._bytes[line - 1][:column].decode("utf-8", "replace"))


def _values(statement: ast.stmt) -> Iterator[ast.expr]:
    """The expressions of a statement itself, not those of the statements within."""
    for _, value in ast.iter_fields(statement):
        for each in value if isinstance(value, list) else (value,):
            if isinstance(each, ast.expr):
                yield each
            elif isinstance(each, ast.withitem):
                yield each.context_expr


def _only_raises(body: list[ast.stmt]) -> bool:
    return all(isinstance(statement, ast.Raise) for statement in body)


def _callee(call: ast.Call) -> tuple[str, str]:
    """The name that is called, and what it is an attribute of."""
    if isinstance(call.func, ast.Name):
        return call.func.id, ""
    if isinstance(call.func, ast.Attribute):
        owner = call.func.value
        last = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
        return call.func.attr, last
    return "", ""
