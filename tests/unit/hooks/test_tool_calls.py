"""Which calls of an agent's tools are looked at: by a small policy, read strictly."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.base.errors import Refused
from detente.hooks.tool_calls import DEFAULT_POLICY, Call, areas_of, parse_call, parse_policy, rule_for

DEFAULT = parse_policy(DEFAULT_POLICY)


def call_of(tool, folder="/", **arguments):
    return Call(tool, arguments, str(folder))


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("torchrun --nproc 8 pretrain.py", "starts training"),
        ("cd a && python train.py", "starts training"),
        ("bash -c 'nohup python runs/train_gpt.py &'", "starts training"),
        ("X=$(python ./train.py)", "starts training"),
        ("ls -la", None),
        ("git commit -m 'mend the docs'", None),
        ("cat .detente/keys/guard.key", "the guard's own home, keys and hooks"),
        ("git -c core.hooksPath=/dev/null commit", "the guard's own home, keys and hooks"),
        ("rm .git/hooks/reference-transaction", "the guard's own home, keys and hooks"),
    ],
)
def test_the_default_policy_looks_at_commands(command, name):
    """What starts training is asked for; the guard's own things are refused; the rest is no business of the accord's."""
    rule = rule_for(DEFAULT, call_of("Bash", command=command))
    assert (rule and rule.name) == name


def test_edits_are_judged_by_where_the_file_lies_in_its_repository(tmp_path):
    """Folders above the repository say nothing of it: a checkout below `docs` is no documentation."""
    root = tmp_path / "docs" / "project"
    (root / ".git").mkdir(parents=True)
    (root / "docs").mkdir()
    (root / "train.py").write_text("x")
    (root / "note.txt").symlink_to(root / "train.py")
    assert areas_of(call_of("Edit", file_path=str(root / "train.py"))) == {"training"}
    assert areas_of(call_of("Edit", root, file_path="model/eval/../muon.py")) == {"training"}
    assert areas_of(call_of("Edit", file_path=str(root / "note.txt"))) == {"training"}
    assert areas_of(call_of("Edit", file_path=str(root / "docs" / "train.md"))) == set()
    assert rule_for(DEFAULT, call_of("Write", root, file_path="evaluate.py", content="")).activity == "self_improvement"
    assert rule_for(DEFAULT, call_of("Read", root, file_path="evaluate.py")) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"rule = 1\n",
        b"[[rule]]\ntools = []\nactivity = 'training'\n",
        b"[[rule]]\ntools = ['*']\n",
        b"[[rule]]\ntools = ['*']\nactivity = 'deployment'\n",
        b"[[rule]]\ntools = ['*']\nactivity = 'training'\nword = ['x']\n",
        b"[[rule]]\ntools = ['*']\nactivity = 'training'\nareas = ['docs']\n",
        b"[[rule]]\ntools = ['*']\nrefuse = 'no'\n",
        b"[[rule]]\ntools = ['*']\nrefuse = true\nactivity = 'training'\n",
        b"[[rule]]\ntools = ['*']\nname = ''\nrefuse = true\n",
        b"[[rule]]\ntools = [1]\nrefuse = true\n",
        b"[[rule]]\ntools = ['*']\nrefuse = true\n[other]\n",
        b"#" * 70_000,
    ],
)
def test_a_policy_that_does_not_read_is_refused(data):
    """J20: a misspelt word must not let everything through."""
    with pytest.raises(Refused) as refused:
        parse_policy(data)
    assert (refused.value.rule, refused.value.kind) == ("J20", "malformed")


GOOD = {
    "hook_event_name": "PreToolUse",
    "tool_name": "Bash",
    "tool_input": {"command": "ls", "timeout": 1.5},
    "cwd": "/",
}


def test_a_call_is_read_with_whatever_else_the_host_says():
    """Members that are the host's own do not matter."""
    data = json.dumps({**GOOD, "session_id": "s", "agent_id": None}).encode()
    assert parse_call(data) == Call("Bash", {"command": "ls", "timeout": 1.5}, "/")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"{",
        b"\xff",
        b"[" * 100_000,
        json.dumps({**GOOD, "hook_event_name": "PostToolUse"}).encode(),
        json.dumps({**GOOD, "tool_name": ""}).encode(),
        json.dumps({**GOOD, "tool_name": 1}).encode(),
        json.dumps({**GOOD, "tool_input": "ls"}).encode(),
        json.dumps({**GOOD, "cwd": None}).encode(),
        json.dumps({**GOOD, "cwd": "/\0"}).encode(),
        json.dumps({**GOOD, "tool_input": {"x": float("nan")}}).encode(),
        json.dumps({**GOOD, "tool_input": {"x": "\ud800"}}).encode(),
        b'{"hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_name": "Read", "tool_input": {}}',
    ],
)
def test_a_call_that_does_not_read_is_refused(data):
    """J21: garbage is no leave."""
    with pytest.raises(Refused) as refused:
        parse_call(data)
    assert (refused.value.rule, refused.value.kind) == ("J21", "malformed")


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader_of_calls(data):
    """A call or J21, nothing else."""
    rule = ""
    try:
        parse_call(data)
    except Refused as refused:
        rule = refused.rule
    assert rule in {"", "J21"}


def test_a_call_of_too_many_words_is_refused():
    """What nobody can look through is not let through."""
    with pytest.raises(Refused) as refused:
        rule_for(DEFAULT, call_of("Bash", command="a " * 200_001))
    assert refused.value.rule == "J21"
