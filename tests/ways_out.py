"""Ways out of what binds, done for real: every act becomes signed and witnessed statements of a play."""

import copy
import itertools
import re
from decimal import Decimal

from detente.accord.explaining.constraint import Subject
from detente.accord.explaining.explanation import explain_subject
from detente.statement.approval import Approval
from tests import accord_play
from tests.accord_play import Play

SUBSETS_MAX = 24


def explained(play: Play, at: int, subject: Subject, *, ways: bool = True):
    """What binds the subject by the evidence of a play."""
    return explain_subject(play.state, at, subject, ways=ways)


def stands(play: Play, constraint, at: int) -> bool:
    """Does the constraint stand at that instant, by what was really said?"""
    found = explained(play, at, constraint.about, ways=False).constraints
    return any(each.key == constraint.key for each in found)


def cast(way, chance):
    """Somebody for each statement of a way, drawn among those who are named: distinct where statements are alike."""
    wanted = [act for act in way.acts for _ in range(act.count)]
    for _ in range(200):
        drawn: list = []
        for act in wanted:
            drawn.append(drawn[-act.count] if act.again else chance.choice(act.hands))
        alike = [
            (one, other)
            for (a, one), (b, other) in itertools.combinations(zip(wanted, drawn, strict=True), 2)
            if a.is_like(b) and (one == other or (a is b and a.apart and one.party == other.party))
        ]
        if not alike:
            return list(zip(wanted, drawn, strict=True))
    raise AssertionError(f"nobody fits {[act.text for act in way.acts]}")


def done(play: Play, statements, at: int, *, constraint, body: str, said: bytes = b"") -> Play:
    """Another play, in which these statements were made at ``at`` too."""
    other = copy.deepcopy(play)
    signers = [hand.party for act, hand in statements if act.kind == "terms"]
    for act, hand in statements:
        said_body = act.said_by(hand)
        if isinstance(said_body, Approval):
            other.approve(hand.party, said_body.proposal, at, reviewer=hand.reviewer)
        elif said_body is not None:
            other.say(hand.party, act.kind, said_body, at)
    mirrors = [hand.party for act, hand in statements if act.kind == "witness"]
    if mirrors:
        other.place(said, at, mirrors=mirrors)
    if signers:
        other.amend(accord_play.founding(amended(body, constraint)), at, by=tuple(signers))
    return other


def amended(body: str, constraint) -> str:
    """The text of the terms without the clause."""
    text = body.replace("version: 1\n", "version: 2\n")
    kind, clause = constraint.clause.kind, constraint.clause.id
    if kind == "consequence":
        word = {"refuse_compute": "{cloud: refuse_compute}, ", "refuse_deployment": "{buyer: refuse_deployment}, "}
        return text.replace(word.get(clause.split(" ")[0], ", publish"), "")
    if kind == "phase":
        return re.sub(r"^expires: .*\n", "", text, flags=re.MULTILINE)
    text = re.sub(rf"^  - id: {clause}\n(?:    .*\n)+", "", text, flags=re.MULTILINE)
    return re.sub(r"^(?:limits|hold_points|checkpoints|triggers):\n(?=\S)", "", text, flags=re.MULTILINE)


def assert_true_and_least(
    play: Play, at: int, constraint, way, chance, *, body: str = accord_play.BODY, said: bytes = b""
):
    """The way ends the constraint at its instant, not a second before, and no part of it does."""
    told = f"{constraint.clause.id} of {constraint.about}: {way.text}"
    assert stands(play, constraint, at), told
    if not way.acts:
        assert not stands(play, constraint, way.at), told
        assert stands(play, constraint, way.at - 1), told
        return
    whole = cast(way, chance)

    def after(statements):
        return done(play, statements, at + 1, constraint=constraint, body=body, said=said)

    assert not stands(after(whole), constraint, way.at), told
    assert way.at == at + 1 or stands(after(whole), constraint, way.at - 1), f"earlier: {told}"
    parts = [part for size in range(len(whole)) for part in itertools.combinations(whole, size)]
    for part in parts if len(parts) <= SUBSETS_MAX else chance.sample(parts, SUBSETS_MAX):
        assert stands(after(part), constraint, way.at), (
            f"{[f'{hand} {act.text}' for act, hand in part]} is enough: {told}"
        )


__all__ = ["Decimal", "assert_true_and_least", "explained", "stands"]
