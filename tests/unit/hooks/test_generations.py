"""A generation begins and is taken over with leave alone; whatever goes wrong is a reason to wait."""

import asyncio
import dataclasses
import pickle
import sys
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.base.errors import Misuse, Refused, Unavailable
from detente.guard.answer import Answer
from detente.hooks.loops import generations, openevolve
from detente.hooks.loops.changes import change_of, change_of_patch, digest_sources, digest_text, spell_change
from detente.hooks.loops.generations import (
    PAST_THE_HOOK,
    Generation,
    Loop,
    change_question,
    has_taken,
    note_taken,
)
from detente.hooks.loops.running import start
from detente.hooks.loops.seams import needed
from detente.measure.changes.unified import parse_unified, spell

OLD, NEW = {"program.py": "LEVEL = 0\n"}, {"program.py": "LEVEL = 1\n"}
CHANGE = change_of(OLD, NEW)


@pytest.fixture
def loop(tmp_path):
    return Loop(program="openevolve", run="loop-openevolve", home=str(tmp_path))


class Asked:
    """Stands for the accord: each question is answered by the next word, and the last one for good."""

    def __init__(self, monkeypatch, *words):
        self.questions = []
        self._words = list(words)
        monkeypatch.setattr(generations, "_answer", self._answer)
        monkeypatch.setattr(generations, "ASK_FIRST_S", 0.0)

    def _answer(self, question, _home):
        self.questions.append(question)
        word = self._words.pop(0) if len(self._words) > 1 else self._words[0]
        verdict = "allow" if word == "allow" else "hold"
        allowance = types.SimpleNamespace() if word == "allow" else None
        return Answer(verdict=verdict, act=question.act, reasons=(word,), allowance=allowance)


def test_a_generation_waits_until_it_may_begin_and_tells_each_reason_once(loop, monkeypatch, capsys):
    """Asked again and again; a person reads what holds it when that changes, and not each time."""
    asked = Asked(monkeypatch, "paused", "paused", "no answer", "allow")
    Generation(loop, "iteration 1").begin()
    assert len(asked.questions) == 4
    assert capsys.readouterr().err.splitlines() == [
        "detente: openevolve: iteration 1 may not begin: paused",
        "detente: openevolve: iteration 1 may not begin: no answer",
    ]


def test_a_child_is_proposed_as_a_diff_for_one_use_and_kept_once_let_through(loop, monkeypatch):
    """The question names both by all their bytes; the approval is for this child, once."""
    asked = Asked(monkeypatch, "held", "allow")
    Generation(loop, "iteration 1").take(CHANGE)
    first, second = asked.questions
    assert first.act == second.act
    assert first.once
    assert first.proposal.proposed_by.kind == "model"
    assert first.proposal.touches == ()
    assert digest_sources(OLD) in first.proposal.summary
    assert digest_sources(NEW) in first.proposal.summary
    assert b"-LEVEL = 0\n+LEVEL = 1\n" in first.change
    assert has_taken(loop, digest_text(NEW["program.py"]))


def test_another_parent_or_another_child_is_another_act(loop):
    """An approval never stands in for what it was not given for."""
    acts = {
        change_question(loop, "x", change_of(old, new)).act
        for old, new in (
            (OLD, NEW),
            (NEW, OLD),
            (OLD, {"program.py": "LEVEL = 2\n"}),
            (OLD, {"other.py": "LEVEL = 1\n"}),
        )
    }
    assert len(acts) == 4
    other = dataclasses.replace(loop, run="another")
    assert change_question(other, "x", CHANGE).act not in acts


def test_the_same_child_in_a_later_generation_needs_an_approval_of_its_own(loop, monkeypatch):
    """One approval, one generation; within one generation a second evaluation of the same child asks nothing."""
    asked = Asked(monkeypatch, "allow")
    generation = Generation(loop, "iteration 1")
    generation.take(CHANGE)
    generation.take(CHANGE)
    assert len(asked.questions) == 1
    Generation(loop, "iteration 2").take(CHANGE)
    assert len(asked.questions) == 2


def test_a_child_that_is_its_parent_is_no_change(loop, monkeypatch):
    """Nothing is asked, and it is let through."""
    asked = Asked(monkeypatch, "held")
    Generation(loop, "iteration 1").take(change_of(OLD, dict(OLD)))
    assert asked.questions == []
    assert has_taken(loop, digest_text(OLD["program.py"]))


