r"""A change of several text files as a unified diff that ``git apply`` takes.

Decides how the files before and after are written as one patch. Leaves out where they come from (``app.seeding``).

>>> print(make_patch([FileText("a.py", "x = 1\n", "x = 2\n")]), end="")
diff --git a/a.py b/a.py
--- a/a.py
+++ b/a.py
@@ -1 +1 @@
-x = 1
+x = 2
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+@-]{0,250}\Z", re.ASCII)
END = "\\ No newline at end of file\n"


@dataclass(frozen=True, slots=True)
class FileText:
    """One file; a side that is None is not there. ``mode`` of a file that is new or goes."""

    path: str
    before: str | None
    after: str | None
    mode: str = "100644"


def is_plain(path: str) -> bool:
    """Can the path stand in a patch without quotes, and name nothing outside?

    >>> is_plain("src/train.py"), is_plain("../train.py"), is_plain("my file.py")
    (True, False, False)
    """
    return _PLAIN.match(path) is not None and not {"", ".", ".."} & set(path.split("/"))


def make_patch(files: Iterable[FileText]) -> str:
    """The files that differ, in their order."""
    return "".join(_of_file(file) for file in files if file.before != file.after)


def _of_file(file: FileText) -> str:
    old = "/dev/null" if file.before is None else f"a/{file.path}"
    new = "/dev/null" if file.after is None else f"b/{file.path}"
    head = f"diff --git a/{file.path} b/{file.path}\n"
    if file.before is None:
        head += f"new file mode {file.mode}\n"
    if file.after is None:
        head += f"deleted file mode {file.mode}\n"
    lines = difflib.unified_diff(_lines(file.before), _lines(file.after), old, new)
    return head + "".join(line if line.endswith("\n") else f"{line}\n{END}" for line in lines)


def _lines(text: str | None) -> list[str]:
    """Lines end at a line feed and nowhere else, as git sees them."""
    if not text:
        return []
    parts = text.split("\n")
    return [f"{part}\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
