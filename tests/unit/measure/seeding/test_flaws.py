"""Where files can be made known-bad: each kind in its place, by syntax, with text that still reads and one thing changed."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.measure.changes.document_keys import changed_keys, document_keys
from detente.measure.seeding.flaws import FLAWS, find_flaws
from detente.measure.seeding.patch import FileText, is_plain, make_patch
from detente.measure.seeding.settings import find_setting_flaws

FILE = '''\
"""Train a small model. Größe in bytes."""
from detente import guard

MAX_LENGTH: int = 512


def split(data, n):
    train_rows = data[:n]
    test_rows = data[n:]
    return train_rows, test_rows


def check_scores(scores):
    """Refuse nonsense."""
    if not scores:
        raise ValueError("no scores")
    assert max(scores) <= 1, "größer"
    return sum(scores)


def run(model, load_dataset, g):
    model.register_forward_hook(print)
    rows = load_dataset("corpus", split="train", timeout=30)
    for row in rows:
        g.step()
    return rows
'''


def spoilt(name, text=FILE):
    return [flaw.spoil(text) for flaw in find_flaws(text) if flaw.name == name]


def test_every_kind_of_flaw_is_found_where_it_can_be():
    """One file with a place for each."""
    assert {flaw.name for flaw in find_flaws(FILE)} == set(FLAWS)


@pytest.mark.parametrize(
    ("name", "gone", "there"),
    [
        ("evaluation-disabled", 'raise ValueError("no scores")', "return sum(scores)"),
        ("test-data-in-training", "data[:n]", "train_rows = data[:]"),
        ("split-overlap", "data[n:]", "test_rows = data[:]"),
        ("hook-removed", "register_forward_hook", "rows = load_dataset("),
        ("limit-raised", "int = 512\n", "MAX_LENGTH: int = 5120"),
        ("guard-call-removed", "g.step()", "        pass\n"),
    ],
)
def test_a_flaw_changes_its_own_place(name, gone, there):
    """What is taken out is out, what stands beside it stays, layout and comments too."""
    made = spoilt(name)[0]
    assert gone not in made
    assert there in made
    changed = [(a, b) for a, b in zip(FILE.splitlines(), made.splitlines(), strict=False) if a != b]
    assert len(FILE.splitlines()) - len(made.splitlines()) in {0, 1, 2}
    assert changed


def test_a_split_that_is_loaded_takes_the_test_data_too():
    """Of a data set that is named by its split."""
    assert any('split="train+test"' in made for made in spoilt("test-data-in-training"))


def test_a_check_outside_an_evaluation_is_left_alone():
    """A constructor that refuses a bad argument is no evaluation."""
    text = "def build(x):\n    if not x:\n        raise ValueError\n    assert x\n    return x\n"
    assert find_flaws(text) == ()


def test_a_branch_that_does_more_than_raise_is_left_alone():
    """Taking it out would change more than the check."""
    text = "def validate(x):\n    if not x:\n        x = 1\n        raise ValueError\n    return x\n"
    assert find_flaws(text) == ()


def test_offsets_are_right_behind_characters_of_several_bytes():
    """A syntax tree counts bytes."""
    text = 'übergroß = "ß"; max_größe = 7\n'
    [flaw] = find_flaws(text)
    assert flaw.spoil(text) == 'übergroß = "ß"; max_größe = 70\n'


@pytest.mark.parametrize(
    "text", ["def f(:\n", "x = " + "(" * 300 + ")" * 300, "x = 1\r\n", "\0", "max_x = " + "-" * 500 + "1"]
)
def test_what_cannot_be_read_has_no_place(text):
    """And costs no exception."""
    assert find_flaws(text) == ()


NAMES = st.sampled_from(["train_rows", "test_x", "max_steps", "loss", "limit", "validate", "hook", "g"])
LINES = st.one_of(
    st.builds("{} = {}".format, NAMES, st.integers(0, 99)),
    st.builds("{} = data[:{}]".format, NAMES, st.integers(0, 9)),
    st.builds("{} = data[{}:]".format, NAMES, st.integers(0, 9)),
    st.builds("g.step({})".format, NAMES),
    st.builds("add_{}(1)".format, NAMES),
    st.builds("def {}():\n    assert 1\n    return 2".format, NAMES),
    st.builds("if {}: raise ValueError".format, NAMES),
)


@given(st.lists(LINES, max_size=8))
def test_what_comes_out_parses_and_differs(lines):
    """For every file and every place in it."""
    text = "\n".join(lines)
    for flaw in find_flaws(text):
        made = flaw.spoil(text)
        assert ast.dump(ast.parse(made)) != ast.dump(ast.parse(text))


SETTINGS = [
    ("a.yaml", "train:\n  max_steps: 500 # enough\neval:\n  enabled: true\n  every: 10\n"),
    ("a.toml", "[limits]\nmax_steps = 500\n[eval]\nrun_tests = true\n"),
    ("a.json", '{\n  "max_steps": 500,\n  "evaluate": true\n}\n'),
]


@pytest.mark.parametrize(("path", "text"), SETTINGS)
def test_a_setting_is_spoilt_in_one_key(path, text):
    """The file still reads, and one key differs."""
    flaws = find_setting_flaws(path, text)
    assert {flaw.name for flaw in flaws} == {"limit-raised", "evaluation-disabled"}
    for flaw in flaws:
        before, after = document_keys(path, text.encode()), document_keys(path, flaw.spoil(text).encode())
        assert len(changed_keys(before, after)) == 1


def test_a_setting_that_is_about_nothing_of_the_kind_is_left_alone():
    """Turning off a logo catches nobody."""
    assert find_setting_flaws("a.yaml", "page:\n  logo: true\n  width: 40\n") == ()


def test_paths_that_could_name_something_else_are_not_plain():
    """A patch names files of its tree alone."""
    assert is_plain("a/b-c.py")
    for path in ("/etc/passwd", "a/../b", "a b", "a\nb", "./a", "a//b", "", '"a"', "größe.py"):
        assert not is_plain(path)


def test_a_patch_says_where_a_last_line_does_not_end():
    """As git writes it."""
    made = make_patch(
        [FileText("a.txt", "one", "one\n"), FileText("b.txt", None, "x\n"), FileText("c.txt", "same", "same")]
    )
    assert "-one\n\\ No newline at end of file\n+one\n" in made
    assert "new file mode 100644\n--- /dev/null\n+++ b/b.txt\n" in made
    assert "c.txt" not in made