def test_one_generation_has_the_turn(loop, monkeypatch):
    """Another one, of whatever process, begins when the first has ended."""
    Asked(monkeypatch, "allow")
    first, second = Generation(loop, "1"), Generation(loop, "2")
    first.begin()
    beginning = second._beginning()
    assert next(beginning) == generations.TURN_S
    first.end()
    assert list(beginning) == []
    second.end()


def test_a_generation_that_was_cancelled_keeps_no_turn(loop, monkeypatch):
    """Its question may come to an end after it: the turn goes to the next one."""
    Asked(monkeypatch, "allow")
    first, second = Generation(loop, "1"), Generation(loop, "2")
    first.end()
    assert next(first._beginning()) == generations.TURN_S
    second.begin()


def test_without_a_place_to_write_nothing_begins_and_nothing_is_taken(loop, monkeypatch, capsys):
    """A record that cannot be kept holds, with the reason."""
    Asked(monkeypatch, "allow")
    blocked = dataclasses.replace(loop, home="/dev/null")
    assert next(Generation(blocked, "1")._beginning()) == generations.TURN_S
    taking = Generation(blocked, "1")._taking(CHANGE)
    assert [next(taking), next(taking)] == [0.0, 0.0]
    assert "cannot write /dev/null/loops" in capsys.readouterr().err
    with pytest.raises(Unavailable):
        note_taken(blocked, digest_text("x"))


def test_in_an_event_loop_waiting_can_be_cancelled(loop, monkeypatch):
    """A program that gives a generation up is not kept waiting."""
    Asked(monkeypatch, "held")

    async def given_up():
        taking = asyncio.create_task(Generation(loop, "1").take_async(CHANGE))
        await asyncio.sleep(0)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        return taking.cancelled()

    assert asyncio.run(given_up())


def test_an_answer_that_cannot_be_used_is_none(loop, monkeypatch):
    """Spent, lapsed, a disk that is full: a reason to wait, like any other."""
    question = change_question(loop, "1", CHANGE)
    allowed = Answer(verdict="allow", act=question.act, allowance=types.SimpleNamespace())
    monkeypatch.setattr("detente.app.asking.ask", lambda *_a, **_k: allowed)

    def use(*_a, **_k):
        raise Refused("J02", "replayed", got="x", expected="y")

    monkeypatch.setattr("detente.app.asking.use", use)
    answer = generations._answer(question, loop.home)
    assert (answer.allowed, "J02" in answer.why) == (False, True)


def test_a_loop_travels_to_worker_processes(loop):
    """A pool pickles what it gives to its workers."""
    assert pickle.loads(pickle.dumps(loop)) == loop  # noqa: S301 - our own bytes


# observed


@pytest.fixture
def observed(loop, monkeypatch):
    """The loop, observed; and what was recorded of it."""
    seen = []

    def observe(question, *, asker, about, **_named):
        seen.append((asker, about, question.proposal is not None))
        return Answer(verdict="deny", act=question.act, reasons=("paused",))

    monkeypatch.setattr("detente.app.observed_asking.observe", observe)
    return dataclasses.replace(loop, observe=True), seen


def test_a_generation_that_is_observed_goes_on_and_leaves_the_record_alone(observed, tmp_path, capsys):
    """No turn, no waiting, nothing kept: two at once begin, and what would have been answered is said."""
    loop, seen = observed
    first, second = Generation(loop, "1"), Generation(loop, "2")
    first.begin()
    second.begin()
    first.take(CHANGE)
    first.take(CHANGE)
    first.end()
    assert seen == [
        ("openevolve", "the beginning of 1", False),
        ("openevolve", "the beginning of 2", False),
        ("openevolve", "the child of 1", True),
    ]
    assert list(tmp_path.iterdir()) == []
    assert "openevolve: not enforced: would have denied the child of 1: paused" in capsys.readouterr().err


def test_observing_that_fails_stops_nothing(observed, monkeypatch, capsys):
    """Whatever it is that fails."""

    def fails(*_a, **_k):
        raise RuntimeError("broken")

    monkeypatch.setattr("detente.app.observed_asking.observe", fails)
    loop, _ = observed
    Generation(loop, "1").begin()
    asyncio.run(Generation(loop, "1").take_async(CHANGE))
    assert capsys.readouterr().err.count("not enforced: observing the") == 2


