"""Which statements have an effect at all, and the note on each that has none.

Decides, statement by statement, whether it is of this accord and these terms, signed by a key in force, said by somebody
who may say it, and about something that is there. Leaves what follows to the rest. A statement refused here stays stored
and cited. Normative text: ``spec/accord.md`` §5 (F02 to F05, F08, F10 to F15, F17, F20, F23, F26, F30, F31).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from detente.accord.confidentiality import disclosed
from detente.accord.keychain import KeyBook
from detente.accord.records import ROOT_KINDS, Item, requested_duty
from detente.accord.standing import FoldNote
from detente.accord.successors import Succession
from detente.accord.terms import INSPECTORS, SUNSET, Terms
from detente.accord.voters import list_callers, list_confirmers, list_lifters, list_renewers
from detente.base.digest import Digest
from detente.base.errors import Refused
from detente.base.identity import Party
from detente.base.instant import INSTANT_MAX
from detente.statement.accession import Accession
from detente.statement.approval import Approval, verify_approval
from detente.statement.audit import Audit
from detente.statement.finding import Finding
from detente.statement.halted import Halted
from detente.statement.measurement import Measurement
from detente.statement.proposal import Proposal
from detente.statement.resumed import Resumed
from detente.statement.ruling import Ruling
from detente.statement.screening import Reveal, Screening, is_opened_by
from detente.statement.vote import Vote

Lookup = Callable[[Digest], Item | None]


class Admission:
    """The checks, against one chain of terms and one key book."""

    def __init__(self, accord: Digest, chain: Sequence[Terms], book: KeyBook, succession: Succession) -> None:
        self.accord = accord
        self.chain = chain
        self.book = book
        self.succession = succession
        self._versions = frozenset(terms.version for terms in chain)

    def note(self, item: Item, accord: Digest, lookup: Lookup) -> FoldNote | None:
        """Why the statement has no effect; None when it has.

        1. It is of this accord and speaks under terms of its chain: F02, F03.
        2. A key of its party, in force at its place, signed it (root threshold where asked): F04, F13.
        3. Its party may say it: F05. What it is about is there and its own: F08, F10, F11, F12, F14, F15, F17, F20, F23, F26, F30, F31.
        """
        if accord != self.accord:  # 1
            return self._no("F02", item, "it speaks of another accord")
        if item.terms_version not in self._versions:
            return self._no("F03", item, f"terms version {item.terms_version} is not in the chain")
        if item.kind in ROOT_KINDS:  # 2
            if item.copies and item.kind not in {"terms", "keys"} and self.book.speaks_from(item, item.party) is None:
                return self._no("F13", item, f"{item.kind} without the root threshold of {item.party}")
        elif not self.book.spoke(item, INSTANT_MAX - 1 if item.time is None else item.time):
            return self._no("F04", item, f"no key of {item.party} that was in force at its place signed it")
        check = _CHECKS.get(item.kind)  # 3
        return None if check is None else check(self, item, lookup)

    def _no(self, rule: str, item: Item, text: str) -> FoldNote:
        return FoldNote(rule, item.id, item.place, text)

    def _any_terms(self, test: Callable[[Terms], bool]) -> bool:
        return any(test(terms) for terms in self.chain)

    def _vote(self, item: Item, _: Lookup) -> FoldNote | None:
        body = item.body
        if not isinstance(body, Vote):
            return None
        if not self._any_terms(lambda terms: _scope_fits(terms, body)):
            return self._no("F11", item, f"no trigger {body.trigger!r} with scope {body.scope}")
        if not self._any_terms(lambda terms: _may_vote(terms, item, body)):
            return self._no("F05", item, f"{item.party} has no vote on {body.trigger}")
        if body.choice == "lift" and item.time is not None and item.time >= body.expires_at:
            # Only a lift: a lying mirror that witnesses into the future must not void a vote that restricts.
            return self._no("F17", item, "the vote had expired when it was witnessed")
        return None

    def _measurement(self, item: Item, _: Lookup) -> FoldNote | None:
        body = item.body
        if not isinstance(body, Measurement):
            return None
        known = [terms for terms in self.chain if body.indicator in terms.indicators]
        if not known:
            return self._no("F11", item, f"no indicator {body.indicator!r}")
        if not any(terms.among(item.party, terms.indicators[body.indicator].supplied_by) for terms in known):
            return self._no("F05", item, f"{item.party} does not supply {body.indicator}")
        subject = None if body.about is None else body.about.party
        if not any(
            terms.supplies(item.party, indicator, subject if indicator.about == "party" else None)
            for terms in known
            for indicator in (terms.indicators[body.indicator],)
        ):
            return self._no("F14", item, f"{item.party} does not supply {body.indicator} of {subject}")
        if not any(body.unit == terms.indicators[body.indicator].unit for terms in known):
            return self._no("F10", item, f"measured in {body.unit!r}")
        return None

    def _request(self, item: Item, body: Finding, asked: str) -> FoldNote | None:
        """Whoever the terms name may ask, inspector or not; nobody asks of themselves."""
        known = [
            (terms, duty.on_request)
            for terms in self.chain
            if (duty := terms.duty(asked)) is not None
            and duty.on_request is not None
            and terms.among(body.about, duty.of)
        ]
        if not known:
            return self._no("F11", item, f"{body.about} need not do {asked!r} on request")
        if item.party == body.about or not any(terms.among(item.party, rules.by) for terms, rules in known):
            return self._no("F05", item, f"{item.party} may not ask {body.about} for {asked}")
        return None

    def _finding(self, item: Item, lookup: Lookup) -> FoldNote | None:
        body = item.body
        asked = requested_duty(body)
        if isinstance(body, Finding) and asked is not None:
            return self._request(item, body, asked)
        if not self._any_terms(lambda terms: terms.among(item.party, INSPECTORS)):
            return self._no("F05", item, f"{item.party} is no auditor or authority")
        if isinstance(body, Finding) and body.confirms is not None:
            halted = lookup(body.confirms)
            if halted is None or not isinstance(halted.body, Halted) or halted.party != body.about:
                return self._no("F08", item, "it confirms no halt of that party")
        if isinstance(body, Finding) and body.audit is not None:
            audit = lookup(body.audit)
            if audit is None or not isinstance(audit.body, Audit) or audit.party != body.about:
                return self._no("F08", item, "it is about no audit of that party")
        return None

    def _run(self, item: Item, _: Lookup) -> FoldNote | None:
        """Judged by the terms that it speaks under: what was said before they kept it back stays said."""
        for terms in self.chain:
            if terms.version == item.terms_version:
                spelled = ", ".join(disclosed(terms.confidential, item.kind, item.body))
                if spelled:
                    return self._no("F23", item, f"it spells out {spelled}, which these terms have committed to")
        return None

    def _audit(self, item: Item, _: Lookup) -> FoldNote | None:
        body = item.body
        if not isinstance(body, Audit) or not body.certifies:
            return None
        asked = [
            (terms, checkpoint.need)
            for terms in self.chain
            for checkpoint in terms.checkpoints
            if not set(checkpoint.need.certifications).isdisjoint(body.certifies)
        ]
        if not asked:
            return self._no("F11", item, f"no checkpoint asks for {', '.join(body.certifies)}")
        if not any(terms.among(item.party, need.by) for terms, need in asked):
            return self._no("F05", item, f"{item.party} certifies none of {', '.join(body.certifies)}")
        return None

    def _ruling(self, item: Item, lookup: Lookup) -> FoldNote | None:
        body = item.body
        if not isinstance(body, Ruling):
            return None
        finding = lookup(body.finding)
        if finding is None or not isinstance(finding.body, Finding):
            return self._no("F08", item, "it rules on no finding that is held")
        if finding.body.about != body.against:
            return self._no("F14", item, f"the finding is about {finding.body.about}, not {body.against}")
        judge = self._any_terms(lambda terms: terms.among(item.party, ("adjudicator",)))
        if not judge or item.party in {body.against, finding.party}:
            return self._no("F05", item, f"{item.party} may not judge this finding")
        return None

    def _about_run(self, item: Item, lookup: Lookup) -> FoldNote | None:
        body = item.body
        if isinstance(body, Halted | Resumed):
            run = lookup(body.run)
            if run is None or run.kind != "run":
                return self._no("F08", item, "the run it speaks of is not held")
            if run.party != item.party:
                return self._no("F14", item, f"the run is {run.party}'s")
        return None

    def _approval(self, item: Item, lookup: Lookup) -> FoldNote | None:
        body = item.body
        if not isinstance(body, Approval):
            return None
        proposal = lookup(body.proposal)
        if proposal is None or proposal.kind not in {"proposal", "run"}:
            return self._no("F08", item, "what it approves is not held")
        if body.organisation != item.party:
            return self._no("F14", item, f"{item.party} speaks for {body.organisation}")
        at = INSTANT_MAX - 1 if item.time is None else item.time
        known = None
        if body.assertion is not None and body.assertion.type != "software":
            known = self.book.credentials.in_force(item.party, body.reviewer, body.assertion.key, at)
            if known is None:
                return self._no(
                    "F20", item, f"{item.party} had not enrolled that credential for its reviewer {body.reviewer}"
                )
        try:
            verify_approval(body, accord=self.accord, nonce=item.nonce, credential=known)
        except Refused as refused:
            return self._no("F15", item, f"the reviewer's assertion does not verify: {refused.rule}")
        if known is None and (
            body.assertion is None or not self.book.is_reviewer(item.party, body.reviewer, body.assertion.key, at)
        ):
            return self._no("F20", item, f"{item.party} had not enrolled that key for its reviewer {body.reviewer}")
        if (body.log is not None or known is not None) and not self._is_log_of(item.party, body.log):
            return self._no("F26", item, f"it is for the log {body.log}, which is none of {item.party}'s")
        return None

    def _is_log_of(self, party: Party, origin: str | None) -> bool:
        """Is or was it a log of the party? Without one, where the party has none in any terms."""
        logs = {
            keys.log.name
            for terms in self.chain
            if (keys := terms.keys.get(party)) is not None and keys.log is not None
        }
        logs |= {one.origin for one in self.succession.successors if one.party == party}
        return origin in logs if logs else origin is None

    def _screening(self, item: Item, lookup: Lookup) -> FoldNote | None:
        """A reveal voids what it names for good, so it rests on a commitment from before anybody had proposed that."""
        body = item.body
        if not isinstance(body, Screening):
            return None
        asked = [terms.screening for terms in self.chain if terms.screening is not None]
        if not asked:
            return self._no("F11", item, "no terms ask for seeded changes")
        if not self._any_terms(
            lambda terms: terms.screening is not None and terms.among(item.party, terms.screening.by)
        ):
            return self._no("F05", item, f"{item.party} does not seed changes")
        return None if body.reveal is None else self._reveal(item, body.reveal, lookup)

    def _reveal(self, item: Item, reveal: Reveal, lookup: Lookup) -> FoldNote | None:
        proposal, committed = lookup(reveal.proposal), lookup(reveal.commitment)
        if proposal is None or not isinstance(proposal.body, Proposal):
            return self._no("F08", item, "the proposal it speaks of is not held")
        if committed is None or not isinstance(committed.body, Screening) or committed.body.commits is None:
            return self._no("F08", item, "the commitment it opens is not held")
        if committed.party != item.party:
            return self._no("F14", item, f"the commitment is {committed.party}'s")
        if proposal.party == item.party:
            return self._no("F14", item, "it reveals a proposal of its own: whoever proposes must not have chosen it")
        if proposal.body.change != reveal.change or not is_opened_by(
            committed.body.commits, reveal, accord=self.accord
        ):
            return self._no("F30", item, "what it reveals is not what was committed to, or not what was proposed")
        if committed.time is None or (proposal.time is not None and proposal.time <= committed.time):
            return self._no("F31", item, "the change was not committed to before it was proposed")
        return None

    def _challenge(self, item: Item, lookup: Lookup) -> FoldNote | None:
        finding = lookup(item.body.finding)  # type: ignore[union-attr]
        if finding is None or not isinstance(finding.body, Finding):
            return self._no("F08", item, "it challenges no finding that is held")
        return None

    def _accession(self, item: Item, _: Lookup) -> FoldNote | None:
        if isinstance(item.body, Accession) and not self._any_terms(
            lambda terms: terms.digest == item.body.terms_digest  # type: ignore[union-attr]
        ):
            return self._no("F12", item, "it accedes to terms that are not in the chain")
        return None


def _scope_fits(terms: Terms, vote: Vote) -> bool:
    if vote.trigger == SUNSET and terms.renewal is not None:
        return vote.scope == "all" and vote.choice in {"renew", "retract"}
    trigger = terms.trigger(vote.trigger)
    if trigger is None:
        return False
    return vote.scope == "all" if trigger.scope == "all" else vote.scope in terms.parties


def _may_vote(terms: Terms, item: Item, vote: Vote) -> bool:
    """A vote needs a role that the trigger names, that confirms what it starts, or that lifts."""
    if vote.trigger == SUNSET and terms.renewal is not None:
        return item.party in list_renewers(terms)
    return (
        item.party in list_lifters(terms)
        or item.party in list_callers(terms, vote.trigger)
        or item.party in list_confirmers(terms, vote.trigger)
    )


_CHECKS: Mapping[str, Callable[[Admission, Item, Lookup], FoldNote | None]] = {
    "vote": Admission._vote,
    "measurement": Admission._measurement,
    "finding": Admission._finding,
    "audit": Admission._audit,
    "run": Admission._run,
    "ruling": Admission._ruling,
    "halted": Admission._about_run,
    "resumed": Admission._about_run,
    "approval": Admission._approval,
    "challenge": Admission._challenge,
    "accession": Admission._accession,
    "screening": Admission._screening,
}
