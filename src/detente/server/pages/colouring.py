"""A change as HTML: folded by file, chunk by chunk, with colours for the syntax, and with every hidden character shown.

Decides how lines look. Leaves out what a line is (``measure.changes.unified``) and which bytes there are (``app.viewing.changes``).

- Chunks of ``CHUNK`` lines are laid out by the browser only when they come near: a table of 20,000 rows scrolls like one of 200.
- The files that matter first are open, up to ``OPEN_LINES``; the rest are folded, and say how much is in them.
- Only the first ``COLOURED_LINES`` lines are coloured, and only in languages whose lexers are known to take time in proportion to the
  text: hostile text must not keep a node's processor. A line that is longer than ``LONG_LINE`` has no colours.
- The rendered change is kept by its digest, which says all that it depends on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

from markupsafe import Markup
from pygments.lexer import Lexer
from pygments.lexers import BashLexer, CppLexer, JsonLexer, PythonLexer, TOMLLexer, YamlLexer
from pygments.token import Comment, Keyword, Name, Number, String

from detente.app.viewing.changes import Bytes
from detente.base.digest import Digest
from detente.base.visible import visible
from detente.measure.changes.unified import FileChange, Line
from detente.server.pages.rendering import marked

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
    colours = COLOURED_LINES
    opened = 0
    far = sum(len(hunk.lines) for each in found.diff.files for hunk in each.hunks) > OPEN_LINES
    for number, change in enumerate(found.diff.by_weight(), 1):
        lines = sum(len(hunk.lines) for hunk in change.hunks)
        is_open = number == 1 or opened + lines <= OPEN_LINES
        opened += lines if is_open else 0
        parts.append(_file(change, number, is_open=is_open, colours=max(0, colours), far=far))
        colours -= lines
    return Markup("\n").join(parts)


def _plain(text: str) -> Markup:
    """A text that is no diff, line by line."""
    rows = [
        Markup("<tr><td>{}<td>{}").format(number, marked(line, "\t"))
        for number, line in enumerate(text.removesuffix("\n").split("\n"), 1)
    ]
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
    rows: list[Markup] = []
    for hunk in change.hunks:
        coloured = hunk.lines[: max(0, colours)]
        texts = _coloured(change.path, coloured) if coloured else []
        texts += [marked(line.text, "\t") for line in hunk.lines[len(coloured) :]]
        colours -= len(hunk.lines)
        rows.append(Markup('<tr class="at"><td colspan="4">{}').format(marked(hunk.head)))
        rows += [_row(line, text) for line, text in zip(hunk.lines, texts, strict=True)]
        while len(rows) >= CHUNK:
            yield _table(head, rows[:CHUNK], far=far)
            rows = rows[CHUNK:]
    if rows:
        yield _table(head, rows, far=far)


def _table(head: Markup, rows: Sequence[Markup], *, far: bool, css: str = "diff") -> Markup:
    """A chunk; its class says about how high it is, for the time before it was laid out."""
    height = next(size for size in HEIGHTS if len(rows) <= size)
    return Markup('<div class="{}"><table class="{}">{}<tbody>{}</tbody></table></div>').format(
        f"chunk far h{height}" if far else "chunk", css, head, Markup("").join(rows)
    )


def _row(line: Line, text: Markup) -> Markup:
    """One line; end tags that HTML does without are left out, since there may be 100,000."""
    ends = Markup("") if line.ends else Markup(' <span class="mark">no newline at the end of the file</span>')
    # Two numbers, a word of ours, and what was escaped already: nothing here is from outside any more.
    return Markup(  # noqa: S704
        f'<tr class="{line.kind[0]}"><td>{line.old or ""}<td>{line.new or ""}<td>{_WORDS[line.kind]}<td>{text}{ends}'
    )


def _coloured(path: str, lines: Sequence[Line]) -> list[Markup]:
    """The lines of a hunk, coloured as two texts: what was, and what will be."""
    lexer = _lexer(path.rpartition(".")[2].lower())
    if lexer is None or any(len(line.text) > LONG_LINE for line in lines):
        return [marked(line.text, "\t") for line in lines]
    after = _by_line(lexer, [line.text for line in lines if line.kind != "removed"])
    before = _by_line(lexer, [line.text for line in lines if line.kind != "added"])
    found: list[Markup] = []
    olds, news = iter(before), iter(after)
    for line in lines:
        old = next(olds) if line.kind != "added" else None
        new = next(news) if line.kind != "removed" else None
        found.append(new if new is not None else old if old is not None else Markup(""))
    return found


def _by_line(lexer: Lexer, texts: Sequence[str]) -> list[Markup]:
    """Each line with its colours; if the lexer gives back another text, without any."""
    rows: list[list[Markup]] = [[]]
    plain: list[list[str]] = [[]]
    for _, token, value in lexer.get_tokens_unprocessed("\n".join(texts)):
        name = next((css for kind, css in _CLASSES if token in kind), "")
        for number, part in enumerate(value.split("\n")):
            if number:
                rows.append([])
                plain.append([])
            if part:
                plain[-1].append(part)
                shown = marked(part, "\t")
                # The name is one of ours, the text is escaped.
                rows[-1].append(Markup(f'<i class="{name}">{shown}</i>') if name else shown)  # noqa: S704
    if ["".join(each) for each in plain] != list(texts):
        return [marked(text, "\t") for text in texts]
    return [Markup("").join(row) for row in rows]


@cache
def _lexer(suffix: str) -> Lexer | None:
    kind = _LEXERS.get(suffix)
    return None if kind is None else kind()
