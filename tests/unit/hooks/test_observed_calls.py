"""A tool call that is only observed goes on, whatever would have been answered; the record says so."""

import json

import pytest

from detente.hooks.tool_calls import Call
from detente.hooks.tool_leave import refusal_of

REFUSES = '[[rule]]\nname = "never"\ntools = ["wipe"]\nrefuse = true\n'


def observed(home, tool: str) -> tuple[list[str], list[dict]]:
    """What was told, and the record."""
    told: list[str] = []
    assert refusal_of(Call(tool, {}, "/"), asker="a", home=home, within_s=5, observe=True, tell=told.append) == ""
    path = home / "observe.jsonl"
    return told, [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_call_that_the_policy_refuses_goes_on_and_is_recorded(tmp_path):
    """As it would have been answered: a deny."""
    (tmp_path / "agent-policy.toml").write_text(REFUSES)
    told, (line,) = observed(tmp_path, "wipe")
    assert told == ["not enforced: would have denied the call of wipe, which never: refused by the policy"]
    assert (line["enforced"], line["verdict"], line["what"]) == (False, "deny", "the call of wipe, which never")


def test_a_call_that_no_rule_names_leaves_no_line(tmp_path):
    """What would not have been asked about is not observed."""
    (tmp_path / "agent-policy.toml").write_text(REFUSES)
    assert observed(tmp_path, "read") == ([], [])


def test_a_policy_that_does_not_read_would_have_held_every_call(tmp_path):
    """J20 as the reason, and the call goes on."""
    (tmp_path / "agent-policy.toml").write_text("[[rule]]\n")
    told, (line,) = observed(tmp_path, "read")
    assert "J20" in told[0]
    assert line["would_have"] == "held"


def test_a_record_that_cannot_be_written_stops_nothing(tmp_path):
    """A home that is not there: said, and no more."""
    told: list[str] = []
    call = Call("Bash", {"command": "cat .detente/keys/root.key"}, "/")
    assert refusal_of(call, asker="a", home=tmp_path / "nowhere", within_s=5, observe=True, tell=told.append) == ""
    assert "cannot write" in told[0]


@pytest.mark.parametrize("name", ["DETENTE_OBSERVE", "DETENTE_OBSERVE_DIR", "OBSERVE"])
def test_no_variable_of_the_environment_makes_a_hook_observe(tmp_path, monkeypatch, name):
    """Who is asked about may set its own environment."""
    monkeypatch.setenv(name, "1")
    (tmp_path / "agent-policy.toml").write_text(REFUSES)
    assert "refused by the policy" in refusal_of(Call("wipe", {}, "/"), asker="a", home=tmp_path)
