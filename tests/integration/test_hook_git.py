"""Changes of training and evaluation wait in git until they are approved; each way past the hook is held or evident."""

import asyncio
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from detente.adapters.content import Content
from detente.app.node import open_node
from detente.measure.changes.unified import parse_unified
from tests.integration.asking_rig import (
    CLAUDE,
    Repository,
    approve,
    detente,
    pause,
    proposal_in,
    repository,
    said,
    served,
    solo,
    waiting,
)
from tests.integration.node_rig import found

INCONSISTENT = 29


@pytest.fixture
def home(tmp_path):
    return solo(tmp_path / "home")


@pytest.fixture
def repo(tmp_path, home):
    made = repository(tmp_path / "repo")
    done = detente("hook", "git", "install", str(made.path), home=home)
    assert done.returncode == 0, done.stderr.decode()
    return made


def hook_of(repo: Repository) -> Path:
    return repo.path / ".git" / "hooks" / "reference-transaction"


def findings(repo: Repository, home: Path) -> list[str]:
    done = detente("hook", "git", "status", str(repo.path), "--json", home=home)
    found = [each["what"] for each in json.loads(done.stdout)["findings"]]
    assert done.returncode == (INCONSISTENT if found else 0)
    return found


def test_what_touches_nothing_goes_through_and_nothing_is_asked(repo, home):
    """Documentation, a branch that waits, tags: git works as before."""
    repo.write(README__md="Better words.\n")
    repo.commit("words")
    repo.git("switch", "--quiet", "-c", "proposed/deeper")
    repo.write(train__py="DEPTH = 9\n")
    repo.commit("deeper")
    repo.git("tag", "v1")
    assert waiting(home) == []
    assert findings(repo, home) == []


def test_a_models_change_waits_and_goes_through_once_approved_for_exactly_that_tree(repo, home):
    """Held with a readable reason, kept, filed as the model's; approved it goes through, and nothing else does."""
    before = repo.at()
    repo.write(train__py="DEPTH = 9\n")
    text = repo.commit("deeper" + CLAUDE, fails=True)
    assert "held: refs/heads/main touches training (train.py)" in text
    assert "detente hold show" in text
    assert repo.at() == before
    proposal = proposal_in(text)
    kept = repo.at(f"refs/detente/held/{proposal[:16]}")
    assert repo.git("show", f"{kept}:train.py") == "DEPTH = 9"
    filed = said(home, proposal)
    assert filed["proposed_by"] == "model claude"
    assert filed["touches"] == "training"
    assert f"commit {before} to tree {repo.at(kept + '^{tree}')} at refs/heads/main" in filed["summary"]

    assert proposal_in(repo.commit("deeper" + CLAUDE, fails=True)) == proposal, "one change, one proposal"
    assert [each["proposal"] for each in waiting(home)] == [proposal]
    approve(home, proposal)
    repo.write(train__py="DEPTH = 10\n")
    assert proposal_in(repo.commit("deeper" + CLAUDE, fails=True)) != proposal, "an edited change is another"
    repo.write(train__py="DEPTH = 9\n")
    repo.commit("deeper" + CLAUDE)
    assert repo.git("show", "HEAD:train.py") == "DEPTH = 9"
    assert findings(repo, home) == []


def test_a_change_without_a_mark_is_undeclared_and_held(repo, home):
    """A missing mark is no human: leaving it out frees nothing."""
    repo.write(evaluate__py="SCORE = 1\n")
    proposal = proposal_in(repo.commit("score", fails=True))
    assert said(home, proposal)["proposed_by"].startswith("undeclared")
    assert said(home, proposal)["touches"] == "evaluation"


def test_contents_links_and_submodules_are_held_where_names_say_nothing(repo, home):
    """A training loop under another name, a link in place of a file: both wait, with no area declared that would hold less."""
    repo.write(go__py="import torch\n\n\ndef xyz(q):\n    return torch.relu(q)\n")
    assert "undetermined (go.py)" in repo.commit("go", fails=True)
    repo.git("rm", "--quiet", "--cached", "go.py")
    (repo.path / "go.py").unlink()
    (repo.path / "docs").mkdir()
    (repo.path / "docs" / "x").symlink_to("../train.py")
    repo.git("add", "--all")
    text = repo.commit("link", fails=True)
    assert "undetermined (docs/x)" in text
    assert said(home, proposal_in(text))["touches"] == ""


