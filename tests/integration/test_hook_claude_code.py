"""A coding agent's calls are asked for before they are made; whatever fails is a deny."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.asking_rig import approve, detente, pause, repository, said, solo, waiting
from tests.integration.node_rig import found

WITHIN_S = 120


@pytest.fixture
def home(tmp_path):
    return solo(tmp_path / "home")


def call(tool, folder="/", **arguments):
    """What the host writes: with members of its own."""
    return json.dumps(
        {
            "session_id": "s-1",
            "transcript_path": "/tmp/t.jsonl",
            "cwd": str(folder),
            "permission_mode": "default",
            "hook_event_name": "PreToolUse",
            "tool_name": tool,
            "tool_input": arguments,
            "tool_use_id": "toolu_1",
        }
    ).encode()


TRAINS = call("Bash", command="torchrun train.py")


def answered(given: bytes, home: Path, *more: str) -> str:
    """The reason of a deny; empty for no opinion."""
    done = detente("hook", "claude-code", "--within", "90", *more, home=home, given=given)
    assert done.returncode == 0, done.stderr.decode()
    if not done.stdout:
        return ""
    said = json.loads(done.stdout)["hookSpecificOutput"]
    assert said["hookEventName"] == "PreToolUse"
    assert said["permissionDecision"] == "deny"
    return said["permissionDecisionReason"]


def test_what_the_policy_does_not_name_is_no_business_of_the_accords(home):
    """No opinion, not an allow: the user's own permissions decide."""
    assert answered(call("Bash", command="ls"), home) == ""
    assert answered(call("Read", file_path="/x/train.py"), home) == ""


def test_training_is_allowed_until_the_accord_pauses(home):
    """The same call is let through before, and denied with the reason during, a pause."""
    assert answered(TRAINS, home) == ""
    pause(home)
    reason = answered(TRAINS, home)
    assert "J22 held" in reason
    assert "deny" in reason
    assert "call" in reason


def test_an_edit_of_evaluation_is_asked_for(home, tmp_path):
    """By where the file lies in its repository."""
    repo = repository(tmp_path / "repo")
    edit = call("Edit", repo.path, file_path=str(repo.path / "evaluate.py"), old_string="a", new_string="b")
    assert answered(edit, home) == ""
    pause(home)
    assert "J22" in answered(edit, home)


def test_the_guards_own_home_is_refused(home):
    """Keys, hooks and configuration are no agent's."""
    assert "refused by the policy" in answered(call("Bash", command="cat .detente/keys/root.key"), home)


def test_a_proposed_call_is_approved_for_exactly_its_arguments_and_once(home):
    """Held, filed as the model's; approved it is made once; edited it is another; again it is another proposal."""
    (home / "agent-policy.toml").write_text(
        '[[rule]]\nname = "promotes"\ntools = ["Bash"]\nwords = ["promote"]\nactivity = "self_improvement"\npropose = true\n'
    )
    promote = call("Bash", command="promote v2")
    assert "filed as proposal" in answered(promote, home)
    (one,) = waiting(home)
    filed = said(home, one["proposal"])
    assert filed["proposed_by"] == "model claude-code"
    approve(home, one["proposal"])
    assert "filed as proposal" in answered(call("Bash", command="promote v3"), home), "other arguments"
    assert answered(promote, home) == ""
    reason = answered(promote, home)
    assert "filed as proposal" in reason, "a spent approval is no second leave"
    assert one["proposal"][:16] not in reason


@pytest.mark.parametrize("given", [b"", b"garbage", b"[1]", b"\xff" * 100, TRAINS[:-5], b"[" * 1_000_000])
def test_garbage_is_denied(given, home):
    """J21 for everything that is no call."""
    assert "J21" in answered(given, home)


def test_a_policy_that_does_not_read_or_is_not_there_denies_every_call(home, tmp_path):
    """J20, and a named file that is missing: nobody can say what is free."""
    (home / "agent-policy.toml").write_text("[[rule]]\n")
    assert "J20" in answered(call("Bash", command="ls"), home)
    assert "failed" in answered(call("Bash", command="ls"), home, "--policy", str(tmp_path / "none"))


