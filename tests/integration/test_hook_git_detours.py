"""Moves that would get past git's hook in steps, or by what the hook itself is run with: each is held."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from detente.app.ref_moves.journal import repository_folder
from tests.integration.asking_rig import (
    CLAUDE,
    PERSON,
    WITHIN_S,
    Repository,
    approve,
    detente,
    proposal_in,
    repository,
    said,
    solo,
)

STRICT = '[git]\nalso = ["prompts/*"]\n'


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return solo(tmp_path_factory.mktemp("home") / "home")


def install(repo: Repository, home: Path, *more: str) -> str:
    done = detente("hook", "git", "install", str(repo.path), *more, home=home)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.fixture
def repo(tmp_path, home):
    made = repository(tmp_path / "repo")
    install(made, home)
    return made


def findings(repo: Repository, home: Path) -> str:
    return detente("hook", "git", "status", str(repo.path), home=home).stdout.decode()


def waiting_change(repo: Repository) -> str:
    """A commit that ``main`` may not be moved to unasked, on a branch that waits."""
    repo.git("switch", "--quiet", "-c", "proposed/deeper")
    repo.write(train__py="DEPTH = 99\n")
    repo.commit("deeper" + CLAUDE)
    made = repo.at()
    repo.git("switch", "--quiet", "main")
    return made


def let_in(repo: Repository, home: Path, message: str, **files: str) -> str:
    """A change that waits, is approved, and is made; returns the commit."""
    repo.write(**files)
    approve(home, proposal_in(repo.commit(message, fails=True)))
    repo.commit(message)
    return repo.at()


def move(repo: Repository, *arguments: str, given: bytes = b"", path: str) -> tuple[int, str]:
    """git with this ``PATH`` and nothing else changed."""
    git = shutil.which("git")
    assert git is not None
    done = subprocess.run(
        [git, *arguments],
        cwd=repo.path,
        input=given,
        capture_output=True,
        check=False,
        timeout=WITHIN_S,
        env={**os.environ, **PERSON, "PATH": path},
    )
    return done.returncode, done.stderr.decode()


def test_a_hook_that_cannot_read_what_git_says_holds(repo, home):
    """A PATH without coreutils: what was read is nothing, and nothing is not "no held ref"."""
    before, made = repo.at("main"), waiting_change(repo)
    code, text = move(repo, "update-ref", "refs/heads/main", made, path="/nowhere")
    assert (code, repo.at("main")) == (128, before), text
    hook = repo.path / ".git" / "hooks" / "reference-transaction"
    cat = shutil.which("cat")
    assert cat is not None
    hook.write_text(hook.read_text().replace(cat, "/nowhere/cat"))
    code, text = move(repo, "update-ref", "refs/heads/main", made, path=os.environ["PATH"])
    assert (code, repo.at("main")) == (128, before)
    assert "the hook cannot read what git says" in text


def test_programs_of_the_hooks_name_on_path_answer_for_nothing(repo, home, tmp_path):
    """The script names its programs by where they lay when it was installed: who sets PATH does not speak for them."""
    before, made = repo.at("main"), waiting_change(repo)
    fake = tmp_path / "bin"
    fake.mkdir()
    for name in ("timeout", "cat", "git"):
        (fake / name).write_text("#!/bin/sh\necho let-through\n")
        (fake / name).chmod(0o755)
    code, text = move(repo, "update-ref", "refs/heads/main", made, path=f"{fake}:{os.environ['PATH']}")
    assert (code, repo.at("main")) == (128, before)
    assert "held: refs/heads/main touches training" in text


def test_two_branches_that_go_away_together_do_not_vouch_for_each_other(repo, home):
    """One transaction, or an atomic push: what was in both would be in none."""
    repo.git("branch", "side")
    repo.git("switch", "--quiet", "--detach")
    code, text = move(
        repo,
        "update-ref",
        "--stdin",
        given=b"delete refs/heads/main\ndelete refs/heads/side\n",
        path=os.environ["PATH"],
    )
    assert code != 0
    assert "touches training" in text
    assert repo.at("main") == repo.at("side")


def test_a_branch_that_takes_a_new_name_in_one_transaction_takes_its_content_with_it(repo, home):
    """What goes away is in the branch that comes: nothing is lost, and nothing is asked."""
    at = repo.at("main")
    repo.git("branch", "side")
    repo.git("switch", "--quiet", "--detach")
    given = f"create refs/heads/new {at}\ndelete refs/heads/side\n".encode()
    assert move(repo, "update-ref", "--stdin", given=given, path=os.environ["PATH"]) == (0, "")


def test_a_trunk_that_goes_away_leaves_its_policy(repo, home):
    """Deleted while another branch has its commit: what it held is held as before, for that branch too."""
    let_in(repo, home, "policy", **{"detente-hook__toml": STRICT})
    repo.git("switch", "--quiet", "-c", "backup")
    repo.git("branch", "--delete", "--force", "main")
    repo.write(**{"prompts/a": "x"})
    assert "held: refs/heads/backup" in repo.commit("prompt", fails=True)
    install(repo, home)
    assert "held: refs/heads/backup" in repo.commit("prompt", fails=True), "installing again forgets nothing"


def test_a_branch_that_comes_back_is_compared_with_where_it_stood(repo, home):
    """To delete and to make anew is a move: what is held in one step is held in three."""
    first = repo.at()
    second = let_in(repo, home, "deeper", train__py="DEPTH = 9\n")
    assert "held: refs/heads/main" in repo.git("reset", "--quiet", "--hard", first, fails=True)
    repo.git("reset", "--quiet", "--hard")
    repo.git("switch", "--quiet", "-c", "backup")
    repo.git("branch", "--delete", "--force", "main")
    assert "held: refs/heads/main" in repo.git("branch", "main", first, fails=True)
    install(repo, home)
    assert "held: refs/heads/main" in repo.git("branch", "main", first, fails=True)
    repo.git("branch", "main", second)
    assert findings(repo, home).startswith("the hook is as it was installed")


def test_a_branch_that_comes_back_where_nobody_knows_any_more_is_compared_with_nothing(repo, home):
    """What it stood at is gone from the repository: all that it has now is asked for."""
    moves = repository_folder(home, repo.path / ".git") / "moves"
    with moves.open("a") as file:
        file.write(f"{'0' * 40} {'a' * 40} refs/heads/old\n{'a' * 40} {'0' * 40} refs/heads/old\n")
    text = repo.git("branch", "old", "main", fails=True)
    assert "held: refs/heads/old touches training (train.py)" in text
    assert "commit none to tree" in said(home, proposal_in(text))["summary"]


def test_a_trunk_that_its_own_policy_does_not_hold_holds_its_policy(repo, home):
    """Whoever may change the policy unasked decides what is held: on the trunk its file never moves unasked."""
    let_in(repo, home, "policy", **{"detente-hook__toml": '[git]\nrefs = ["refs/heads/release/*"]\n'})
    repo.write(train__py="DEPTH = 10\n")
    repo.commit("not held, as the policy says")
    repo.write(**{"detente-hook__toml": '[git]\nrefs = ["refs/heads/none"]\n'})
    assert "evaluation (detente-hook.toml)" in repo.commit("free all", fails=True)


def test_installing_again_keeps_the_trunk(repo, home):
    """The branch that happens to be checked out then, which may wait for a decision, does not become the one that decides."""
    before = repo.at("main")
    repo.git("switch", "--quiet", "-c", "proposed/free")
    repo.write(**{"detente-hook__toml": '[git]\nrefs = ["refs/heads/none"]\n', "train__py": "DEPTH = 99\n"})
    repo.commit("free myself")
    assert "refs/heads/main" in install(repo, home)
    assert "held: refs/heads/main" in repo.git("update-ref", "refs/heads/main", repo.at(), fails=True)
    assert repo.at("main") == before


def test_a_trunk_that_cannot_be_read_holds_everything(repo, home, tmp_path):
    """An object that is gone is no policy that is absent."""
    trunk = let_in(repo, home, "policy", **{"detente-hook__toml": STRICT})
    repo.git("branch", "side", f"{trunk}~1")
    repo.git("switch", "--quiet", "side")
    repo.write(**{"prompts/a": "x"})
    tree = repo.git("write-tree")
    made = repo.git("commit-tree", "-p", repo.at("side"), "-m", "prompt", tree)
    assert "held: refs/heads/side" in repo.git("update-ref", "refs/heads/side", made, fails=True)
    (repo.path / ".git" / "objects" / trunk[:2] / trunk[2:]).rename(tmp_path / "hidden")
    assert "held: refs/heads/side" in repo.git("update-ref", "refs/heads/side", made, fails=True)


def test_an_annotated_tag_that_is_held_is_no_finding(repo, home):
    """Git tells the tag's own id, and a listing may tell the commit's: they are one."""
    let_in(repo, home, "policy", **{"detente-hook__toml": '[git]\nrefs = ["refs/heads/*", "refs/tags/*"]\n'})
    repo.git("tag", "--annotate", "--message", "one", "v1")
    assert findings(repo, home).startswith("the hook is as it was installed")
    install(repo, home)
    assert findings(repo, home).startswith("the hook is as it was installed")


def test_a_copy_of_the_repository_speaks_for_itself_alone(repo, home, tmp_path):
    """Copied with its hook: what is moved there is held, and is no move of the repository that the hook was installed in."""
    copy = Repository(tmp_path / "copy")
    shutil.copytree(repo.path, copy.path, symlinks=True)
    copy.write(README__md="Words.\n")
    text = copy.commit("words", fails=True)
    assert "J10 held" in text
    assert "`detente hook git install` there" in text
    copy.git("branch", "backup", fails=True)
    copy.git("-c", "core.hooksPath=/dev/null", "branch", "backup")
    script = copy.path / ".git" / "hooks" / "reference-transaction"
    line = f"{'0' * 40} {copy.at()} refs/heads/backup\n".encode()
    subprocess.run([script, "committed"], input=line, cwd=copy.path, check=True, timeout=WITHIN_S)
    assert findings(repo, home).startswith("the hook is as it was installed")
    repo.git("switch", "--quiet", "--detach")
    assert "touches training" in repo.git("branch", "--delete", "--force", "main", fails=True)


def test_a_linked_working_tree_is_the_same_repository(repo, home, tmp_path):
    """Its moves are held and seen as those of any other place of it."""
    linked = Repository(tmp_path / "linked")
    repo.git("worktree", "add", "--quiet", "-b", "side", str(linked.path))
    linked.write(README__md="Words.\n")
    linked.commit("words")
    linked.write(train__py="DEPTH = 9\n")
    assert "held: refs/heads/side" in linked.commit("deeper", fails=True)
    assert findings(repo, home).startswith("the hook is as it was installed")


def test_another_repositorys_folder_in_the_environment_is_another_repository(repo, home, tmp_path):
    """Git would move the refs of one by the objects of another: the hook looks at one, and holds."""
    before, made = repo.at("main"), waiting_change(repo)
    other = tmp_path / "other.git"
    shutil.copytree(repo.path / ".git", other, symlinks=True)
    ways = {"GIT_DIR": str(other), "GIT_COMMON_DIR": str(repo.path / ".git")}
    repo.git("update-ref", "refs/heads/main", made, fails=True, **ways)
    assert repo.at("main") == before
    assert findings(repo, home).startswith("the hook is as it was installed")


def test_a_commit_that_git_shows_in_place_of_another_is_held(repo, home):
    """The branch would stand where it was approved, and read as what nobody saw."""
    before, made = repo.at("main"), waiting_change(repo)
    assert "refs/replace/" in repo.git("replace", before, made, fails=True)
    assert repo.git("show", "main:train.py") == "DEPTH = 8"
    assert findings(repo, home).startswith("the hook is as it was installed")
    repo.git("-c", "core.hooksPath=/dev/null", "replace", before, made)
    assert "came past the hook" in findings(repo, home)
    repo.git("replace", "--delete", before)
    assert findings(repo, home).startswith("the hook is as it was installed")


def test_a_branch_that_git_makes_without_a_hook_is_a_finding(repo, home):
    """A branch that is moved or copied by name: what git 2.39 runs no hook for is seen afterwards."""
    waiting_change(repo)
    repo.git("branch", "--copy", "proposed/deeper", "new")
    assert "refs/heads/new came past the hook" in findings(repo, home)