def test_a_paused_accord_denies(repo, home):
    """During a pause nothing is approved into the branch, and the reason says so."""
    pause(home)
    repo.write(train__py="DEPTH = 9\n")
    text = repo.commit("deeper", fails=True)
    assert "denied: refs/heads/main" in text
    assert "call" in text


def test_the_policy_is_the_trunks_and_holds_itself(repo, home):
    """No branch decides for itself: a branch that frees itself is held all the same, and the policy's change waits."""
    before = repo.at()
    repo.git("switch", "--quiet", "-c", "proposed/free")
    repo.write(**{"detente-hook__toml": '[git]\nhold = []\nrefs = ["refs/heads/other"]\n', "train__py": "DEPTH = 99\n"})
    repo.commit("free myself")
    evil = repo.at()
    repo.git("switch", "--quiet", "main")
    assert "evaluation (detente-hook.toml)" in repo.git("merge", "--ff-only", evil, fails=True)
    assert "held: refs/heads/side" in repo.git("branch", "side", evil, fails=True)
    assert repo.at("main") == before


def test_a_policy_that_does_not_read_is_refused(repo, home):
    """J11: it is not let in, so it can hold nothing by accident and free nothing either."""
    repo.write(**{"detente-hook__toml": "[git]\nholds = []\n"})
    assert "J11" in repo.commit("policy", fails=True)


def test_deleting_and_making_a_branch_anew_is_no_way_round(repo, home):
    """A new branch is compared with what the others have; one that goes away takes nothing with it unseen."""
    repo.git("branch", "side")
    repo.git("branch", "--delete", "side")
    repo.git("switch", "--quiet", "-c", "proposed/x")
    repo.write(train__py="DEPTH = 12\n")
    repo.commit("x")
    assert "held: refs/heads/new" in repo.git("branch", "new", "proposed/x", fails=True)
    assert "held: refs/heads/main" in repo.git("branch", "--delete", "--force", "main", fails=True)


def test_no_verify_skips_nothing(repo, home):
    """`--no-verify` leaves out other hooks, not this one."""
    repo.write(train__py="DEPTH = 9\n")
    repo.git("commit", "--quiet", "--no-verify", "-m", "deeper", fails=True)


def test_another_hooks_path_is_evident_and_the_next_move_is_asked_for_as_a_whole(repo, home):
    """What went past the hook is a finding, and is compared from where the hook last saw the ref."""
    repo.write(train__py="DEPTH = 9\n")
    repo.git("-c", "core.hooksPath=/dev/null", "commit", "--quiet", "-m", "past")
    assert findings(repo, home) == ["refs/heads/main went past the hook"]
    repo.write(README__md="Words.\n")
    text = repo.commit("words", fails=True)
    assert "it went past this hook" in text
    assert "training (train.py)" in text
    approve(home, proposal_in(text))
    repo.commit("words")
    assert findings(repo, home) == []


def test_a_ref_written_by_hand_is_evident_and_can_be_asked_for(repo, home):
    """A write into `.git` runs no hook; `git update-ref` to the same commit asks for what is there."""
    repo.git("switch", "--quiet", "-c", "proposed/x")
    repo.write(train__py="DEPTH = 9\n")
    repo.commit("x")
    evil = repo.at()
    (repo.path / ".git" / "refs" / "heads" / "main").write_text(evil + "\n")
    assert findings(repo, home) == ["refs/heads/main went past the hook"]
    (repo.path / ".git" / "refs" / "heads" / "main").write_text("ref: refs/heads/proposed/x\n")
    assert findings(repo, home) == ["refs/heads/main went past the hook"]
    text = repo.git("update-ref", "--no-deref", "refs/heads/main", evil, fails=True)
    approve(home, proposal_in(text))
    repo.git("update-ref", "--no-deref", "refs/heads/main", evil)
    assert findings(repo, home) == []


