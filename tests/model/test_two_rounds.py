"""The safety property of the permit protocol, explored exhaustively for n = 4, f = 1, q = m = 3.

*No m issuers, of whom at most f lie, each holding any prefix of the logs, sign a permit against a witnessed state that
refuses it.* Two votes in two logs together pause. Every honest issuer holds any of the four prefixes; the witnessed
state is any that a quorum of cosignatures could have witnessed, the liar's given for nothing; the guard is hostile and
names any heads it likes. The steps are the real ones of ``guard.issue`` over the real fold.
"""

import dataclasses
import itertools
from decimal import Decimal

import pytest

from detente.accord.evidence import Evidence, Place
from detente.accord.fold import fold
from detente.base.digest import Digest
from detente.guard.decide import decide
from detente.guard.issue import Issued, IssuerState, Missing, Reoffer, Signed, quote_heads, sign_permit
from detente.guard.permit import NamedHead, Permit, PermitAsk, encode_permit, parse_ask, seal_ask
from detente.guard.trust import issuer_set
from detente.testing import World

N, F, Q, M = 4, 1, 3, 3
PREFIXES = tuple(itertools.product((False, True), repeat=2))
"""What an issuer may hold of the two votes: neither, one, the other, both."""


class Stage:
    """One coalition with two votes; for each prefix of the two logs the state and the heads it gives."""

    def __init__(self):
        self.world = World(7, developers=1, mirrors=N, f=F)
        self.world.enter_force()
        run = self.world.declare_run("dev-0")
        self.world.settle()
        self.intent = self.world.intent("dev-0", run)
        base = next(iter(self.world.mirrors.values()))
        self.logs = dict(self.world.logs)
        self.base = {origin: branch.tree.size for origin, branch in base.branches.items()}
        self.cosigned = base.cosignatures()
        self.voters = self.world.coalition.mirrors[:2]
        for voter in self.voters:
            self.world.vote(voter, "pause")
        self.world.pass_time(5)
        self.at = self.world.at
        self.guard = self.world.guard("dev-0")
        self.request, self.sealed = self.guard.request(self.intent)
        self.views = {prefix: self._view(prefix) for prefix in PREFIXES}
        self.asks = {}

    def _view(self, prefix):
        sizes = dict(self.base)
        for voter, held in zip(self.voters, prefix, strict=True):
            sizes[self.world.logs[voter].origin] += held
        evidence = Evidence(self.world.coalition.founding)
        for log in self.logs.values():
            for index, entry in enumerate(log.branches[0].entries[: sizes[log.origin]]):
                evidence.add_entry(Place(log.origin, index), entry)
        parties = self.world.coalition.mirror_keys()
        for one in self.cosigned:
            evidence.add_cosignature(one.origin, parties[one.key], one.size, one.time_s)
        return View(self, sizes, fold(evidence))

    def ask(self, prefix, epoch=1):
        """The hostile guard's ask whose heads cover exactly this prefix."""
        if prefix not in self.asks:
            heads = tuple(sorted(self.views[prefix].heads()))
            permit = Permit(
                accord=self.request.accord,
                terms=self.request.terms,
                party=self.request.party,
                guard=self.request.guard,
                nonce=self.request.nonce,
                intent=self.intent,
                heads=tuple(signed.head for signed in heads),
                rate=Decimal(1),
                epoch=epoch,
                life_s=600,
            )
            named = tuple(NamedHead(signed, self.world.coalition.mirrors) for signed in heads)
            ask = PermitAsk(request=self.sealed, body=encode_permit(permit), heads=named)
            self.asks[prefix] = seal_ask(ask, self.guard.signer)
        return self.asks[prefix]


