"""Ledgers of lines: Git AI notes and Agent Trace records, real and hand-made."""

import json

import pytest

from detente.base.errors import Refused
from detente.measure.authorship.agent_trace import parse_trace
from detente.measure.authorship.git_ai_note import parse_note, union_lines
from tests.shared_data import shared

_TAIL = '---\n{"schema_version":"authorship/3.0.0","sessions":{"s_1":{"agent_id":{"tool":"claude"}}}}'


def test_real_notes_give_their_union_and_never_their_sum():
    """Each line counts once per kind, also where entries overlap or one range spans 268,860 lines."""
    index = json.loads(shared("authorship/git-ai-notes/index.json").read_text("utf-8"))
    assert len(index["notes"]) == 34
    for row in index["notes"]:
        note = parse_note(shared(f"authorship/git-ai-notes/{row['file']}").read_text("utf-8"))
        assert union_lines(note) == row["expected"]["union_lines"], row["file"]
        assert sorted(note.agents) == sorted(row["tools"]), row["file"]
        assert note.version == row["schema_version"]


def test_the_older_form_is_read():
    """Version 0.0.1 is one JSON object; an author that is an agent by name is one."""
    folder = shared("authorship/git-ai-notes/legacy-0.0.1")
    first = parse_note((folder / "59c7b8fe9ff8.json").read_text("utf-8"))
    assert union_lines(first) == {"ai": 6}
    assert first.agents == ("claude",)
    assert union_lines(parse_note((folder / "7be82a2c648b.json").read_text("utf-8"))) == {}


def test_an_author_of_the_older_form_who_may_be_anybody_is_nobody():
    """A bare name is no agent, and no human either."""
    text = '{"files":{"a":{"authors":[{"author":"Ada","lines":[1,[3,4]],"agent_metadata":null}]}}}'
    assert union_lines(parse_note(text)) == {"unresolved": 3}


def test_a_quoted_path_is_one_path():
    """Paths with spaces stand in quotes."""
    note = parse_note(f'"my file.py"\n  s_1::t_1 1-3\n{_TAIL}')
    assert [(one.path, one.lines) for one in note.attested] == [("my file.py", ((1, 3),))]


def test_an_id_in_no_table_is_nobody():
    """The words human and ai_agent are ids like any other."""
    note = parse_note(f"a\n  human 1\n  ai_agent 2-3\n  0123456789abcdef 4\n{_TAIL}")
    assert union_lines(note) == {"unresolved": 4}


@pytest.mark.parametrize("tool", ["mock_ai", "test-agent", "Mock", "test_tool"])
def test_tools_that_try_a_ledger_out_are_told_apart(tool):
    """They attest nothing about the code."""
    note = parse_note(f"a\n  s_1 1\n{_TAIL}".replace("claude", tool))
    assert note.attested[0].is_test
    assert not parse_note(f"a\n  s_1 1\n{_TAIL}").attested[0].is_test


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no separator",
        "a\n  s_1 1-2\n---\nnot json",
        "a\n  s_1 1-2\n---\n[]",
        'a\n  s_1 1-2\n---\n{"schema_version":"authorship/4.0.0"}',
        'a\n  s_1 1-2\n---\n{"schema_version":"authorship/3.0.0","sessions":[]}',
        f"  s_1 1\n{_TAIL}",
        f"a\n  s_1 2-1\n{_TAIL}",
        f"a\n  s_1 0\n{_TAIL}",
        f"a\n  s_1 1-99999999999\n{_TAIL}",
        f"a\n  s_1 x\n{_TAIL}",
        f"a\n s_1 1\n{_TAIL}",
        "a\n  s_1 1\n---\n" + "[" * 100_000,
        '{"files":[]}',
        '{"files":{"a":{"authors":[{"author":"Claude","lines":[true]}]}}}',
        '{"files":{"a":{"authors":[{"author":"Claude","lines":[[3,1]]}]}}}',
        '{"files":{"a":{"authors":[{"author":"Claude"}]}}}',
        '{"files":{"a":{}}}',
    ],
)
def test_what_is_no_note_is_a05(text):
    """A05: nothing of a malformed note counts."""
    with pytest.raises(Refused) as refused:
        parse_note(text)
    assert refused.value.rule == "A05"


def test_trace_records_of_the_specification_are_read():
    """A minimal record and the example; lines keep their tool, the revision is the one named."""
    folder = shared("authorship/agent-trace")
    example = parse_trace((folder / "example.json").read_text("utf-8"))
    assert example.revision == "a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6e7f8a9b0"
    assert {(one.path, one.kind, one.agent, one.lines) for one in example.attested} == {
        ("src/utils/parser.ts", "ai", "cursor", ((42, 67),)),
        ("src/utils/helpers.ts", "ai", "cursor", ((10, 25),)),
    }
    minimal = parse_trace((folder / "minimal.json").read_text("utf-8"))
    assert (minimal.revision, minimal.attested[0].lines) == ("", ((1, 50),))


@pytest.mark.parametrize("name", ["fragment-ranges.json", "fragment-related.json"])
def test_fragments_of_a_record_are_a06(name):
    """A06: without version, id and timestamp it is no record."""
    with pytest.raises(Refused) as refused:
        parse_trace(shared(f"authorship/agent-trace/{name}").read_text("utf-8"))
    assert refused.value.rule == "A06"


_RECORD = {
    "version": "0.1.0",
    "id": "550e8400-e29b-41d4-a716-446655440000",
    "timestamp": "2026-01-25T10:00:00Z",
    "files": [
        {"path": "a", "conversations": [{"contributor": {"type": "ai"}, "ranges": [{"start_line": 1, "end_line": 2}]}]}
    ],
}


@pytest.mark.parametrize(
    "change",
    [
        {"version": "1"},
        {"id": "no"},
        {"timestamp": "yesterday"},
        {"files": {}},
        {"files": [{"path": "", "conversations": []}]},
        {"files": [{"path": "a"}]},
        {
            "files": [
                {
                    "path": "a",
                    "conversations": [{"contributor": {"type": "alien"}, "ranges": [{"start_line": 1, "end_line": 1}]}],
                }
            ]
        },
        {"files": [{"path": "a", "conversations": [{"ranges": [{"start_line": 2, "end_line": 1}]}]}]},
        {"files": [{"path": "a", "conversations": [{"ranges": [{"start_line": True, "end_line": 1}]}]}]},
        {"vcs": "git"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_record_that_breaks_the_form_is_a06(change):
    """A06: nothing of it counts."""
    with pytest.raises(Refused) as refused:
        parse_trace(json.dumps(_RECORD | change))
    assert refused.value.rule == "A06"


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000])
def test_what_is_no_record_is_a06(text):
    """A06: not even an object."""
    with pytest.raises(Refused) as refused:
        parse_trace(text)
    assert refused.value.rule == "A06"


@pytest.mark.parametrize(
    ("kind", "expected"), [("ai", "ai"), ("human", "human"), ("mixed", "unresolved"), ("unknown", "unresolved")]
)
def test_a_ranges_own_contributor_counts_first(kind, expected):
    """Who did the range, before who held the conversation; mixed is nobody that can be told."""
    part = {"start_line": 1, "end_line": 1, "contributor": {"type": kind}}
    files = [{"path": "a", "conversations": [{"contributor": {"type": "ai"}, "ranges": [part]}]}]
    (one,) = parse_trace(json.dumps(_RECORD | {"files": files})).attested
    assert one.kind == expected