def test_a_removed_changed_or_passed_by_hook_is_a_finding(repo, home):
    """Each with its own words, and a non-zero exit."""
    hook = hook_of(repo)
    script = hook.read_bytes()
    hook.write_bytes(script.replace(b"exit 1", b"exit 0"))
    assert findings(repo, home) == ["the hook reference-transaction was changed"]
    hook.unlink()
    assert findings(repo, home) == ["the hook reference-transaction was removed"]
    hook.write_bytes(script)
    hook.chmod(0o644)
    if os.geteuid() != 0 or not os.access(hook, os.X_OK):
        assert findings(repo, home) == ["the hook reference-transaction is not executable, so git does not run it"]
    hook.chmod(0o755)
    repo.git("config", "core.hooksPath", "elsewhere")
    assert (
        findings(repo, home)[0]
        == "git runs no longer the hook reference-transaction that was installed (core.hooksPath)"
    )
    repo.git("config", "--unset", "core.hooksPath")
    assert findings(repo, home) == []


def test_a_node_and_a_measurement_tell_of_a_hook_that_went(repo, home, caplog):
    """Not only who asks for it hears: the node logs it once and counts it in its health, and the next measurement says it."""
    hook_of(repo).unlink()

    async def looked() -> tuple[tuple[str, ...], object]:
        node = open_node(home)
        try:
            await node.upkeep.look_at_hooks()
            await node.upkeep.look_at_hooks()
            return node.upkeep.hook_findings, node.health()["hook_findings"]
        finally:
            await node.close()

    found, counted = asyncio.run(looked())
    assert counted == 1
    assert "the hook reference-transaction was removed" in found[0]
    assert sum("FINDING" in record.getMessage() for record in caplog.records) == 1
    measured = subprocess.run(
        [sys.executable, "-m", "detente", "measure", "changes", str(repo.path), "--no-cache"],
        capture_output=True,
        check=True,
        env={**os.environ, "DETENTE_HOME": str(home)},
    )
    assert b"FINDING the hook reference-transaction was removed" in measured.stderr


def test_a_repository_without_the_hook_is_a_finding_too(tmp_path, home):
    """Not installed is not "all is well"."""
    assert findings(repository(tmp_path / "bare"), home) == ["no hook is installed"]


def test_hooks_that_were_there_run_first_and_come_back(tmp_path, home):
    """Chained, not overwritten: the old hook sees every state and can still refuse; `remove` puts it back."""
    repo = repository(tmp_path / "repo")
    hook, log = hook_of(repo), tmp_path / "log"
    hook.write_text(
        f'#!/bin/sh\ncat >> "{log}"\n[ "$1" = prepared ] && [ -e "{tmp_path}/refuse" ] && exit 1\n[ "$1" != committed ]\n'
    )
    hook.chmod(0o755)
    old = hook.read_bytes()
    for _ in range(2):
        assert detente("hook", "git", "install", str(repo.path), home=home).returncode == 0
    repo.write(README__md="Words.\n")
    repo.commit("words")
    assert "refs/heads/main" in log.read_text()
    (tmp_path / "refuse").touch()
    repo.write(README__md="More words.\n")
    repo.commit("more", fails=True)
    (tmp_path / "refuse").unlink()
    assert findings(repo, home) == [], "a chained hook that fails once git has moved the ref hides nothing"
    repo.write(train__py="DEPTH = 9\n")
    assert "held" in repo.commit("deeper", fails=True)
    assert detente("hook", "git", "remove", str(repo.path), home=home).returncode == 0
    assert hook.read_bytes() == old
    repo.commit("deeper")


def test_a_hook_that_was_changed_is_not_removed(repo, home):
    """J12: what is not ours any more is somebody's work."""
    hook_of(repo).write_text("#!/bin/sh\nexit 0\n")
    done = detente("hook", "git", "remove", str(repo.path), home=home)
    assert b"J12 conflict" in done.stderr
    assert hook_of(repo).exists()


def test_without_an_interpreter_a_home_or_an_issuer_every_held_change_is_held(repo, home, tmp_path):
    """A hook that cannot come to answer lets nothing through; what it never asks about still passes."""
    repo.write(train__py="DEPTH = 9\n")
    script = hook_of(repo).read_text()
    python = sys.executable
    hook_of(repo).write_text(script.replace(python, "/nowhere/python"))
    assert "gave no answer" in repo.commit("deeper", fails=True)
    for other in ("/bin/true", "/bin/echo garbage", "/bin/sh -c 'kill -9 $$'"):
        hook_of(repo).write_text(script.replace(python, other))
        assert "gave no answer" in repo.commit("deeper", fails=True), other
    hook_of(repo).write_text(script)
    (home / "config.toml").rename(tmp_path / "config.toml")
    text = repo.commit("deeper", fails=True)
    assert "run `detente init`" in text
    repo.git("reset", "--quiet", "--hard")
    repo.write(README__md="Words.\n")
    repo.commit("words")


