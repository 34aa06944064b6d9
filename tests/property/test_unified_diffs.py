"""Unified diffs: what git and difflib write is read, nothing is left out, and no bytes do anything else."""

import difflib
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detente.measure.changes.unified import Diff, NoDiff, parse_unified, spell

LINES = st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=12), max_size=24)
FRAGMENTS = st.sampled_from(
    [
        "diff --git a/x b/x", "diff --git a/x b/y", "index 1..2 100644", "--- a/x", "+++ b/x", "--- /dev/null", "+++ /dev/null",
        "@@ -1 +1 @@", "@@ -1,2 +1,2 @@ def f():", "@@ -0,0 +1 @@", " a", "-a", "+a", "-- a/x", "", "\\ No newline at end of file",
        "rename from x", "rename to y", "new file mode 100644", "deleted file mode 100644", "Binary files a/x and b/x differ",
        'diff --git "a/\\303\\274" "b/\\303\\274"', "old mode 100644", "new mode 100755", "--- a/x\t", "similarity index 100%",
    ]
)  # fmt: skip


def applied(diff: Diff, before: list[str]) -> list[str]:
    """What the parsed hunks of the only file make of the lines before."""
    after: list[str] = []
    at = 0
    for hunk in diff.files[0].hunks:
        first = next((line.old for line in hunk.lines if line.old is not None), None)
        start = at if first is None else first - 1
        if first is None:
            start = int(hunk.head.split("-")[1].split(",")[0].split(" ")[0])
        after += before[at:start]
        at = start
        for line in hunk.lines:
            if line.kind != "added":
                assert before[at] == line.text
                at += 1
            if line.kind != "removed":
                after.append(line.text)
                assert line.new == len(after)
    return after + before[at:]


@given(LINES, LINES, st.integers(0, 4))
def test_a_diff_of_two_texts_makes_one_of_the_other(before: list[str], after: list[str], context: int):
    """Applying what was read to the one text gives the other, and line numbers are those of the texts."""
    text = "".join(f"{line}\n" for line in difflib.unified_diff(before, after, "a/x", "b/x", n=context, lineterm=""))
    if before == after:
        assert not text
        return
    diff = parse_unified(text.encode())
    assert applied(diff, before) == after
    assert spell(diff) == text.encode()


@settings(max_examples=400)
@given(
    st.one_of(
        st.binary(max_size=200), st.lists(FRAGMENTS, max_size=14).map(lambda each: ("\n".join(each) + "\n").encode())
    )
)
def test_any_bytes_are_a_diff_that_spells_the_same_or_none(data: bytes):
    """Nothing of the text is left out, no input raises anything but ``NoDiff``, and files are only ordered anew, never dropped."""
    try:
        diff = parse_unified(data)
    except NoDiff:
        return
    assert spell(diff) == data
    assert sorted(each.path for each in diff.by_weight()) == sorted(each.path for each in diff.files)


HIDING = [
    (b"a word before\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n", "line 1"),
    (b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n+c\n", "line 6"),
    (b"--- a/x\n+++ b/x\n@@ -1,9 +1 @@\n-a\n+b\n", "too early"),
    (b"--- a/x\n+++ b/y\n@@ -1 +1 @@\n-a\n+b\n", "two files"),
    (b"diff --git a/safe.py b/safe.py\n--- a/eval.py\n+++ b/eval.py\n@@ -1 +1 @@\n-a\n+b\n", "two files"),
    (b"diff --git a/x b/x\nrename from x\nrename to y\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n", None),
    (b"--- a/x\n+++ b/x\n", "nothing changes"),
    (b"--- /dev/null\n+++ /dev/null\n@@ -1 +1 @@\n-a\n+b\n", "nothing"),
    (b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b", "newline"),
    (b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-\xff\n+b\n", "UTF-8"),
    (b"GIT binary patch\n", "line 1"),
    (b'diff --git "a/\\x" "b/\\x"\n', "escape"),
]


@pytest.mark.parametrize(("data", "reason"), HIDING)
def test_a_text_that_would_hide_something_is_no_diff(data: bytes, reason: str | None):
    """Words between files, counts that do not come true, a file with two names: shown as they stand, not as a diff."""
    if reason is None:
        assert parse_unified(data).files[0].path == "x"
        return
    with pytest.raises(NoDiff, match=reason):
        parse_unified(data)


def test_what_matters_comes_first():
    """Evaluation, training, configuration, architecture, data; then what a path says nothing of, then what nothing is trained by."""
    one = "diff --git a/{0} b/{0}\n--- a/{0}\n+++ b/{0}\n@@ -1 +1 @@\n-a\n+b\n"
    paths = ["README.md", "thing.py", "data/mix.py", "model/attention.py", "train/loop.py", "eval/score.py"]
    diff = parse_unified("".join(one.format(path) for path in paths).encode())
    assert [each.path for each in diff.by_weight()] == [
        "eval/score.py",
        "train/loop.py",
        "model/attention.py",
        "data/mix.py",
        "thing.py",
        "README.md",
    ]


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not here")
def test_what_git_writes_is_read(tmp_path):
    """New, removed, renamed, binary, mode, odd names, no newline at the end: as git itself spells them."""

    def git(*words: str) -> bytes:
        return subprocess.run(["git", "-C", str(tmp_path), *words], check=True, capture_output=True).stdout

    git("init", "-q")
    (tmp_path / "goes.py").write_text("a\n")
    (tmp_path / "moves.py").write_text("".join(f"line {n}\n" for n in range(20)))
    (tmp_path / "open end.txt").write_text("a\nb")
    (tmp_path / "müll\t.py").write_text("x = 1\n")
    (tmp_path / "mode.sh").write_text("true\n")
    (tmp_path / "picture.bin").write_bytes(b"\0\1")
    git("add", "-A")
    git("-c", "user.name=n", "-c", "user.email=e@example.org", "commit", "-qm", "one")
    (tmp_path / "goes.py").unlink()
    (tmp_path / "moves.py").rename(tmp_path / "moved.py")
    (tmp_path / "open end.txt").write_text("a\nc")
    (tmp_path / "müll\t.py").write_text("x = 2\n")
    (tmp_path / "mode.sh").chmod(0o755)
    (tmp_path / "picture.bin").write_bytes(b"\0\2")
    (tmp_path / "new.py").write_text("y = 1\n")
    (tmp_path / "empty.py").write_text("")
    git("add", "-A")
    data = git("diff", "--cached", "-M", "HEAD")
    diff = parse_unified(data)
    assert spell(diff) == data
    assert {each.path: each.kind for each in diff.files} == {
        "goes.py": "removed", "moved.py": "renamed", "open end.txt": "changed", "müll\t.py": "changed", "mode.sh": "mode",
        "picture.bin": "binary", "new.py": "added", "empty.py": "added",
    }  # fmt: skip
    assert next(each.before for each in diff.files if each.path == "moved.py") == "moves.py"