@dataclasses.dataclass
class View:
    """What one issuer holds: ``guard.issue.Holdings``."""

    stage: Stage
    sizes: dict
    state: object
    heard: frozenset = frozenset()

    def heads(self):
        logs = self.stage.world.logs.values()
        return tuple(log.head(size=self.sizes[log.origin]) for log in logs if self.sizes[log.origin])

    def root_at(self, origin, size):
        log = next((log for log in self.stage.logs.values() if log.origin == origin), None)
        return None if log is None or size > self.sizes[origin] else Digest(log.branches[0].tree.root(size).hex())

    def has_read(self, head):
        return head in self.heard


@pytest.fixture(scope="module")
def stage():
    return Stage()


def signs(stage, prefix, ask, party):
    """Whether an honest issuer that holds ``prefix`` signs; what it misses, it is served at once."""
    signer = stage.world.coalition.signer(party, "permit")
    view = stage.views[prefix]
    given = {"party": party, "signer": signer, "at": stage.at}
    _, reply = sign_permit(IssuerState(), stage.ask(ask), state=view.state, holdings=view, **given)
    if isinstance(reply, Missing):
        read = stage.views[tuple(map(max, prefix, ask))]
        _, reply = sign_permit(IssuerState(), stage.ask(ask), state=read.state, holdings=read, **given)
    return isinstance(reply, Signed)


def witnessed_worlds():
    """Every (liar or None, prefix per honest issuer) in which both votes are witnessed by q cosignatures."""
    for liar in (None, *range(N)):
        honest = [n for n in range(N) if n != liar]
        for prefixes in itertools.product(PREFIXES, repeat=len(honest)):
            stored = [sum(prefix[vote] for prefix in prefixes) + (liar is not None) for vote in (0, 1)]
            if min(stored) >= Q:
                yield liar, dict(zip(honest, prefixes, strict=True))


def test_the_stage_is_the_dangerous_one(stage):
    """Either vote alone leaves leave; both together refuse; so ignorance of one vote would permit."""
    allowed = {prefix: decide(view.state, stage.intent, stage.at).allowed for prefix, view in stage.views.items()}
    assert allowed == {(False, False): True, (True, False): True, (False, True): True, (True, True): False}


def test_no_m_issuers_sign_against_a_witnessed_state_that_refuses(stage):
    """All liars, all prefixes, all bodies that a hostile guard could compose, all groups of m issuers."""
    mirrors = stage.world.coalition.mirrors
    said = {
        (prefix, ask, n): signs(stage, prefix, ask, mirrors[n])
        for prefix in PREFIXES
        for ask in PREFIXES
        for n in range(N)
    }
    tried = 0
    for liar, prefixes in witnessed_worlds():
        for ask in PREFIXES:
            for group in itertools.combinations(range(N), M):
                tried += 1
                assert not all(n == liar or said[prefixes[n], ask, n] for n in group), (liar, prefixes, ask, group)
    assert tried > 1_000


def test_with_one_round_the_same_issuers_would_sign(stage):
    """The counterexample that the second round answers: X holds one vote, Y the other, the liar signs anything."""
    alone = {prefix: decide(view.state, stage.intent, stage.at).allowed for prefix, view in stage.views.items()}
    broken = [
        (liar, prefixes, group)
        for liar, prefixes in witnessed_worlds()
        for group in itertools.combinations(range(N), M)
        if all(n == liar or alone[prefixes[n]] for n in group)
    ]
    assert broken
    liar, prefixes, group = broken[0]
    assert {prefixes[n] for n in group if n != liar} == {(True, False), (False, True)}


def test_an_issuer_signs_only_heads_that_cover_its_own(stage):
    """Without this the guard could leave out the head that would stop it."""
    party = stage.world.coalition.mirrors[2]
    assert not signs(stage, (True, False), (False, False), party)
    assert signs(stage, (True, False), (True, False), party)


def test_without_votes_every_group_of_m_signs(stage):
    """The property is not bought by refusing everything."""
    for party in stage.world.coalition.mirrors:
        assert signs(stage, (False, False), (False, False), party)


