"""A change as HTML: folded by file, chunk by chunk, with colours for the syntax, and with every hidden character shown.

Decides how lines look. Leaves out what a line is (``measure.changes.unified``) and which bytes there are (``app.viewing.changes``).

- Chunks of ``CHUNK`` lines are laid out by the browser only when they come near: a table of 20,000 rows scrolls like one of 200.
- The files that matter first are open, up to ``OPEN_LINES``; the rest are folded, and say how much is in them.
- Only the first ``COLOURED_LINES`` lines are coloured, of a change that is longer than ``OPEN_LINES`` the first ``CHUNK``, and only in
  languages whose lexers are known to take time in proportion to the text, a sixth of a second for 1,000 lines: hostile text must not
  keep a node's processor, nor a reader of a long change waiting. A line that is longer than ``LONG_LINE`` has no colours.
- The rendered change is kept by its digest, which says all that it depends on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

from markupsafe import Markup
from pygments.lexer import Lexer
from pygments.lexers import BashLexer, CppLexer, JsonLexer, PythonLexer, TOMLLexer, YamlLexer
from pygments.token import Comment, Keyword, Name, Number, String

from detente.app.viewing.changes import Bytes
from detente.base.digest import Digest
from detente.base.visible import visible
from detente.measure.changes.unified import FileChange, Line
from detente.server.pages.rendering import marked, marked_lines

CHUNK: Final = 200
HEIGHTS: Final = (10, 25, 50, 100, CHUNK)
"""Rows for whose height the style sheet has a class."""
OPEN_LINES: Final = 1_000
COLOURED_LINES: Final = 1_000
LONG_LINE: Final = 500
KEPT_MAX: Final = 4
"""Rendered changes in memory, of at most some 20 MB each."""
_LEXERS: Final[dict[str, type[Lexer]]] = {
    "py": PythonLexer,
    "pyi": PythonLexer,
    "json": JsonLexer,
    "yaml": YamlLexer,
    "yml": YamlLexer,
    "toml": TOMLLexer,
    "sh": BashLexer,
    "c": CppLexer,
    "cc": CppLexer,
    "cpp": CppLexer,
    "cu": CppLexer,
    "h": CppLexer,
}
_CLASSES: Final = (
    (Comment, "c"),
    (String, "s"),
    (Number, "n"),
    (Keyword, "k"),
    (Name.Function, "f"),
    (Name.Class, "f"),
)
_WORDS: Final = {"context": "", "added": "+", "removed": "−"}
_KINDS: Final = {
    "changed": "changed",
    "added": "new file",
    "removed": "file removed",
    "renamed": "renamed",
    "copied": "copied",
    "mode": "only its mode changes",
    "binary": "binary: its contents are not shown",
}


def show_change(found: Bytes, digest: Digest) -> Markup:
    """The change as HTML, kept by its digest."""
    kept = _KEPT.get(digest)
    if kept is None:
        kept = _shown(found)
        if len(_KEPT) >= KEPT_MAX:
            del _KEPT[next(iter(_KEPT))]
        _KEPT[digest] = kept
    return kept


_KEPT: Final[dict[Digest, Markup]] = {}


def _shown(found: Bytes) -> Markup:
    if found.diff is None:
        return _plain(found.text)
    parts: list[Markup] = []
    opened = 0
    far = sum(len(hunk.lines) for each in found.diff.files for hunk in each.hunks) > OPEN_LINES
    colours = CHUNK if far else COLOURED_LINES
    for number, change in enumerate(found.diff.by_weight(), 1):
        lines = sum(len(hunk.lines) for hunk in change.hunks)
        is_open = number == 1 or opened + lines <= OPEN_LINES
        opened += lines if is_open else 0
        parts.append(_file(change, number, is_open=is_open, colours=max(0, colours), far=far))
        colours -= lines
    return Markup("\n").join(parts)


def _plain(text: str) -> Markup:
    """A text that is no diff, line by line."""
    lines = marked_lines(text.removesuffix("\n").split("\n"))
    rows = [f"<tr><td>{number}<td>{line}" for number, line in enumerate(lines, 1)]
    head = Markup('<thead class="hidden"><tr><th scope="col">Line</th><th scope="col">Text</th></tr></thead>')
    far = len(rows) > OPEN_LINES
    return Markup("").join(
        _table(head, rows[at : at + CHUNK], far=far, css="diff text") for at in range(0, len(rows), CHUNK)
    )


def _file(change: FileChange, number: int, *, is_open: bool, colours: int, far: bool) -> Markup:
    area = change.area or ("other" if change.rank < 6 else "not part of training")
    moved = Markup(" from <code>{}</code>").format(marked(change.before)) if change.before else ""
    summary = Markup(
        '<summary><code class="path wrap">{}</code>{} <span class="word plain">{}</span> <span class="sub">{}, '
        '<span class="plus">{} added</span>, <span class="minus">{} removed</span></span></summary>'
    ).format(marked(change.path), moved, area, _KINDS[change.kind], change.added, change.removed)
    header = ""
    if telling := [
        line
        for line in change.header
        if line.startswith(("old mode", "new mode", "new file", "deleted", "similarity", "Binary"))
    ]:
        header = Markup('<p class="sub filehead">{}</p>').format(visible("; ".join(telling)))
    body = Markup("").join(_chunks(change, colours, far=far))
    return Markup(
        '<details class="file" id="file-{}" data-lines="{}"{}>{}{}<div class="lines">{}</div></details>'
    ).format(number, change.added + change.removed, Markup(" open") if is_open else "", summary, header, body)


def _chunks(change: FileChange, colours: int, *, far: bool) -> Iterator[Markup]:
    """The lines in tables of at most ``CHUNK``, each hunk after its head."""
    head = Markup(
        '<thead class="hidden"><tr><th scope="col">Old line</th><th scope="col">New line</th><th scope="col">Sign</th>'
        '<th scope="col">Text</th></tr></thead>'
    )
    rows: list[str] = []  # Of what was escaped or is ours.
    for hunk in change.hunks:
        coloured = hunk.lines[: max(0, colours)]
        texts = _coloured(change.path, coloured) if coloured else []
        texts += marked_lines([line.text for line in hunk.lines[len(coloured) :]])
        colours -= len(hunk.lines)
        rows.append(f'<tr class="at"><td colspan="4">{marked(hunk.head)}')
        rows += map(_row, hunk.lines, texts)
        whole = len(rows) - len(rows) % CHUNK
        for at in range(0, whole, CHUNK):
            yield _table(head, rows[at : at + CHUNK], far=far)
        rows = rows[whole:]
    if rows:
        yield _table(head, rows, far=far)


def _table(head: Markup, rows: Sequence[str], *, far: bool, css: str = "diff") -> Markup:
    """A chunk of rows that are HTML; its class says about how high it is, for the time before it was laid out."""
    height = next(size for size in HEIGHTS if len(rows) <= size)
    place = f"chunk far h{height}" if far else "chunk"
    body = "".join(rows)
    return Markup(f'<div class="{place}"><table class="{css}">{head}<tbody>{body}</tbody></table></div>')  # noqa: S704 - see _row


def _row(line: Line, text: str) -> str:
    """One line as HTML; end tags that HTML does without are left out, since there may be 100,000.

    Two numbers, a word of ours, and what was escaped already: nothing here is from outside any more.
    """
    ends = "" if line.ends else ' <span class="mark">no newline at the end of the file</span>'
    return f'<tr class="{line.kind[0]}"><td>{line.old or ""}<td>{line.new or ""}<td>{_WORDS[line.kind]}<td>{text}{ends}'


def _coloured(path: str, lines: Sequence[Line]) -> list[str]:
    """The lines of a hunk, escaped and coloured as two texts: what was, and what will be."""
    lexer = _lexer(path.rpartition(".")[2].lower())
    if lexer is None or any(len(line.text) > LONG_LINE for line in lines):
        return marked_lines([line.text for line in lines])
    after = _by_line(lexer, [line.text for line in lines if line.kind != "removed"])
    before = _by_line(lexer, [line.text for line in lines if line.kind != "added"])
    found: list[str] = []
    olds, news = iter(before), iter(after)
    for line in lines:
        old = next(olds) if line.kind != "added" else None
        new = next(news) if line.kind != "removed" else None
        found.append(new if new is not None else old or "")
    return found


def _by_line(lexer: Lexer, texts: Sequence[str]) -> list[str]:
    """Each line with its colours, escaped; if the lexer gives back another text, without any."""
    names: list[str] = []
    parts: list[str] = []
    lines: list[int] = []  # How many parts stand before the end of each line.
    for _, token, value in lexer.get_tokens_unprocessed("\n".join(texts)):
        name = _class_of(token)
        first, *more = value.split("\n")
        parts.append(first)
        names.append(name)
        for part in more:
            lines.append(len(parts))
            parts.append(part)
            names.append(name)
    lines.append(len(parts))
    spans = [(start, end) for start, end in zip([0, *lines[:-1]], lines, strict=True)]
    if ["".join(parts[start:end]) for start, end in spans] != list(texts):
        return marked_lines(texts)
    shown = [
        f'<i class="{name}">{part}</i>' if name and part else part
        for name, part in zip(names, marked_lines(parts), strict=True)
    ]
    return ["".join(shown[start:end]) for start, end in spans]


@cache
def _class_of(token: Any) -> str:
    """The class of a token's colour: one of ours, or none. Lexers have some dozens of kinds."""
    return next((css for kind, css in _CLASSES if token in kind), "")


@cache
def _lexer(suffix: str) -> Lexer | None:
    kind = _LEXERS.get(suffix)
    return None if kind is None else kind()
