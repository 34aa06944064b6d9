r"""Which refs and which paths of a repository are held: ``detente-hook.toml`` of its trunk.

Decides names and defaults. Leaves out which file changes (``touching``). ``spec/asking.md`` §5, rule J11.

- Without the file the defaults hold; with a file that does not read everything is held, since nobody can say what is not.
- Unknown members are refused: a misspelt word must not hold nothing.

>>> policy = parse_policy(b'[git]\nrefs = ["refs/heads/main"]\n')
>>> policy.holds_ref("refs/heads/main"), policy.holds_ref("refs/heads/idea"), "evaluation" in policy.hold
(True, False, True)
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

from detente.base.errors import Refused, shown
from detente.measure.changes.areas import AREAS

POLICY_FILE: Final = "detente-hook.toml"
REPLACED: Final = "refs/replace/"
"""Refs by which git shows another object in place of the one that a branch names: git-replace(1)."""
POLICY_MAX: Final = 65_536
PATTERNS_MAX: Final = 64
PATTERN_CHARACTERS_MAX: Final = 512
_MEMBERS: Final = frozenset({"hold", "refs", "waiting", "back", "evaluators", "also"})
_REF: Final = re.compile(r"refs/(?:heads|tags)/[^\s~^:\\\x00-\x1f\x7f]+\Z")


class Policy(NamedTuple):
    """``hold``: areas; ``refs`` without ``waiting``, ``back``: patterns of refs; ``evaluators`` and ``also``: patterns of paths.

    ``broken`` says why the file did not read: then every change is held.
    """

    hold: tuple[str, ...] = ("training", "architecture", "evaluation")
    refs: tuple[str, ...] = ("refs/heads/*",)
    waiting: tuple[str, ...] = ("refs/heads/proposed/*",)
    back: tuple[str, ...] = ()
    evaluators: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    broken: str = ""

    def holds_ref(self, ref: str) -> bool:
        """Is a move of this ref looked at? ``*`` stands for any characters, slashes too."""
        return _matches(ref, self.refs) and not _matches(ref, self.waiting)

    def goes_back(self, ref: str) -> bool:
        """May this ref go back, unasked, to where it was let through before?"""
        return not self.broken and _matches(ref, self.back)

    def holds_area(self, area: str) -> bool:
        """Is a change of this area held?"""
        return ("training" if area == "optimisation" else area) in self.hold

    def names(self, path: str) -> bool:
        """Is a path held whatever it is?"""
        return bool(self.broken) or path == POLICY_FILE or _matches(path, self.also)


def parse_policy(data: bytes) -> Policy:
    """Read the file; raises ``Refused`` J11."""
    if len(data) > POLICY_MAX:
        raise _wrong(f"{len(data)} bytes", f"at most {POLICY_MAX}")
    import tomllib  # heavy, and most repositories have no such file

    try:
        value = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise _wrong(str(error), "TOML 1.0") from None
    table = value.get("git", {})
    if set(value) - {"git"} or not isinstance(table, dict):
        raise _wrong(f"members {', '.join(sorted(value))}", "one table, [git]")
    if unknown := sorted(set(table) - _MEMBERS):
        raise _wrong(f"git.{unknown[0]}", "only " + ", ".join(sorted(_MEMBERS)))
    default = Policy()
    hold = _texts(table, "hold", default.hold)
    if wrong := [area for area in hold if area not in AREAS or area == "optimisation"]:
        raise _wrong(
            f"git.hold with {shown(wrong[0])}", "some of training, architecture, data, configuration, evaluation"
        )
    refs, waiting = _texts(table, "refs", default.refs), _texts(table, "waiting", default.waiting)
    back = _texts(table, "back", ())
    if odd := [ref for ref in (*refs, *waiting, *back) if not _REF.match(ref)]:
        raise _wrong(f"git.refs with {shown(odd[0])}", "full names such as refs/heads/main, with * if need be")
    return Policy(
        hold=hold,
        refs=refs,
        waiting=waiting,
        back=back,
        evaluators=_texts(table, "evaluators", ()),
        also=_texts(table, "also", ()),
    )


def policy_of(data: bytes | None) -> Policy:
    """The policy of a tree: its file's, the defaults where there is none, everything held where it does not read."""
    if data is None:
        return Policy()
    try:
        return parse_policy(data)
    except Refused as refused:
        return Policy(waiting=(), broken=str(refused))


def _texts(table: dict[str, Any], name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    value = table.get(name, list(default))
    if not isinstance(value, list) or len(value) > PATTERNS_MAX:
        raise _wrong(f"git.{name} = {shown(value)}", f"a list of at most {PATTERNS_MAX} texts")
    for each in value:
        if not isinstance(each, str) or not 0 < len(each) <= PATTERN_CHARACTERS_MAX or "\0" in each:
            raise _wrong(f"git.{name} with {shown(each)}", "a text")
    return tuple(value)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _wrong(got: str, expected: str) -> Refused:
    return Refused(
        "J11",
        "malformed",
        got=f"{POLICY_FILE}: {got}"[:300],
        expected=expected,
        todo="see docs/guides/hold-git-changes.md",
    )
