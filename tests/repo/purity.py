"""Read modules as syntax trees and say where they break the house rules that no linter has.

Imports are import-linter's business; this reads calls, sizes and names.
"""

import ast
from pathlib import Path

from tests.repo.tree import PURE_ROOMS, room_of, sources

MODULE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
"""Both from ``docs/decisions/0002-repository-tests-itself.md``; a docstring does not count towards its function."""

EFFECTS = frozenset({"open", "print", "input", "exec", "eval", "compile", "__import__", "breakpoint"})
CLOCKS = frozenset({"now", "utcnow", "today", "monotonic", "monotonic_ns", "perf_counter", "time_ns"})
EMPTY_NAMES = frozenset({"util", "utils", "helper", "helpers", "common", "manager", "managers", "misc"})


def complaints(root: Path) -> list[str]:
    """Every breach in the package, one line each: ``file:line what``."""
    found: list[str] = []
    for path in sources(root):
        text = path.read_text("utf-8")
        tree = ast.parse(text, str(path))
        room = room_of(path, root)
        place = path.relative_to(root).as_posix()
        breaches = _sizes(tree, text) + _names(path)
        if room in PURE_ROOMS:
            breaches += _effects(tree)
        if room != "cli":
            breaches += _exits(tree)
        found += [f"{place}:{line} {what}" for line, what in sorted(breaches)]
    return found


def _sizes(tree: ast.Module, text: str) -> list[tuple[int, str]]:
    found = []
    if (lines := text.count("\n")) > MODULE_LINES_MAX:
        found.append((1, f"{lines} lines in one module; at most {MODULE_LINES_MAX}"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            documented = ast.get_docstring(node, clean=False) is not None
            said = (first.end_lineno or first.lineno) - first.lineno + 1 if documented else 0
            lines = (node.end_lineno or node.lineno) - node.lineno + 1 - said
            if lines > FUNCTION_LINES_MAX:
                found.append((node.lineno, f"{lines} lines in {node.name}; at most {FUNCTION_LINES_MAX}"))
    return found


def _names(path: Path) -> list[tuple[int, str]]:
    words = {word for part in (path.parent.name, path.stem) for word in part.split("_")}
    return [(1, f"a module named {word!r} says nothing of its purpose") for word in sorted(words & EMPTY_NAMES)]


def _effects(tree: ast.Module) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            found.append((node.lineno, "assert in a pure room: python -O removes it, so raise"))
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in EFFECTS:
                found.append((node.lineno, f"{node.func.id}() in a pure room"))
            if isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS:
                found.append((node.lineno, f".{node.func.attr}() in a pure room: time is an argument"))
    return found


def _exits(tree: ast.Module) -> list[tuple[int, str]]:
    """Calls and mentions; a class may derive from SystemExit, as ``hooks.loop.Paused`` does: raising it is its user's."""
    found = []
    derived = {id(base) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for base in node.bases}
    program = [node for node in tree.body if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)]
    own = {id(node) for block in program for node in ast.walk(block)}  # a module run as a process ends that process
    for node in ast.walk(tree):
        if id(node) in own:
            continue
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in {"sys.exit", "exit", "quit"}:
                found.append((node.lineno, f"{called}() outside cli: only cli exits"))
        if isinstance(node, ast.Name) and node.id == "SystemExit" and id(node) not in derived:
            found.append((node.lineno, "SystemExit outside cli: only cli exits"))
    return found
