"""What a path says: an area, or a reason for which the file is left out, or nothing.

Order: what the caller named as evaluator; folders, files and endings that are left out; names with a fixed meaning;
evaluation; settings of training; then the table ``PATHS``, file stem before folders, the nearest folder first. A path
says little: it is the first layer only, and ``filing`` looks inside.

>>> path_verdict("train.py").area, path_verdict("configs/sft/olmo.yaml").area, path_verdict("README.md").left_out
('training', 'configuration', 'documentation')
>>> path_verdict("prepare.py", evaluators=("prepare.py",)).area
'evaluation'
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final, NamedTuple

from detente.base.errors import Refused, shown
from detente.measure.changes.areas import Area, Label
from detente.measure.changes.rules import (
    CODE,
    CONFIGURED_PATHS,
    EVALUATION_PATHS,
    FILES,
    LEFT_OUT_FILES,
    LEFT_OUT_FOLDERS,
    LEFT_OUT_SUFFIXES,
    PATHS,
    SETTINGS,
    SUFFIXES,
    Rule,
    words_of,
)

PATTERN_CHARACTERS_MAX: Final = 512
PATTERNS_MAX: Final = 64
"""A person names evaluators; nobody names more."""


class PathVerdict(NamedTuple):
    """``area`` and ``label`` if the path says one; ``left_out`` if it says that nothing is trained by this file."""

    area: Area | None = None
    label: Label | None = None
    left_out: str | None = None
    declared: bool = False


def check_evaluators(patterns: Sequence[str]) -> tuple[str, ...]:
    """Patterns of paths that the caller names as the evaluator; raises ``Refused`` D01 for one that cannot match."""
    if len(patterns) > PATTERNS_MAX:
        raise Refused("D01", "malformed", got=f"{len(patterns)} patterns", expected=f"at most {PATTERNS_MAX}")
    for pattern in patterns:
        if not 0 < len(pattern) <= PATTERN_CHARACTERS_MAX or pattern.startswith("/") or "\0" in pattern:
            raise Refused(
                "D01",
                "malformed",
                got=shown(pattern),
                expected="a path in the repository, with * and ? if need be",
                todo="write it as git shows it: `prepare.py`, `eval/*`",
            )
    return tuple(patterns)


@lru_cache(maxsize=16_384)
def path_verdict(path: str, evaluators: tuple[str, ...] = ()) -> PathVerdict:
    """The first layer's answer for one path, as git spells it."""
    if any(fnmatchcase(path, pattern) for pattern in evaluators):
        return PathVerdict("evaluation", "validation infrastructure", declared=True)
    *folders, name = path.split("/")
    stem, _, suffix = name.lower().rpartition(".")
    if not stem:
        stem, suffix = suffix, ""
    if left_out := _left_out(folders, name.lower(), stem, suffix):
        return PathVerdict(left_out=left_out, label="output data" if left_out == "output data" else None)
    if known := FILES.get(name.lower()):
        return PathVerdict(*known)
    original_stem = name.rpartition(".")[0] or name
    places = [words_of(original_stem), *(words_of(folder) for folder in reversed(folders))]
    if suffix in SETTINGS:
        settings = _settings(places)
        return PathVerdict(settings.area, settings.label) if settings else PathVerdict()
    if any(map(EVALUATION_PATHS.matches, places)):
        return PathVerdict("evaluation", EVALUATION_PATHS.label)
    if known := SUFFIXES.get(suffix):
        return PathVerdict(*known)
    for words in places:
        for rule in PATHS:
            if rule.matches(words) and (suffix in CODE or rule.area == "data"):
                return PathVerdict(rule.area, rule.label)
    return PathVerdict()


def _left_out(folders: list[str], name: str, stem: str, suffix: str) -> str | None:
    for folder in folders:
        if reason := LEFT_OUT_FOLDERS.get(folder.lower()):
            return reason
    if reason := LEFT_OUT_FILES.get(name) or LEFT_OUT_FILES.get(stem):
        return reason
    if name.startswith("requirements") and suffix == "txt":
        return "dependencies"
    if suffix == "py" and (stem.startswith("test_") or stem.endswith("_test")):
        return "tests of the software"
    return LEFT_OUT_SUFFIXES.get(suffix)


def _settings(places: list[tuple[str, ...]]) -> Rule | None:
    if any(map(EVALUATION_PATHS.matches, places)):
        return EVALUATION_PATHS
    return CONFIGURED_PATHS if any(map(CONFIGURED_PATHS.matches, places)) else None