def test_without_a_home_or_an_issuer_the_call_is_denied(tmp_path):
    """No home; and a coalition whose node does not answer."""
    assert "run `detente init`" in answered(TRAINS, tmp_path / "nowhere")
    coalition = found(tmp_path / "parties")
    assert "no node of this accord answers" in answered(TRAINS, coalition.home("dev-a"))


def installed(home: Path) -> str:
    done = detente("hook", "claude-code", "--settings", "--within", "90", home=home)
    assert done.returncode == 0, done.stderr.decode()
    (group,) = json.loads(done.stdout)["hooks"]["PreToolUse"]
    (hook,) = group["hooks"]
    assert hook["timeout"] > 100, "the host waits longer than the command can live"
    return hook["command"]


def run(command: str, given: bytes = TRAINS, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """As the host runs it: by a shell."""
    return subprocess.run(
        ["sh", "-c", command],
        input=given,
        capture_output=True,
        timeout=WITHIN_S,
        check=False,
        env={**os.environ, **environment},
    )


def test_the_installed_command_blocks_however_it_fails(home, tmp_path):
    """Exit 2 is the host's word for blocked: a missing interpreter, a crash, a hang, a signal, a full pipe all end with it."""
    command = installed(home)
    assert run(command).returncode == 0
    assert run(command).stdout == b""
    python = str(Path(sys.executable))
    assert python in command
    crash, hang, killed = (tmp_path / name for name in ("crash", "hang", "killed"))
    for path, text in ((crash, "exit 1"), (hang, "sleep 600"), (killed, "kill -9 $$")):
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    silent = ("/bin/true", "/bin/echo")  # exit 0, and nothing that the hook would say
    for broken in ("/nowhere/python", crash, killed, "/bin/false", *silent):
        assert run(command.replace(python, str(broken))).returncode == 2, broken
    assert run(command.replace(python, str(hang)).replace("-k 1 97", "-k 1 1")).returncode == 2
    assert run(command.replace("detente.hooks.claude_code", "detente.hooks.none")).returncode == 2
    assert run(f"({command}) >/dev/full", b"garbage").returncode == 2


def test_a_module_in_the_agents_folder_does_not_take_its_place(home, tmp_path):
    """The command runs isolated: neither the working folder nor PYTHONPATH is searched."""
    (tmp_path / "evil" / "detente").mkdir(parents=True)
    (tmp_path / "evil" / "detente" / "__init__.py").write_text("raise SystemExit(0)\n")
    pause(home)
    done = run(f"cd {tmp_path}/evil && {installed(home)}", PYTHONPATH=str(tmp_path / "evil"))
    assert b'"deny"' in done.stdout


def test_a_hook_that_hangs_in_asking_denies_by_itself(home, monkeypatch, tmp_path):
    """Its own deadline is far below the host's; a lock that never comes free is such a hang."""
    import fcntl

    assert answered(TRAINS, home) == ""
    with (home / "runs" / "agent-training" / "lock").open("rb+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "no answer within" in answered(TRAINS, home, "--within", "2")


def test_a_hook_that_observes_denies_nothing_and_warns_the_user(home, tmp_path):
    """In a pause, and broken in every way: no decision, exit 0, a warning in the host's own form; one line of the record for each answer."""
    done = detente("hook", "claude-code", "--settings", "--observe", home=home)
    (group,) = json.loads(done.stdout)["hooks"]["PreToolUse"]
    command = group["hooks"][0]["command"]
    pause(home)
    heard = json.loads(run(command).stdout)
    assert list(heard) == ["systemMessage"]
    assert "not enforced: would have denied the call of Bash, which starts training" in heard["systemMessage"]
    (line,) = [json.loads(line) for line in (home / "observe.jsonl").read_text().splitlines()]
    assert (line["enforced"], line["asker"], line["verdict"]) == (False, "claude-code", "deny")
    for given, words in ((TRAINS, command.replace(sys.executable, "/nowhere/python")), (b"garbage", command)):
        broken = run(words, given)
        assert broken.returncode == 0
        assert "not enforced" in json.loads(broken.stdout)["systemMessage"]
    nothing = run(command, call("Bash", command="ls"))
    assert (nothing.returncode, nothing.stdout) == (0, b"")
