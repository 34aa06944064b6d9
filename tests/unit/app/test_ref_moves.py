"""Which refs and paths are held, and how what git says is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.app.ref_moves.journal import Journal, parse_moves
from detente.app.ref_moves.policy import Policy, parse_policy, policy_of
from detente.app.ref_moves.touching import EMPTY_TREES, Touched
from detente.base.errors import Refused

A, B, C, NOTHING = "a" * 40, "b" * 40, "c" * 40, "0" * 40


def test_by_default_branches_are_held_and_proposed_ones_are_not():
    """What waits for a decision must be able to lie somewhere."""
    policy = Policy()
    assert policy.holds_ref("refs/heads/main")
    assert policy.holds_ref("refs/heads/deep/er")
    assert not policy.holds_ref("refs/heads/proposed/wider")
    assert not policy.holds_ref("refs/remotes/origin/main")
    assert {
        area for area in ("training", "optimisation", "architecture", "evaluation", "data") if policy.holds_area(area)
    } == {
        "training",
        "optimisation",
        "architecture",
        "evaluation",
    }


def test_the_policy_holds_itself():
    """Whoever may edit the policy decides what is held: that is never free."""
    assert parse_policy(b"[git]\nhold = []\n").names("detente-hook.toml")


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        b"[git",
        b"[other]\n",
        b"git = 1\n",
        b"[git]\nholds = ['training']\n",
        b"[git]\nhold = ['everything']\n",
        b"[git]\nhold = 'training'\n",
        b"[git]\nhold = [1]\n",
        b"[git]\nrefs = ['main']\n",
        b"[git]\nrefs = ['refs/remotes/*']\n",
        b"[git]\nalso = ['']\n",
        b"[git]\nalso = [" + b"'x'," * 65 + b"]\n",
        b"#" * 70_000,
    ],
)
def test_a_policy_that_does_not_read_is_refused_and_holds_everything(data):
    """J11; and until it is mended no path is free, no ref waits."""
    with pytest.raises(Refused) as refused:
        parse_policy(data)
    assert (refused.value.rule, refused.value.kind) == ("J11", "malformed")
    broken = policy_of(data)
    assert broken.names("README.md")
    assert broken.holds_ref("refs/heads/proposed/x")


def test_what_git_says_is_read_line_by_line():
    """Names may hold spaces; a symbolic ref stands in the form of later gits."""
    text = f"{A} {B} refs/heads/main\n{NOTHING} ref:refs/heads/main refs/heads/odd name\n".encode()
    assert parse_moves(text) == [
        (A, B, "refs/heads/main"),
        (NOTHING, "ref:refs/heads/main", "refs/heads/odd name"),
    ]
    assert parse_moves(b"") == []


@pytest.mark.parametrize("data", [b"x\n", b"a b c\n", f"{A} {B}\n".encode(), f"{A} {B} \n".encode(), b"\n\n"])
def test_what_git_would_not_say_is_refused(data):
    """J14: whatever else comes holds the move."""
    with pytest.raises(Refused) as refused:
        parse_moves(data)
    assert (refused.value.rule, refused.value.kind) == ("J14", "malformed")


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader_of_moves(data):
    """Moves or J14, nothing else."""
    rule = ""
    try:
        parse_moves(data)
    except Refused as refused:
        rule = refused.rule
    assert rule in {"", "J14"}


def test_the_journal_knows_where_each_ref_was_seen_last(tmp_path):
    """The last line of a ref counts; a deletion is one; a line that a crash cut short is none."""
    journal = Journal(tmp_path)
    journal.store({"refs/heads/main": A, "refs/heads/gone": A}, 40, stood={})
    with journal.path.open("a") as file:
        file.write(f"{A} {B} refs/heads/main\n{A} {NOTHING} refs/heads/gone\n{B} {A} HEAD\n{B} 123")
    assert journal.last_seen() == {"refs/heads/main": B, "refs/heads/gone": "", "HEAD": A}


def test_the_journal_knows_every_place_of_a_ref(tmp_path):
    """Each ref's own moves count, since the record began; where another one was is no place of it."""
    journal = Journal(tmp_path)
    journal.store({"refs/heads/main": A}, 40, stood={})
    with journal.path.open("a") as file:
        file.write(f"{A} {B} refs/heads/main\n{NOTHING} {C} refs/heads/side\n")
    assert journal.seen_at("refs/heads/main", A)
    assert journal.seen_at("refs/heads/main", B)
    assert not journal.seen_at("refs/heads/main", C)


def test_no_ref_goes_back_unasked_unless_the_policy_names_it():
    """By default none; a policy that does not read names none."""
    assert not policy_of(None).goes_back("refs/heads/main")
    policy = policy_of(b'[git]\nback = ["refs/heads/tries/*"]\n')
    assert policy.goes_back("refs/heads/tries/a")
    assert not policy.goes_back("refs/heads/main")
    assert not policy_of(b'[git]\nback = ["refs/heads/*"]\nodd = 1\n').goes_back("refs/heads/main")


def test_a_record_that_is_gone_is_a_finding(tmp_path):
    """J13: without it nobody knows what went past the hook, so nothing is compared with nothing."""
    with pytest.raises(Refused) as refused:
        Journal(tmp_path).last_seen()
    assert (refused.value.rule, refused.value.kind) == ("J13", "inconsistent")


def test_an_undetermined_part_leaves_the_areas_undeclared():
    """Law 1: a list that names less than is touched would hold less."""
    touched = Touched()
    touched.add("data", "data.py", held=False)
    touched.add("optimisation", "muon.py", held=True)
    assert touched.declared == {"training", "data"}
    touched.add("undetermined", "link", held=True)
    assert touched.declared == set()
    assert touched.held


def test_the_trees_of_nothing_are_what_git_says():
    """SHA-1 and SHA-256 of git's empty tree object."""
    import hashlib

    assert EMPTY_TREES == {
        40: hashlib.sha1(b"tree 0\0", usedforsecurity=False).hexdigest(),
        64: hashlib.sha256(b"tree 0\0").hexdigest(),
    }