def test_a_child_that_comes_past_an_adapter_that_observes_is_only_said(observed, capsys):
    """J51 ends no program that is not held."""
    loop, _ = observed
    generations.end_program(loop, "a child")
    assert "not enforced: would have been ended: J51" in capsys.readouterr().err
    generations.check_taken(loop, digest_text("x"), "a child")
    assert capsys.readouterr().err == ""


def test_a_program_that_is_unknown_is_started_where_it_would_only_be_observed(observed, tmp_path, monkeypatch, capsys):
    """J50 starts nothing that should be held; observing, it is said that nothing is observed, and the script runs."""
    loop, _ = observed
    script = tmp_path / "script.py"
    script.write_text("print('ran')\n")
    monkeypatch.setattr("sys.argv", ["detente"])
    monkeypatch.setattr("sys.path", ["here", *sys.path])
    monkeypatch.setitem(sys.modules, "openevolve", None)
    start(loop, [str(script)])
    said = capsys.readouterr()
    assert said.out == "ran\n"
    assert "not enforced, and not observed: J50" in said.err
    with pytest.raises(Refused):
        start(dataclasses.replace(loop, observe=False), [str(script)])


# what a reviewer reads

texts = st.text(alphabet="ab\n\r \\", max_size=20)


@given(
    st.dictionaries(st.sampled_from(["a.py", "b.py"]), texts), st.dictionaries(st.sampled_from(["a.py", "b.py"]), texts)
)
def test_a_change_is_a_diff_that_the_pages_read(old, new):
    """Whatever the texts are: every byte of the change is shown, or there is none."""
    said = spell_change(old, new)
    same = {name: text for name, text in old.items() if text} == {name: text for name, text in new.items() if text}
    assert (said == b"") == same
    if said:
        assert spell(parse_unified(said)) == said


def test_the_digest_of_sources_knows_names_and_texts():
    """Neither can be exchanged for the other."""
    digests = {digest_sources(each) for each in ({}, {"a": ""}, {"a": "b"}, {"b": "a"}, {"ab": ""}, {"a": "\udc80"})}
    assert len(digests) == 6


def test_a_patch_is_proposed_as_it_is_and_named_with_all_before_it():
    """The same patch on another agent is another change."""
    one, other = change_of_patch(["a"], "patch"), change_of_patch(["b"], "patch")
    assert one.diff == b"patch"
    assert one.texts == ("patch",)
    assert len({one.old, one.new, other.old, other.new}) == 4


# what is taken hold of


@pytest.mark.parametrize(
    ("module", "path", "parameters"),
    [("no.such.module", "x", ()), ("json", "nothing", ()), ("json", "dumps", ("text",))],
)
def test_a_program_without_its_seam_is_not_started(module, path, parameters):
    """J50: a release that the adapter does not know could go on past it."""
    with pytest.raises(Refused) as refused:
        needed(module, path, *parameters)
    assert (refused.value.rule, refused.value.kind) == ("J50", "not-found")


@pytest.mark.parametrize("command", [["python3", "x.py"], ["-m"], [], ["no-such-file.py"]])
def test_a_command_that_names_no_script_is_a_misuse(loop, command, monkeypatch):
    """Another interpreter would run without the adapter."""
    monkeypatch.setattr("sys.argv", ["detente"])
    monkeypatch.setattr("sys.path", ["here"])
    with pytest.raises(Misuse):
        start(loop, command)


def test_a_child_that_comes_past_the_adapter_ends_the_program(loop, monkeypatch, capsys):
    """J51: no database takes a child that was not let through; its parent's text, and what was let through, it takes."""
    ended = []

    def leave(code):
        ended.append(code)
        raise SystemExit(code)

    monkeypatch.setattr(generations.os, "_exit", leave)
    programs = {}
    add = openevolve._held_add(lambda _self, program: programs.update({program.id: program}), loop)
    database = types.SimpleNamespace(programs=programs)

    def made(name, parent, code):
        return types.SimpleNamespace(id=name, parent_id=parent, code=code)

    add(database, made("initial", None, "LEVEL = 0\n"))
    add(database, made("copy", "initial", "LEVEL = 0\n"))
    with pytest.raises(SystemExit):
        add(database, made("child", "initial", "LEVEL = 1\n"))
    assert ended == [PAST_THE_HOOK]
    assert "J51 out-of-scope" in capsys.readouterr().err
    note_taken(loop, digest_text("LEVEL = 1\n"))
    add(database, made("child", "initial", "LEVEL = 1\n"))
    assert set(programs) == {"initial", "copy", "child"}
