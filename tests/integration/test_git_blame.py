"""Where lines come from, asked of real git: through renames and later edits, and never outside the file."""

import pytest

from detente.adapters.git_blame import Origin, find_origins
from detente.adapters.git_running import open_repository
from tests.repositories import Built


@pytest.fixture
def built(tmp_path):
    return Built(tmp_path / "repository")


def test_each_run_of_lines_is_traced_to_the_commit_that_added_it(built):
    """Lines added in between split what was there: three runs, two commits."""
    one = built.commit("one", {"a.py": "1\n2\n3\n4\n"})
    two = built.commit("two", {"a.py": "1\n2\nnew\n3\n4\n"})
    found = find_origins(open_repository(built.path), two, "a.py", ((1, 5),))
    assert sorted(found, key=lambda origin: (origin.commit != one, origin.first)) == [
        Origin(one, "a.py", 1, 2), Origin(one, "a.py", 3, 4), Origin(two, "a.py", 3, 3),
    ]  # fmt: skip


def test_only_the_lines_that_are_asked_for_are_told(built):
    """Two ranges, and nothing between them."""
    one = built.commit("one", {"a.py": "1\n2\n3\n4\n5\n"})
    found = find_origins(open_repository(built.path), one, "a.py", ((1, 1), (4, 5)))
    assert sorted(found) == [Origin(one, "a.py", 1, 1), Origin(one, "a.py", 4, 5)]


def test_a_line_is_followed_through_a_rename_to_the_name_it_had(built):
    """The path is that of the commit which added it, also where it cannot be written without quotes."""
    one = built.commit("one", {"ä b.py": "1\n2\n3\n4\n"})
    built.git("mv", "ä b.py", "c.py")
    two = built.commit("two")
    assert find_origins(open_repository(built.path), two, "c.py", ((2, 3),)) == (Origin(one, "ä b.py", 2, 3),)


def test_an_older_revision_is_asked_about_itself(built):
    """What came later is not in it."""
    one = built.commit("one", {"a.py": "1\n2\n"})
    built.commit("two", {"a.py": "0\n1\n2\n"})
    assert find_origins(open_repository(built.path), one, "a.py", ((1, 2),)) == (Origin(one, "a.py", 1, 2),)


@pytest.mark.parametrize(
    ("revision", "path", "lines"),
    [("HEAD", "a.py", ((3, 3),)), ("HEAD", "b.py", ((1, 1),)), ("0" * 40, "a.py", ((1, 1),)), ("HEAD", "a\0b", ((1, 1),))],
    ids=["line", "file", "revision", "name"],
)  # fmt: skip
def test_what_is_not_there_has_no_origin(built, revision, path, lines):
    """None, which is not the same as no lines."""
    head = built.commit("one", {"a.py": "1\n2\n"})
    assert find_origins(open_repository(built.path), head if revision == "HEAD" else revision, path, lines) is None