def test_both_votes_read_deny_with_citations(stage):
    """Round 1 already says no where both votes are held, and cites them."""
    view, party = stage.views[True, True], stage.world.coalition.mirrors[0]
    decision = decide(view.state, stage.intent, stage.at)
    assert decision.reasons
    assert any(reason.cites for reason in decision.reasons)
    _, offer = quote_heads(
        IssuerState(),
        stage.sealed,
        party=party,
        signer=stage.world.coalition.signer(party, "permit"),
        state=view.state,
        at=stage.at,
        holdings=view,
    )
    assert b"heads" in offer


def test_the_trust_that_guards_pin_has_these_numbers(stage):
    """m and f of the terms are the m and f of every check."""
    numbers = issuer_set(stage.views[False, False].state.terms_at(stage.at))
    assert (len(numbers.issuers), numbers.needed, numbers.may_fail) == (N, M, F)


def answer(stage, view, ask):
    """The raw answer of one honest issuer with this view to this ask."""
    party = stage.world.coalition.mirrors[2]
    signer = stage.world.coalition.signer(party, "permit")
    given = {"party": party, "signer": signer, "at": stage.at, "state": view.state, "holdings": view}
    return sign_permit(IssuerState(), ask, **given)[1]


def test_a_log_that_an_issuer_has_never_seen_is_read_before_it_signs(stage):
    """Missing names the head; nothing of that log is below any head of its own, so coverage alone would not ask."""
    view, origin = stage.views[False, False], stage.world.logs[stage.voters[0]].origin
    blind = View(stage, {**view.sizes, origin: 0}, view.state)
    reply = answer(stage, blind, stage.ask((False, False)))
    assert isinstance(reply, Missing)
    assert [head.origin for head in reply.heads] == [origin]


def test_another_branch_must_be_read_and_the_own_one_named(stage):
    """Of a log with two stories both heads are named; the other one is missing until its entries were heard."""
    view, log = stage.views[False, False], stage.world.logs[stage.voters[0]]
    branch = log.fork(0)
    log.append(b"another story", branch=branch)
    log.append(b"longer", branch=branch)
    fork = log.head(branch=branch)

    def ask_for(*signed):
        _, ask, permit = parse_ask(stage.ask((False, False)))
        heads = tuple(sorted((*(h.signed for h in ask.heads if h.signed.head.origin != log.origin), *signed)))
        body = encode_permit(dataclasses.replace(permit, heads=tuple(each.head for each in heads)))
        named = tuple(NamedHead(each, ()) for each in heads)
        return seal_ask(PermitAsk(request=ask.request, body=body, heads=named), stage.guard.signer)

    own = log.head(size=stage.base[log.origin])
    reply = answer(stage, view, ask_for(own, fork))
    assert isinstance(reply, Missing)
    assert reply.heads == (fork.head,)
    read = dataclasses.replace(view, heard=frozenset({fork.head}))
    assert isinstance(answer(stage, read, ask_for(fork)), Reoffer)
    assert isinstance(answer(stage, read, ask_for(own, fork)), Signed)


def test_the_same_body_is_signed_again_and_an_older_epoch_is_not(stage):
    """An answer lost on its way may be asked for again; a lower epoch would let an old guard write again."""
    view, party = stage.views[False, False], stage.world.coalition.mirrors[2]
    given = {
        "party": party,
        "signer": stage.world.coalition.signer(party, "permit"),
        "at": stage.at,
        "state": view.state,
        "holdings": view,
    }
    issuer, first = sign_permit(IssuerState(), stage.ask((False, False)), **given)
    after, again = sign_permit(issuer, stage.ask((False, False)), **given)
    assert isinstance(first, Signed)
    assert (after, again) == (issuer, first)
    later = IssuerState(last={stage.guard.signer.public_key: Issued(9, stage.world.coalition.accord)})
    after, reply = sign_permit(later, stage.ask((False, False)), **given)
    assert isinstance(reply, Reoffer)
    assert after == later