def test_an_accord_out_of_reach_holds(tmp_path):
    """A partition: the node of a coalition's party does not answer, so nobody permits."""
    coalition = found(tmp_path / "parties")
    repo = repository(tmp_path / "repo")
    home = coalition.home("dev-a")
    assert detente("hook", "git", "install", str(repo.path), home=home).returncode == 0
    repo.write(train__py="DEPTH = 9\n")
    text = repo.commit("deeper", fails=True)
    assert "no node of this accord answers" in text


def test_a_hook_that_hangs_is_ended_and_holds(repo, tmp_path):
    """The script's own limit, whatever the process does: here one that sleeps through every deadline of its own."""
    script = hook_of(repo).read_text()
    python = sys.executable
    hangs = tmp_path / "hangs"
    hangs.write_text("#!/bin/sh\nexec sleep 600\n")
    hangs.chmod(0o755)
    hook_of(repo).write_text(script.replace("timeout -k 2 40", "timeout -k 2 1").replace(python, str(hangs)))
    repo.write(train__py="DEPTH = 9\n")
    assert "gave no answer" in repo.commit("deeper", fails=True)


def test_a_push_is_refused_with_the_reason_and_goes_through_once_approved(tmp_path, home):
    """On the server: `pre-receive` looks into what git has not let in yet. The node is a process of its own here."""
    clone = repository(tmp_path / "clone")
    server = Repository(tmp_path / "server.git")
    clone.git("clone", "--quiet", "--bare", ".", str(server.path))
    with served(home):
        assert detente("hook", "git", "install", str(server.path), home=home).returncode == 0
        before = server.at("main")
        clone.write(train__py="DEPTH = 9\n")
        clone.commit("deeper" + CLAUDE)
        clone.git("push", "--quiet", str(server.path), "main:proposed/deeper")
        text = clone.git("push", str(server.path), "main", fails=True)
        assert "remote: detente: held: refs/heads/main touches training (train.py)" in text
        assert server.at("main") == before
        line = next(line for line in text.splitlines() if "  proposal  " in line)
        approve(home, line.split()[-1].strip())
        clone.git("push", str(server.path), "main")
        assert server.at("main") == clone.at()


def test_the_change_lies_at_the_node_as_a_diff(repo, home):
    """A reviewer reads the very bytes whose digest is proposed."""
    repo.write(train__py="DEPTH = 9\n")
    filed = said(home, proposal_in(repo.commit("deeper", fails=True)))
    data = Content(home / "blobs", blob_bytes=1 << 20, all_bytes=1 << 20).read(filed["change"])
    assert [each.path for each in parse_unified(data).files] == ["train.py"]


def test_a_hook_that_observes_lets_every_move_be_made_and_records_what_would_have_been(tmp_path, home):
    """The same question, no proposal, nothing held, said each time; whatever it is asked in, and whatever its environment says."""
    repo = repository(tmp_path / "repo")
    done = detente("hook", "git", "install", str(repo.path), "--observe", home=home)
    assert done.returncode == 0
    assert b"not enforced: every move is made" in done.stderr
    repo.write(train__py="DEPTH = 9\n")
    text = repo.commit("deeper" + CLAUDE)
    assert "not enforced: would have held a move of refs/heads/main that touches training (train.py)" in text
    assert "hold point self-modification" in text
    pause(home)
    repo.write(train__py="DEPTH = 10\n")
    assert "not enforced: would have denied" in repo.commit("deeper still" + CLAUDE)
    (home / "config.toml").rename(tmp_path / "config.toml")
    repo.write(train__py="DEPTH = 11\n")
    assert "not enforced: would have held" in repo.commit("deepest")
    (tmp_path / "config.toml").rename(home / "config.toml")
    lines = [json.loads(line) for line in (home / "observe.jsonl").read_text().splitlines()]
    assert [line["would_have"] for line in lines] == ["held", "denied", "held"]
    assert {(line["enforced"], line["asker"]) for line in lines} == {(False, "git")}
    assert waiting(home) == []
    assert findings(repo, home) == []
    status = detente("hook", "git", "status", str(repo.path), home=home)
    assert b"not enforced" in status.stderr


