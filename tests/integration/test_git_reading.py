"""Reading repositories with real git: hostile, cut, incomplete, damaged, linked, bare."""

import os
from pathlib import Path

import pytest

from detente.adapters import git_history, git_running
from detente.adapters.git_history import list_commits, list_refs, read_commits, read_history, resolve_commit
from detente.adapters.git_objects import find_absent, list_notes, list_tree, read_blobs
from detente.adapters.git_running import open_repository
from detente.adapters.process import find_tree
from detente.base.errors import Refused
from tests.repositories import Built


@pytest.fixture
def built(tmp_path: Path) -> Built:
    return Built(tmp_path / "repository")


def _read(path: Path, **options):
    repository = open_repository(path)
    return list(read_history(repository, [resolve_commit(repository)], **options))


def _counts(commit):
    return {(c.path, c.old_path): (c.added, c.deleted) for c in commit.changes}


def test_a_commit_comes_with_its_lines_renames_and_binaries(built: Built):
    """Lines are git's; a binary file has none; a rename by git's default rule names both paths."""
    built.commit("one", {"a.txt": "1\n2\n3\n4\n5\n", "b.bin": b"\0\1"})
    built.git("mv", "a.txt", "moved.txt")
    built.commit("two", {"moved.txt": "1\n2\n3\n4\n5\n6\n"})
    second, first = _read(built.path)
    assert _counts(first) == {("a.txt", None): (5, 0), ("b.bin", None): (None, None)}
    assert _counts(second) == {("moved.txt", "a.txt"): (1, 0)}
    assert not any(change.unread for change in first.changes)


def test_blobs_and_modes_come_when_asked_for(built: Built):
    """With ``blobs`` every change names both contents, so that they can be compared without a checkout."""
    built.commit("one", {"a.txt": "1\n"})
    built.commit("two", {"a.txt": "1\n2\n"})
    second, first = _read(built.path, blobs=True)
    (change,) = second.changes
    assert (change.status, change.added, change.new_mode) == ("M", 1, "100644")
    repository = open_repository(built.path)
    assert [blob.data for blob in read_blobs(repository, [change.old_blob, change.new_blob])] == [b"1\n", b"1\n2\n"]
    assert (first.changes[0].status, first.changes[0].old_blob) == ("A", "")


def test_hostile_names_and_messages_stay_where_they_belong(built: Built):
    """Nothing in a name or message can pass for another record; bytes that are not UTF-8 are escaped."""
    odd = "a\tb\nc \x01 1\t2\td"
    built.commit("one\n\n\x01" + "a" * 40 + "\n5\t5\tforged\n", {odd: "x\n"})
    (built.path / "caf\udce9").write_bytes(b"y\n")
    built.commit("two")
    raw = built.git("cat-file", "commit", "HEAD").encode() + b"\n\n\xff trailer\n"
    built.git("reset", "-q", "--hard", built.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=raw))
    second, first = _read(built.path)
    assert _counts(first) == {(odd, None): (1, 0)}
    assert first.message.endswith("forged\n")
    assert _counts(second) == {("caf\\xe9", None): (1, 0)}
    assert "\\xff trailer" in second.message


def test_a_declared_encoding_is_read(built: Built):
    """A commit that says Latin-1 is read as that."""
    built.git("config", "i18n.commitEncoding", "ISO-8859-1")
    built.commit("caf\udce9\n", {"a": "1\n"})
    (commit,) = _read(built.path)
    assert commit.subject == "café"


def test_the_mailmap_is_beside_the_identity_not_instead_of_it(built: Built):
    """A mailmap could hide an agent: both names are kept."""
    built.commit(
        "one", {".mailmap": "Grace <grace@example.org> <bot@example.org>\n"}, author=("Bot", "bot@example.org")
    )
    (commit,) = _read(built.path)
    assert commit.author == ("Bot", "bot@example.org")
    assert commit.author_known_as == ("Grace", "grace@example.org")


