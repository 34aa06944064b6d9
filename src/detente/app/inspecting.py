"""What inspectors find, what the accused says to it, and what adjudicators rule: one statement each, filed with one's own node.

Decides what such a statement says when the caller names a duty, a bound or the beginning of an id, and refuses before it signs what
the terms would give no effect. Leaves out what it comes to: whether a case is open, ruled or fallen is ``accord.adjudication``.
Normative: ``spec/accord.md`` §5, §6.7, §6.9, §8.

1. Evidence is stored at the node first; the statement names it by digest.
2. A claim is a text, or one of those that the accord itself reads: ``fulfils DUTY``, ``asks DUTY``, ``below N FLOP`` of a run.
3. A finding that rulings or challenges are about is named by 8 or more of its first characters, among those that the node's status has.
4. Terms may have been amended since the founding that this home pins: then the node alone says whether a statement counts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from detente.accord.terms import INSPECTORS, Terms
from detente.app.door import Door
from detente.app.pausing import note_on
from detente.base.digest import Digest
from detente.base.errors import Misuse
from detente.base.identity import Party, parse_party
from detente.base.quantity import show_decimal
from detente.statement.challenge import Challenge
from detente.statement.finding import Finding, FindingResult
from detente.statement.kinds import Kind
from detente.statement.ruling import Ruling, RulingOutcome
from detente.statement.statement import Body

PREFIX_MIN = 8
"""Characters by which a statement may be named: enough that two of one accord hardly ever begin alike."""
EVIDENCE_MAX = 16
"""Files with one finding; more belong into one archive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """A statement as it was filed. ``stands`` says in words where its case, or the duty it is about, stands now."""

    statement: Digest
    kind: str
    party: Party
    witnessed: bool
    without_effect: str
    stands: str

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "statement": self.statement,
            "kind": self.kind,
            "party": self.party,
            "witnessed": self.witnessed,
            "counts": not self.without_effect,
            "without_effect": self.without_effect,
            "stands": self.stands,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a finding says: exactly one of ``text``, ``fulfils`` and ``asks`` (a duty), and ``below_flop`` of a run."""

    text: str | None = None
    fulfils: str | None = None
    asks: str | None = None
    below_flop: Decimal | None = None

    def spelled(self) -> str:
        """As the statement has it; raises ``Misuse`` for none or several.

        >>> Claim(fulfils="inspection").spelled(), Claim(below_flop=Decimal("1e25")).spelled()
        ('fulfils inspection', 'below 1e25 FLOP')
        """
        said = [
            self.text,
            None if self.fulfils is None else f"fulfils {self.fulfils}",
            None if self.asks is None else f"asks {self.asks}",
            None if self.below_flop is None else f"below {show_decimal(self.below_flop)} FLOP",
        ]
        found = [each for each in said if each]
        if len(found) != 1:
            raise Misuse(f"got {len(found)} claims; expected one of --claim, --fulfils, --asks and --below")
        return found[0]


async def file_finding(
    door: Door,
    *,
    about: str,
    claim: Claim,
    result: FindingResult | None,
    run: Digest | None,
    confirms: Digest | None,
    audit: Digest | None,
    evidence: Sequence[Path],
    party: str | None,
) -> Filed:
    """File what was found about a party, or ask it for what it must do on request. Confirmed, where ``result`` is not given."""
    spelled = claim.spelled()
    if len(evidence) > EVIDENCE_MAX:
        raise Misuse(f"{len(evidence)} files of evidence; at most {EVIDENCE_MAX}: put them into one archive")
    if claim.below_flop is not None and run is None:
        raise Misuse("--below bounds the FLOP of a run: name it with --run")
    status = await door.status()
    accused = parse_party(about)
    if accused not in door.terms.parties and not _amended(door, status):
        raise Misuse(f"got the party {about!r}; the terms have: {', '.join(door.terms.parties)}")
    speaker = door.speaker(
        _hand(door, status, party, _finders(door.terms, claim.asks), "file a finding", but={accused})
    )
    stored = tuple([await door.store_blob(_read(path), speaker.signer) for path in evidence])  # 1
    said = result or ("inconclusive" if claim.asks is not None else "confirmed")
    body = Finding(accused, spelled, said, stored, run, confirms, audit)
    return await _file(door, "finding", body, speaker.party, lambda after, made: _of_finding(after, made, body, claim))


async def file_challenge(door: Door, finding: str, *, grounds: str, party: str | None) -> Filed:
    """Contest a finding about oneself, or appeal as one of the two sides."""
    status = await door.status()
    case = find_case(status, finding)
    sides = [Party(case["about"]), Party(case["by"])]
    hand = _hand(door, status, party, sides, "challenge this finding")
    body = Challenge(Digest(case["finding"]), grounds)
    return await _file(door, "challenge", body, hand, lambda after, _: _of_case(after, case["finding"]))


async def file_ruling(door: Door, finding: str, *, outcome: RulingOutcome, remedy: str, party: str | None) -> Filed:
    """Rule on a finding, as an adjudicator who is neither its author nor the accused."""
    status = await door.status()
    case = find_case(status, finding)
    sides = {Party(case["about"]), Party(case["by"])}
    hand = _hand(door, status, party, door.terms.with_role("adjudicator"), "rule on this finding", but=sides)
    body = Ruling(Digest(case["finding"]), Party(case["about"]), outcome, remedy)
    return await _file(door, "ruling", body, hand, lambda after, _: _of_case(after, case["finding"]))


def find_case(status: Mapping[str, Any], named: str) -> Mapping[str, Any]:
    """The finding of a status that begins so; raises ``Misuse`` where there is none, or several."""
    if len(named) < PREFIX_MIN:
        raise Misuse(f"got the finding {named!r}; expected {PREFIX_MIN} or more of its first characters")
    found: list[Mapping[str, Any]] = [each for each in status["findings"] if each["finding"].startswith(named)]
    if len(found) != 1:
        known = ", ".join(f"{each['finding'][:12]}… about {each['about']}" for each in status["findings"][:10])
        many = "several findings begin" if found else "no finding of this status begins"
        raise Misuse(f"{many} with {named!r}; it has: {known or 'none'}")
    return found[0]


def _finders(terms: Terms, asks: str | None) -> tuple[Party, ...]:
    """Whoever may file it: inspectors or, for a request, those whom the duty names."""
    duty = None if asks is None else terms.duty(asks)
    names = INSPECTORS if duty is None or duty.on_request is None else duty.on_request.by
    if asks is not None and (duty is None or duty.on_request is None):
        on_request = ", ".join(each.id for each in terms.duties if each.on_request is not None)
        raise Misuse(f"got --asks {asks}; duties of these terms that are due on request: {on_request or 'none'}")
    return tuple(party for party in terms.parties if terms.among(party, names))


def _hand(
    door: Door,
    status: Mapping[str, Any],
    given: str | None,
    able: Sequence[Party],
    what: str,
    *,
    but: Collection[Party] = (),
) -> Party:
    """Who says it: as given, else the first party of this home that may; raises ``Misuse`` with who could."""
    may = [party for party in able if party not in but]
    if given is not None:
        hand = door.speaker(given).party
        if hand not in may and not _amended(door, status):
            raise Misuse(f"{hand} may not {what}: the terms give that to {', '.join(may) or 'nobody'}")
        return hand
    here = next((party for party in door.voices() if party in may), None)
    if here is None:
        voices = ", ".join(door.voices()) or "it has no statement key"
        raise Misuse(
            f"no party of this home ({voices}) may {what}; the terms give that to {', '.join(may) or 'nobody'}: "
            "run this where its keys are"
        )
    return here


def _amended(door: Door, status: Mapping[str, Any]) -> bool:
    return int(status["terms"]["version"]) != door.terms.version


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Misuse(f"cannot read {path}: {error.strerror}") from None


async def _file(door: Door, kind: Kind, body: Body, hand: Party, stands: Any) -> Filed:
    made, envelope = door.speaker(hand).state(kind, body)
    receipt = await door.submit(envelope)
    after = await door.status()
    return Filed(
        statement=made,
        kind=kind,
        party=hand,
        witnessed=receipt.witnessed,
        without_effect=note_on(after, made),
        stands=stands(after, made),
    )


def _of_finding(status: Mapping[str, Any], made: Digest, body: Finding, claim: Claim) -> str:
    duty = claim.fulfils or claim.asks
    if duty is not None:
        found = [each for each in status["duties"] if (each["duty"], each["party"]) == (duty, body.about)]
        due = f", due at {found[0]['due_at']}" if found and found[0]["due_at"] else ""
        return (
            f"{duty} of {body.about} is {found[0]['state']}{due}" if found else f"{body.about} is not bound by {duty}"
        )
    if any(each["finding"] == made for each in status["findings"]):
        return _of_case(status, made)
    return "it opens no case"


def _of_case(status: Mapping[str, Any], finding: str) -> str:
    state = next((each["state"] for each in status["findings"] if each["finding"] == finding), "not listed any more")
    return f"the finding is {state.replace('_', ' ')}"
