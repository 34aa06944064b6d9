r"""What a loop proposes, as text that a reviewer can read: the unified diff of the child's files against its parent's.

Decides the bytes of a change. Leaves out what is asked for them (``generations``). ``spec/loops.md`` §2.

>>> print(spell_change({"a.py": "x = 1\ny = 2\n"}, {"a.py": "x = 1\ny = 3"}).decode(), end="")
--- a/a.py
+++ b/a.py
@@ -1,2 +1,2 @@
 x = 1
-y = 2
+y = 3
\ No newline at end of file
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from typing import Final

from detente.base.digest import Digest, sha256_hex
from detente.base.strict_json import encode_json

Sources = Mapping[str, str]
"""File name → its text. A file that is not there has no entry."""
CONTEXT_LINES: Final = 3
_NO_NEWLINE: Final = "\\ No newline at end of file\n"
_NOWHERE: Final = "/dev/null"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is proposed: digests of all that the parent and the child consist of, the ``diff``, what it is ``of``, and the child's new texts."""

    old: Digest
    new: Digest
    diff: bytes
    of: str
    texts: tuple[str, ...]


def change_of(parent: Sources, child: Sources) -> Change:
    """The change from one set of files to another."""
    return Change(
        old=digest_sources(parent),
        new=digest_sources(child),
        diff=spell_change(parent, child),
        of=", ".join(sorted(child)),
        texts=tuple(child.values()),
    )


def change_of_patch(earlier: Sequence[str], patch: str) -> Change:
    """The change that a patch makes to what stands on the ``earlier`` ones, the first one first: the diff is the patch itself."""
    old, new = (
        digest_sources({str(number): text for number, text in enumerate(patches)})
        for patches in (earlier, [*earlier, patch])
    )
    return Change(old=old, new=new, diff=patch.encode("utf-8", "surrogatepass"), of="a patch", texts=(patch,))


def spell_change(parent: Sources, child: Sources) -> bytes:
    """The diff, files in the order of their names; empty where nothing differs."""
    names = sorted({*parent, *child})
    return "".join(line for name in names for line in _of_file(name, parent.get(name), child.get(name))).encode(
        "utf-8", "surrogatepass"
    )


def digest_sources(sources: Sources) -> Digest:
    """What stands for a parent or a child: a digest of all its files, names included."""
    return sha256_hex(encode_json({name: digest_text(text) for name, text in sources.items()}))


def digest_text(text: str) -> Digest:
    """The digest of one file's text as UTF-8; what a program made of it can be no text that is refused here."""
    return sha256_hex(text.encode("utf-8", "surrogatepass"))


def _of_file(name: str, old: str | None, new: str | None) -> Iterator[str]:
    if old == new:
        return
    before, after = (f"a/{name}", f"b/{name}")
    lines = unified_diff(
        _lines(old or ""),
        _lines(new or ""),
        _NOWHERE if old is None else before,
        _NOWHERE if new is None else after,
        n=CONTEXT_LINES,
    )
    for line in lines:
        yield line if line.endswith("\n") else f"{line}\n{_NO_NEWLINE}"


def _lines(text: str) -> list[str]:
    r"""Lines with their ends; only ``\n`` ends one, so that a carriage return is shown for what it is."""
    parts = text.split("\n")
    lines = [f"{each}\n" for each in parts[:-1]]
    return [*lines, parts[-1]] if parts[-1] else lines