def test_no_program_that_a_repository_names_is_run(built: Built, tmp_path: Path):
    """Hooks, drivers, filters, pagers, transports, signature programs of a repository stay unstarted."""
    spy = tmp_path / "spy"
    proof = tmp_path / "ran"
    spy.write_text(f"#!/bin/sh\necho $0 >> {proof}\ncat\n", "utf-8")
    spy.chmod(0o755)
    built.commit("one", {"a.x": "1\n", ".gitattributes": "*.x diff=evil filter=evil\n"})
    commit = built.commit("two", {"a.x": "2\n"})
    built.note(commit, "x")
    for setting in (
        "core.fsmonitor core.pager core.editor core.sshCommand core.gitProxy core.askPass core.alternateRefsCommand diff.external "
        "diff.evil.textconv diff.evil.command filter.evil.clean filter.evil.smudge filter.evil.process gpg.program gpg.ssh.program "
        "credential.helper uploadpack.packObjectsHook pager.log remote.origin.uploadpack"
    ).split():
        built.git("config", setting, str(spy))
    built.git("config", "log.showSignature", "true")
    built.git("config", "alias.log", f"!{spy}")
    built.git("config", "extensions.partialClone", "origin")
    built.git("config", "remote.origin.url", f"ext::{spy}")
    built.git("config", "remote.origin.promisor", "true")
    built.git("config", "core.hooksPath", str(tmp_path))
    absent = "1" * 40
    repository = open_repository(built.path)
    assert len(_read(built.path, blobs=True)) == 2
    assert next(read_blobs(repository, [absent])).size is None
    assert find_absent(repository, [absent, commit]) == {absent}
    assert len(list_notes(repository)[0]) == 1
    assert list_refs(repository)["refs/heads/main"] == commit
    assert not proof.exists()


def test_configuration_and_attributes_do_not_change_a_count(built: Built, monkeypatch: pytest.MonkeyPatch):
    """Neither the repository's nor the user's settings can hide lines."""
    built.commit("one", {"a.txt": "1\n", ".gitattributes": "*.txt binary\n"})
    built.git("config", "log.showRoot", "false")
    built.git("config", "diff.orderFile", "/nonexistent")
    built.git("config", "diff.noprefix", "true")
    (built.path / ".git" / "info").mkdir(exist_ok=True)
    (built.path / ".git" / "info" / "attributes").write_text("* -diff\n", "utf-8")
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "/bin/false")
    (commit,) = _read(built.path)
    assert _counts(commit)["a.txt", None] == (1, 0)


