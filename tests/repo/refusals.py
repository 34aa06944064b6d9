"""Read the numbers of refusals out of the specification, the code, the tests and the vectors.

A number is a letter and two digits. The specification lists it in a table row ``| S07 | duplicate-key | when |``; code
raises it with both as literals, ``Refused("S07", "duplicate-key", ...)``, so that a reader who searches for the number
lands on the line. ``F`` numbers are notes of the fold: cited, never raised, so that a literal alone suffices.
"""

import ast
import re
from collections import defaultdict
from pathlib import Path

from tests.repo.tree import sources

NUMBER = re.compile(r"[A-Z]\d\d")
ROW = re.compile(r"^\|\s*`?([A-Z]\d\d)`?\s*\|\s*`?([a-z-]+)`?\s*\|(.*)\|\s*$", re.MULTILINE)


def specified(root: Path) -> list[tuple[str, str, str]]:
    """Every row of every table in ``spec/``: number, kind, ``file``."""
    return [
        (row[1], row[2], page.relative_to(root).as_posix())
        for page in sorted((root / "spec").rglob("*.md"))
        for row in ROW.finditer(page.read_text("utf-8"))
    ]


def raised(root: Path) -> dict[str, set[tuple[str, str]]]:
    """For each number, the pairs of kind and ``file:line`` at which a call carries it."""
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for path in sources(root):
        for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
            if isinstance(node, ast.Call):
                rule, kind = _rule_and_kind(node)
                if rule and kind and NUMBER.fullmatch(rule):
                    found[rule].add((kind, f"{path.relative_to(root).as_posix()}:{node.lineno}"))
    return dict(found)


def cited(root: Path) -> set[str]:
    """Every number that stands in the package as a string of its own."""
    return {
        node.value
        for path in sources(root)
        for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path)))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and NUMBER.fullmatch(node.value)
    }


def exercised(root: Path) -> set[str]:
    """Every number that a test names, or a vector by its folder or its expectation."""
    texts = [
        path.read_text("utf-8")
        for path in sorted((root / "tests").rglob("*.py"))
        if "repo" not in path.relative_to(root / "tests").parts
    ]
    vectors = sorted((root / "vectors").rglob("*"))
    texts += [path.name for path in vectors if path.is_dir()]
    texts += [path.read_text("utf-8") for path in vectors if path.name == "expect.json"]
    return {number for text in texts for number in re.findall(r"(?<![A-Za-z0-9])[A-Z]\d\d(?![A-Za-z0-9])", text)}


def complaints(root: Path, kinds: set[str]) -> list[str]:
    """Every way in which specification, code, tests and vectors disagree, one line each."""
    rows, calls, mentions, tried = specified(root), raised(root), cited(root), exercised(root)
    found: list[str] = []
    kind_of: dict[str, str] = {}
    for number, kind, page in rows:
        if number in kind_of:
            found.append(f"{number} stands twice in spec/, again in {page}")
        if kind not in kinds:
            found.append(f"{number} in {page} has the kind {kind!r}, which RefusalKind lacks")
        kind_of[number] = kind
        if number not in calls and not (number.startswith("F") and number in mentions):
            found.append(f"{number} {kind} stands in {page} and no code raises it")
    for number, places in sorted(calls.items()):
        for kind, place in sorted(places):
            if number not in kind_of:
                found.append(f"{number} {kind} is raised at {place} and stands in no table of spec/")
            elif kind != kind_of[number]:
                found.append(f"{number} is {kind_of[number]} in spec/ and {kind} at {place}")
    found += [f"{n} is named by no test and no vector" for n in sorted(kind_of.keys() | calls) if n not in tried]
    return found


def _rule_and_kind(call: ast.Call) -> tuple[str | None, str | None]:
    values = [_literal(argument) for argument in call.args[:2]]
    values += [None] * (2 - len(values))
    named = {keyword.arg: _literal(keyword.value) for keyword in call.keywords}
    return values[0] or named.get("rule"), values[1] or named.get("kind")


def _literal(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
