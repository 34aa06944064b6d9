"""Lines of a change as HTML: coloured or not, together or one by one, what a reader sees is the text and its marks."""

import html
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from detente.app.viewing.changes import read_change
from detente.base.visible import visible
from detente.measure.changes.unified import Line
from detente.server.pages.colouring import CHUNK, OPEN_LINES, _coloured, _shown
from detente.server.pages.rendering import marked, marked_lines

TEXTS = st.text(st.sampled_from("ab1 \t<>&\"'#=()[]{}:,.\\\u202e\x1bé\u200b\r"), max_size=30)
NAMES = st.sampled_from(["a.py", "a.json", "a.yaml", "a.toml", "a.sh", "a.cc", "a.txt"])


def seen(row: str) -> str:
    """What a reader sees of a line."""
    return html.unescape(re.sub(r"<[^>]*>", "", row))


@given(st.lists(TEXTS, max_size=230))
@settings(max_examples=60, deadline=None)
def test_lines_escaped_together_are_the_lines_escaped_alone(texts):
    """Whatever stands among a hundred others."""
    assert marked_lines(texts) == [str(marked(text, "\t")) for text in texts]


@given(NAMES, st.lists(st.tuples(st.sampled_from(["added", "removed", "context"]), TEXTS), max_size=12))
@settings(max_examples=150, deadline=None)
def test_colours_change_nothing_that_is_read(name, said):
    """In each language: the text of every line in its order, hostile characters as marks, and no tag but ours."""
    lines = [Line(kind, 1, 1, text) for kind, text in said]
    shown = _coloured(name, lines)
    assert [seen(row) for row in shown] == [visible(text, "\t") for _, text in said]
    assert all(re.fullmatch(r"(?:[^<>]|</?i>|<i class=\"[csnkf]\">|</?span[^<>]*>)*", row) for row in shown)


def added(count: int) -> str:
    """A change that adds so many lines of code."""
    body = "".join(f"+x{number} = {number}\n" for number in range(count))
    return f"--- /dev/null\n+++ b/a.py\n@@ -0,0 +1,{count} @@\n{body}"


def test_a_long_change_is_coloured_as_far_as_its_first_chunk_and_a_short_one_throughout():
    """Colours cost more than all the rest: a reader of twenty thousand lines does not wait for those of a thousand."""
    for count, coloured in ((OPEN_LINES, OPEN_LINES), (OPEN_LINES + 1, CHUNK)):
        page = str(_shown(read_change(added(count).encode())))
        assert page.count('<i class="n">') == coloured
        assert page.count('<tr class="a">') == count