def test_a_move_that_nobody_is_asked_about_waits_for_no_more_than_it_needs(home, repo):
    """What git waits for at each commit is the start of this process: what is for asking is not there before something is asked."""
    command = shlex.split(hook_of(repo).read_text().partition("timeout -k 2 40 ")[2].partition(")\n")[0])
    start = command.index("-c") + 1
    asked = "; print(*sys.modules)"
    command[start] = command[start].partition("; os._exit")[0] + asked
    loaded = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.decode().split()
    assert "detente.hooks.git" in loaded
    assert not {"site", "dataclasses", "tomllib", "asyncio", "httpx", "detente.app.asking"} & set(loaded)


def test_a_package_that_is_gone_is_a_finding(repo, home, tmp_path):
    """The script names where it lies: an interpreter that was made anew elsewhere leaves everything held, and says why."""
    (record,) = (home / "git").glob("*/installed.json")
    record.write_text(json.dumps(json.loads(record.read_text()) | {"package": str(tmp_path / "gone")}))
    assert findings(repo, home) == ["the package that the hook runs is gone, so everything is held"]


def test_the_hook_imports_nothing_from_where_git_runs(repo):
    """What is committed could bear the name of any module, and let itself through."""
    lets = "import os\nos.write(1, b'let-through\\n')\nos._exit(0)\n"
    names = ("typing", "threading", "detente", "httpx", "sitecustomize", "subprocess")
    for folder in (repo.path, repo.path / ".git"):
        for name in names:
            (folder / f"{name}.py").write_text(lets)
    (repo.path / "train.py").write_text("DEPTH = 9\n")
    repo.git("add", "train.py")
    text = repo.git("commit", "--quiet", "-m", "deeper", fails=True, PYTHONPATH=str(repo.path))
    assert "held: refs/heads/main" in text


def test_a_push_that_is_observed_is_asked_about_once(tmp_path, home):
    """A bare repository has two hooks that a push goes through, and its record one line: twice would count it double."""
    clone = repository(tmp_path / "clone")
    server = Repository(tmp_path / "server.git")
    clone.git("clone", "--quiet", "--bare", ".", str(server.path))
    with served(home):
        assert detente("hook", "git", "install", str(server.path), "--observe", home=home).returncode == 0
        clone.write(train__py="DEPTH = 9\n")
        clone.commit("deeper" + CLAUDE)
        text = clone.git("push", str(server.path), "main")
    assert server.at("main") == clone.at()
    assert text.count("not enforced: would have held a move of refs/heads/main") == 1
    (line,) = [json.loads(line) for line in (home / "observe.jsonl").read_text().splitlines()]
    assert line["would_have"] == "held"
    assert findings(server, home) == []


@pytest.mark.parametrize("ends", ["echo let-through allow; exit 0", "kill -9 $$", "exit 3"])
def test_a_hook_that_observes_and_gives_no_answer_says_so_and_the_move_is_made(tmp_path, home, ends):
    """What stands in the interpreter's place and ends well is no answer either: each move that nobody looked at is told."""
    repo = repository(tmp_path / "repo")
    assert detente("hook", "git", "install", str(repo.path), "--observe", home=home).returncode == 0
    broken = tmp_path / "broken"
    broken.write_text(f"#!/bin/sh\n{ends}\n")
    broken.chmod(0o755)
    text = hook_of(repo).read_text()
    assert sys.executable in text
    hook_of(repo).write_text(text.replace(sys.executable, str(broken)))
    repo.write(train__py="DEPTH = 9\n")
    assert "not enforced: the hook gave no answer" in repo.commit("deeper")


def test_a_hook_that_held_and_only_observes_now_is_a_finding_until_it_holds_again(repo, home):
    """Installed anew to observe, twice too; no variable of the environment does the same."""
    repo.write(train__py="DEPTH = 9\n")
    for name in ("DETENTE_OBSERVE", "DETENTE_OBSERVE_DIR", "OBSERVE"):
        text = repo.git("commit", "--quiet", "-m", "deeper" + CLAUDE, fails=True, **{name: "1"})
        assert "held: refs/heads/main" in text
    for _ in range(2):
        done = detente("hook", "git", "install", str(repo.path), "--observe", home=home)
        assert b"FINDING the hook held before" in done.stderr
    assert findings(repo, home) == ["the hook only observes now: it was installed to hold before"]
    assert detente("hook", "git", "install", str(repo.path), home=home).returncode == 0
    assert findings(repo, home) == []