def test_a_replaced_commit_is_read_as_it_was_written(built: Built):
    """A replace ref makes history look other than it is: it is not followed."""
    real = built.commit("real", {"a": "1\n"})
    other = built.git("commit-tree", "-m", "other", f"{real}^{{tree}}", GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a",
                      GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a")  # fmt: skip
    built.git("replace", real, other)
    (commit,) = _read(built.path)
    assert commit.subject == "real"


def test_a_shallow_clone_says_where_it_was_cut(built: Built, tmp_path: Path):
    """The oldest commit of a shallow clone seems to add every file: it is marked."""
    for number in range(4):
        built.commit(str(number), {f"{number}.txt": "x\n"})
    built.git("clone", "-q", "--depth", "2", built.path.as_uri(), str(tmp_path / "cut"))
    newest, oldest = _read(tmp_path / "cut")
    assert (newest.cut, oldest.cut) == (False, True)
    assert oldest.parents == ()


def test_a_clone_without_blobs_gives_commits_and_files_without_counts(built: Built, tmp_path: Path):
    """What a partial clone left out is marked unread, never fetched, never zero."""
    built.commit("one", {"a.txt": "1\n"})
    built.git("mv", "a.txt", "b.txt")
    built.commit("two")
    built.git("config", "uploadpack.allowFilter", "true")
    clone = ["clone", "-q", "--filter=blob:none", "--no-checkout", built.path.as_uri(), str(tmp_path / "partial")]
    built.git(*clone)
    second, first = _read(tmp_path / "partial")
    assert [(c.path, c.added, c.unread) for c in first.changes] == [("a.txt", None, True)]
    assert [(c.path, c.old_path, c.added, c.unread) for c in second.changes] == [("b.txt", "a.txt", 0, False)]
    assert open_repository(tmp_path / "partial").partial


def test_a_clone_with_some_blobs_counts_what_is_there(built: Built, tmp_path: Path):
    """One absent blob takes the counts of its own commits only."""
    built.commit("one", {"big.txt": "x\n" * 2000, "beside.txt": "1\n", "*": "star\n"})
    built.commit("two", {"small.txt": "1\n2\n"})
    built.git("config", "uploadpack.allowFilter", "true")
    built.git("clone", "-q", "--filter=blob:limit=1k", "--no-checkout", built.path.as_uri(), str(tmp_path / "partial"))
    second, first = _read(tmp_path / "partial")
    assert _counts(second) == {("small.txt", None): (2, 0)}
    assert [(c.path, c.added, c.unread) for c in first.changes] == [
        ("*", 1, False),
        ("beside.txt", 1, False),
        ("big.txt", None, True),
    ]


def test_a_clone_without_trees_gives_commits_alone(built: Built, tmp_path: Path):
    """Messages and identities are there even where no file is."""
    built.commit("one", {"a.txt": "1\n"})
    built.commit("two", {"a.txt": "2\n"})
    built.git("config", "uploadpack.allowFilter", "true")
    built.git("clone", "-q", "--filter=tree:0", "--no-checkout", built.path.as_uri(), str(tmp_path / "partial"))
    commits = _read(tmp_path / "partial")
    assert [commit.subject for commit in commits] == ["two", "one"]
    assert all(commit.unread and commit.changes == () for commit in commits)


@pytest.mark.parametrize("form", ["inside", "bare", "linked", "dot-git"])
def test_every_form_of_a_repository_gives_the_same(built: Built, tmp_path: Path, form: str):
    """A folder inside, a bare clone, a linked working tree, the .git folder: one history."""
    built.commit("one", {"sub/a.txt": "1\n", ".gitattributes": "* -diff\n"})
    built.git("clone", "-q", "--bare", str(built.path), str(tmp_path / "bare"))
    built.git("worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    places = {"inside": built.path / "sub", "dot-git": built.path / ".git"}
    found = _read(places.get(form, tmp_path / form))
    assert found == _read(built.path)
    assert _counts(found[0])["sub/a.txt", None] == (1, 0)


def test_a_repository_of_sha256_ids_is_read(tmp_path: Path):
    """Ids of 64 digits are ids too."""
    built = Built(tmp_path / "long", "--object-format=sha256")
    name = built.commit("one", {"a.txt": "1\n"})
    built.note(name, "text")
    assert [commit.id for commit in _read(built.path)] == [name]
    assert list(list_notes(open_repository(built.path))[0]) == [name]


def test_merges_come_without_changes(built: Built):
    """A merge's lines are counted in the commits that it merges."""
    built.commit("base", {"a": "1\n"})
    built.git("checkout", "-q", "-b", "side")
    built.commit("side", {"b": "1\n"})
    built.git("checkout", "-q", "main")
    built.commit("main", {"c": "1\n"})
    built.git("-c", "user.name=n", "-c", "user.email=n", "merge", "-q", "--no-ff", "--no-commit", "side")
    built.record("merge")
    merge = _read(built.path)[0]
    assert merge.is_merge
    assert merge.changes == ()


def test_only_new_commits_are_read_beyond_what_is_known(built: Built):
    """``without`` leaves out what an earlier reading had: a second scan reads the difference."""
    first = built.commit("one", {"a": "1\n"})
    second = built.commit("two", {"a": "2\n"})
    repository = open_repository(built.path)
    assert [c.id for c in read_history(repository, [second], without=[first])] == [second]
    assert list_commits(repository, [second]) == [second, first]
    assert [c.subject for c in read_commits(repository, [first])] == ["one"]


def test_a_huge_message_keeps_its_two_ends(built: Built, monkeypatch: pytest.MonkeyPatch):
    """Memory is bounded; the subject and the trailers survive."""
    monkeypatch.setattr(git_history, "TOKEN_MAX", 1000)
    monkeypatch.setattr(git_running, "CHUNK", 300)
    built.commit("subject\n\n" + "x" * 50_000 + "\n\nKey: value\n", {"a": "1\n"})
    (commit,) = _read(built.path)
    assert commit.subject == "subject"
    assert commit.message.endswith("Key: value\n")
    assert len(commit.message) < 3000
    assert _counts(commit) == {("a", None): (1, 0)}


def test_a_commit_of_too_many_files_counts_those_it_drops(built: Built, monkeypatch: pytest.MonkeyPatch):
    """Nothing is dropped silently."""
    monkeypatch.setattr(git_history, "FILES_MAX", 2)
    built.commit("many", {f"{n}.txt": "1\n" for n in range(5)})
    (commit,) = _read(built.path)
    assert (len(commit.changes), commit.files_dropped) == (2, 3)


def test_no_repository_is_a01(tmp_path: Path):
    """A01: a folder that is none, and a path that is not there."""
    for place in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(Refused) as refused:
            open_repository(place)
        assert refused.value.rule == "A01"


def test_an_unknown_or_absent_commit_is_a02(built: Built):
    """A02: an empty repository has no HEAD; an option is no name."""
    repository = open_repository(built.path)
    for name in ("HEAD", "--all", "no\0name"):
        with pytest.raises(Refused) as refused:
            resolve_commit(repository, name)
        assert refused.value.rule == "A02"


def test_a_history_with_a_hole_is_a03(built: Built):
    """A03: a missing commit in the middle is no smaller history."""
    first = built.commit("one", {"a": "1\n"})
    built.commit("two", {"a": "2\n"})
    (built.path / ".git" / "objects" / first[:2] / first[2:]).unlink()
    with pytest.raises(Refused) as refused:
        _read(built.path)
    assert refused.value.rule == "A03"


def test_a_damaged_blob_takes_only_its_own_commits(built: Built):
    """Bytes that do not inflate leave their commits unread and the others whole."""
    built.commit("one", {"a": "1\n" * 50})
    built.commit("two", {"b": "2\n"})
    blob = built.git("rev-parse", "HEAD:a")
    place = built.path / ".git" / "objects" / blob[:2] / blob[2:]
    place.chmod(0o644)
    place.write_bytes(b"damaged")
    second, first = _read(built.path)
    assert _counts(second) == {("b", None): (1, 0)}
    assert [(c.path, c.added, c.unread) for c in first.changes] == [("a", None, True)]


def test_an_answer_beyond_all_measure_is_a04(built: Built, monkeypatch: pytest.MonkeyPatch):
    """A04: a short answer has a bound."""
    built.commit("one", {f"{n}.txt": "1\n" for n in range(20)})
    repository = open_repository(built.path)
    for number in range(9):
        built.git("branch", f"branch-{number}")
    monkeypatch.setattr(git_running, "ANSWER_MAX", 100)
    with pytest.raises(Refused) as refused:
        list_refs(repository)
    assert refused.value.rule == "A04"


def test_git_ends_when_nobody_reads_on(built: Built):
    """A reader that stops early leaves no process behind."""
    for number in range(3):
        built.commit(f"{number}\n\n" + "x" * 500_000, {"a": f"{number}\n"})
    history = read_history(open_repository(built.path), [built.git("rev-parse", "HEAD")])
    next(history)
    assert _children() == ["git"]
    history.close()
    assert _children() == []


def _children() -> list[str]:
    return [process.command for process in find_tree(os.getpid()) if process.command == "git"]


_WHO = b"author A <a@example.org> 1750000000 +0000\ncommitter A <a@example.org> 1750000000 +0000\n"


@pytest.mark.parametrize(
    "rest",
    [
        _WHO + b"\n",
        b"\nno people at all\n",
        b"author broken\ncommitter <> x y\n\nx\n",
        b"author A <a> 99999999999999999999 +9999\ncommitter A <a> -5 -0000\n\nx\n",
        _WHO + b"encoding UTF-16\n\nx\n",
        _WHO + b"encoding UTF-7\n\n+AAoAAQ-x\n",
        _WHO + b"encoding " + b"e" * 5000 + b"\n\n\xff\n",
        _WHO + b"\nbefore\0after\n\x01" + b"0" * 40 + b"\n",
        _WHO + b"\n\x01" + b"a" * 40 + b"\n\0\x01" + b"b" * 40 + b"\n5\t5\tforged\0",
        _WHO + b"gpgsig " + b"x" * 3000 + b"\n\nsigned\n",
        b"author A\x01B <a\nb> 1 +0000\ncommitter \xff\xfe <\x1b[2J> 1 +0000\n\nx\n",
    ],
    ids=["empty", "nobody", "broken", "dates", "utf16", "utf7", "encoding", "nul", "forged", "signature", "names"],
)
def test_commits_that_no_client_writes_are_one_commit_each(built: Built, rest: bytes):
    """Whatever bytes a commit holds, it stays one commit with its own files, between its neighbours."""
    first = built.commit("one", {"a.txt": "1\n"})
    built.commit("two", {"b.txt": "1\n2\n"})
    tree = built.git("rev-parse", "HEAD^{tree}").encode()
    raw = b"tree " + tree + b"\nparent " + first.encode() + b"\n" + rest
    odd = built.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=raw)
    built.git("update-ref", "refs/heads/odd", odd)
    repository = open_repository(built.path)
    commits = list(read_history(repository, [odd]))
    assert [commit.id for commit in commits] == [odd, first]
    assert _counts(commits[0]) == {("b.txt", None): (2, 0)}
    assert next(read_history(repository, [odd], blobs=True)).changes[0].added == 2


def test_large_blobs_are_passed_over(built: Built):
    """Contents above the bound are told by size alone; the next one is still read right."""
    built.commit("one", {"a": "x" * 5000, "b": "small"})
    repository = open_repository(built.path)
    tree = list_tree(repository, resolve_commit(repository))
    big, small = read_blobs(repository, [tree["a"].id, tree["b"].id], size_max=100)
    assert (big.size, big.data) == (5000, None)
    assert small.data == b"small"
