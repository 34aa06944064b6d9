"""The world in memory: one seed decides every key, delay, loss and reordering.

Decides when messages arrive and what time it is. Leaves out what anybody does with them: logs, mirrors, issuers and
guards take the real steps. ``at`` is the world's time in POSIX seconds; members may have skewed clocks.

* ``submit`` appends a statement to its party's log; ``sync`` lets logs, mirrors and gossip run until all honest,
  connected members hold the same; ``pass_time`` moves every clock.
* ``permit`` plays the two rounds for a guard. ``vote_pause`` and ``lift`` are the usual votes.
* ``lie``, ``cut``, ``heal``, ``loss``, ``delay_s``, ``skew`` and the members' disks make it a bad day.
* ``invariants`` raises ``AssertionError`` when something holds that never may.
"""

from __future__ import annotations

import hashlib
import heapq
import random
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from detente.accord.evidence import Evidence, Place
from detente.accord.fold import AccordState, fold
from detente.accord.standing import Status
from detente.accord.status import status
from detente.base.digest import Digest, sha256_hex
from detente.base.errors import Misuse, Refused, Unavailable
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.guard.decide import Decision, decide
from detente.guard.intent import Intent
from detente.guard.issue import IssueReply, Missing
from detente.guard.permit import Head, NamedHead, VerifiedPermit
from detente.log.checkpoint import parse_checkpoint
from detente.log.cosignature import Cosignature, cosigner_key, verify_cosignature
from detente.log.mirror import AddEntries
from detente.log.note import NoteSignature, parse_note
from detente.log.witness import AddCheckpoint
from detente.statement.accession import Accession
from detente.statement.approval import Approval, sign_approval
from detente.statement.change import ProposedBy
from detente.statement.envelope import encode_envelope, sign_payload, statement_id
from detente.statement.kinds import Kind
from detente.statement.proposal import Proposal
from detente.statement.run import Run
from detente.statement.signing import Signer
from detente.statement.statement import Body, Header, Subject, make_payload
from detente.statement.vote import Vote, VoteChoice
from detente.testing.coalition import REVIEWER, TERMS, Coalition
from detente.testing.disk import Disk
from detente.testing.guard_player import GuardPlayer
from detente.testing.mirror_node import Lie, MirrorNode, Standing
from detente.testing.party_log import PartyLog

START = Instant(1_800_000_000)
"""2027-01-15: any fixed instant would do."""
ROUNDS_MAX = 60
"""Rounds of ``sync``: with half of all messages lost, 60 rounds leave one in 10^18 undelivered."""


class World:
    """A coalition and its day. Everything that happens follows from ``seed`` and the calls made."""

    def __init__(
        self,
        seed: int,
        *,
        developers: int = 2,
        mirrors: int = 4,
        f: int = 1,
        q: int | None = None,
        m: int | None = None,
        guards: int = 1,
        settle_s: int = 60,
        terms: str = TERMS,
        extra: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.coalition = Coalition(
            seed=seed,
            developers=developers,
            mirrors=mirrors,
            f=f,
            q=q,
            m=m,
            guards=guards,
            settle_s=settle_s,
            terms=terms,
            extra=extra,
        )
        self.at: Instant = START
        self.loss = 0.0
        self.delay_s = 0
        self.rng = random.Random(seed)  # noqa: S311  # a simulation repeats itself by design; keys come from hashes
        self.disks = {party: Disk() for party in self.coalition.parties}
        self.logs = {
            party: PartyLog(party, self.coalition.origin(party), self.coalition.signer(party, "log"), self.disks[party])
            for party in self.coalition.parties
        }
        self.mirrors = {party: MirrorNode(self.coalition, party) for party in self.coalition.mirrors}
        self.guards: list[GuardPlayer] = []
        self.permits: list[tuple[Instant, GuardPlayer, VerifiedPermit]] = []
        self.crashes = 0
        self._acknowledged: dict[Party, set[bytes]] = {party: set() for party in self.coalition.parties}
        self._known: dict[tuple[Party, Party], Standing] = {}
        self._answered: dict[tuple[Party, Party], bytes] = {}
        self._cut: set[Party] = set()
        self._queue: list[tuple[int, float, int, Callable[[], None]]] = []
        self._posted = 0
        self._nonces = 0

    # Statements.

    def statement(
        self,
        party: Party | str,
        kind: Kind,
        body: Body,
        *,
        subjects: tuple[Subject, ...] = (),
        use: Any = None,
        nonce: str | None = None,
    ) -> tuple[Digest, bytes]:
        """A signed statement of a party, in no log yet: its id and its envelope bytes."""
        speaker = Party(party)
        header = Header(
            accord=self.coalition.accord,
            terms=1,
            party=speaker,
            nonce=nonce or self._next_nonce(),
            made_at=self.at,
        )
        if use is None:
            use = "root" if kind in {"terms", "keys", "accession", "withdrawal"} else "statement"
        envelope = sign_payload(make_payload(kind, header, subjects, body), self.coalition.signer(speaker, use))
        return statement_id(envelope), encode_envelope(envelope)

    def _next_nonce(self) -> str:
        self._nonces += 1
        return hashlib.sha256(f"{self.coalition.seed} nonce {self._nonces}".encode()).hexdigest()[:32]

    def submit(
        self,
        party: Party | str,
        kind: Kind,
        body: Body,
        *,
        to: Party | str | None = None,
        branch: int = 0,
        subjects: tuple[Subject, ...] = (),
        nonce: str | None = None,
    ) -> Digest:
        """Sign a statement and append it to a log (the party's own, or ``to``); retried when the disk fails."""
        said, data = self.statement(party, kind, body, subjects=subjects, nonce=nonce)
        self.append(Party(to or party), data, branch=branch)
        return said

    def append(self, party: Party | str, data: bytes, *, branch: int = 0) -> int:
        """Append envelope bytes (or garbage) to a log until its disk says done: the same entry never stands twice."""
        log = self.logs[Party(party)]
        while True:
            try:
                index = log.append(data, branch=branch)
            except Unavailable:
                self.crashes += 1
                log.restart()
                continue
            if branch == 0:
                self._acknowledged[log.party].add(data)
            return index

    def accede(self, *parties: Party | str) -> None:
        """These parties (default: all) accede to the founding terms; ``sync`` and settle with ``enter_force``."""
        for party in parties or self.coalition.parties:
            self.submit(party, "accession", Accession(terms_digest=self.coalition.accord, conditions=()))

    def enter_force(self) -> None:
        """Everybody accedes, everything settles: the usual beginning."""
        self.accede()
        self.settle()

    def declare_run(
        self, party: Party | str, *, name: str = "run-1", flop: str = "1e20", activity: Any = "training"
    ) -> Digest:
        """Declare a run; its statement id is the run's id."""
        return self.submit(
            party, "run", Run(run=name, activity=activity, planned_flop=Decimal(flop), parents=(), data=())
        )

    def propose(self, party: Party | str, *, run: Digest | None = None) -> Digest:
        """A model's proposal to change its training, which waits at the hold point of the terms."""
        change = sha256_hex(f"change {self._nonces}".encode())
        body = Proposal(change, None, ProposedBy("model", None), ("training",), Decimal("1e20"), "wider layers", run)
        return self.submit(party, "proposal", body)

    def approve(
        self, party: Party | str, proposal: Digest, *, reviewer: str = REVIEWER, key: Signer | None = None, **where: Any
    ) -> Digest:
        """The party's reviewer approves, by the enrolled key or by another one. ``to`` and ``branch`` as in ``submit``."""
        nonce = self._next_nonce()
        unsigned = Approval(proposal, "approve", reviewer, Party(party), None, same_host=False, significant="yes")
        hand = key or self.coalition.signer(Party(party), "reviewer")
        body = sign_approval(unsigned, hand, accord=self.coalition.accord, nonce=nonce)
        return self.submit(party, "approval", body, nonce=nonce, **where)

    def vote(
        self, party: Party | str, choice: VoteChoice, *, trigger: str = "call", number: int = 0, **where: Any
    ) -> Digest:
        """One vote by a party, good for 30 days. ``to`` and ``branch`` as in ``submit``."""
        expires_at = Instant(self.at + 30 * 86_400)
        return self.submit(party, "vote", Vote(choice, trigger, number, Party("all"), expires_at), **where)

    def vote_pause(self, *parties: Party | str, number: int = 0) -> tuple[Digest, ...]:
        """Votes to pause by these parties (default: the first two mirrors) in round ``number``; see ``vote_twice``."""
        return tuple(self.vote_twice(party, "pause", number=number) for party in parties or self.coalition.mirrors[:2])

    def lift(self, *parties: Party | str, number: int = 0) -> tuple[Digest, ...]:
        """Votes to lift by these parties (default: the first two mirrors) of round ``number``; see ``vote_twice``."""
        return tuple(self.vote_twice(party, "lift", number=number) for party in parties or self.coalition.mirrors[:2])

    def vote_twice(self, party: Party | str, choice: VoteChoice, *, number: int = 0) -> Digest:
        """One vote, in the voter's own log and in the first developer's.

        A mirror's cosignatures do not count for its own log, so with q = n − 1 one silent mirror would keep the other
        mirrors' logs from ever being witnessed. Any log may carry any party's statement.
        """
        vote = Vote(choice, "call", number, Party("all"), Instant(self.at + 30 * 86_400))
        said, data = self.statement(party, "vote", vote)
        for log in dict.fromkeys((Party(party), self.coalition.developers[0])):
            self.append(log, data)
        return said

    # Time and the network.

    def pass_time(self, seconds: int) -> None:
        """Everybody's clock moves on, guards' clocks since boot too."""
        self.at = Instant(self.at + seconds)
        for guard in self.guards:
            guard.boot_s += seconds

    def settle(self) -> None:
        """Sync, then pass the settling time, so that what permits counts too."""
        self.sync()
        self.pass_time(self.coalition.settle_s + 1)

    def cut(self, *members: Party | str) -> None:
        """These members neither send nor hear anything until ``heal``."""
        self._cut.update(Party(member) for member in members)

    def heal(self) -> None:
        """Everybody is connected again."""
        self._cut.clear()

    def lie(self, mirror: Party | str, *habits: Lie, false_time_s: int = 0) -> None:
        """A mirror begins to lie; see ``mirror_node`` for the habits."""
        node = self.mirrors[Party(mirror)]
        node.false_time_s = false_time_s
        node.lie(*habits)

    def honest(self) -> tuple[MirrorNode, ...]:
        """The mirrors without a habit of lying."""
        return tuple(node for node in self.mirrors.values() if not node.lies)

    def connected(self, *members: Party) -> bool:
        """Whether none of these members is cut off."""
        return self._cut.isdisjoint(members)

    def arrives(self, sender: Party, receiver: Party) -> bool:
        """Whether one message between two members arrives, by the dice."""
        return self.connected(sender, receiver) and self.rng.random() >= self.loss

    def post(self, sender: Party, receiver: Party, action: Callable[[], None]) -> None:
        """Send a message: lost or delayed by the dice, and overtaken by others."""
        if not self.arrives(sender, receiver):
            return
        self._posted += 1
        due = self.at + self.rng.randint(0, self.delay_s)
        heapq.heappush(self._queue, (due, self.rng.random(), self._posted, action))

    def deliver(self) -> None:
        """Let every message in flight arrive, in the order of its delay; time passes with them."""
        while self._queue:
            due, _, _, action = heapq.heappop(self._queue)
            if due > self.at:
                self.pass_time(due - self.at)
            action()

    def sync(self, *, only: Iterable[Party | str] | None = None) -> None:
        """Upload every log to every mirror (or to ``only`` those) and gossip cosignatures, until nothing changes."""
        chosen = [self.mirrors[Party(party)] for party in only] if only is not None else list(self.mirrors.values())
        for _ in range(ROUNDS_MAX):
            before = (self._progress(chosen), self.crashes)
            for log in self.logs.values():
                for node in chosen:
                    self._post_upload(log, node)
            self.deliver()
            self._gossip(chosen)
            self.deliver()
            if (self._progress(chosen), self.crashes) == before and (not self.loss or self._complete(chosen)):
                return

    def _progress(self, nodes: list[MirrorNode]) -> tuple[object, ...]:
        return tuple((node.heads(), len(node.disk.read("cosignatures", ()))) for node in nodes)

    def _complete(self, nodes: list[MirrorNode]) -> bool:
        honest = [node for node in nodes if not node.lies and self.connected(node.party)]
        logs = [log for log in self.logs.values() if self.connected(log.party)]
        stored = all(
            node.root_at(log.origin, branch.tree.size) is not None
            for node in honest
            for log in logs
            for branch in [log.branches[log.shown_to(node.party)]]
        )
        return stored and len({node.cosignatures() for node in honest}) <= 1

    def _post_upload(self, log: PartyLog, node: MirrorNode) -> None:
        number = log.shown_to(node.party)
        branch = log.branches[number]
        size = branch.tree.size
        known = self._known.get((log.party, node.party), Standing())
        if not size or known.size > size or self._answered.get((log.party, node.party)) == branch.tree.root():
            return  # an honest log does not ask again for a cosignature that it has
        proof = tuple(branch.tree.consistency_proof(known.size, size)) if known.size else ()
        request = AddCheckpoint(known.size, proof, log.head(branch=number).note)
        header = AddEntries(log.origin, known.next_entry, size)
        packages = branch.packages(known.next_entry, size)

        def arrive() -> None:
            answer = self.guarded(node, lambda: node.take(request, header, packages, self.at))
            if answer is not None:
                self.post(node.party, log.party, lambda: self._hear_mirror(log, node, request.note, size, answer))

        self.post(log.party, node.party, arrive)

    def _hear_mirror(
        self, log: PartyLog, node: MirrorNode, note: bytes, size: int, answer: NoteSignature | Standing
    ) -> None:
        if isinstance(answer, Standing):
            self._known[log.party, node.party] = answer
            return
        self._known[log.party, node.party] = Standing(size, size)
        self._answered[log.party, node.party] = parse_checkpoint(parse_note(note).text).root
        cosignature = verify_cosignature(parse_note(note).text, answer, cosigner_key(node.name, node.signer.public_key))
        for other in self.mirrors.values():  # the log publishes what it was given: every mirror may hear it
            self._tell(log.party, other, frozenset({cosignature}))

    def _gossip(self, nodes: list[MirrorNode]) -> None:
        for sender in nodes:
            for receiver in nodes:
                told = sender.cosignatures()
                if sender is not receiver and told - receiver.disk.read("cosignatures", frozenset()):
                    self._tell(sender.party, receiver, told)

    def _tell(self, sender: Party, receiver: MirrorNode, told: frozenset[Cosignature]) -> None:
        def arrive() -> None:
            self.guarded(receiver, lambda: receiver.hear_cosignatures(told))

        self.post(sender, receiver.party, arrive)

    def guarded(self, node: MirrorNode, act: Callable[[], Any]) -> Any:
        """Run a member's step; when its disk fails it crashes, restarts, and nobody hears an answer."""
        try:
            return act()
        except Unavailable:
            self.crashes += 1
            node.restart()
            return None

    # Guards.

    def guard(self, party: Party | str, index: int = 0) -> GuardPlayer:
        """A guard of a party, by its founding guard key number ``index``."""
        player = GuardPlayer(self.coalition, Party(party), index)
        self.guards.append(player)
        return player

    def permit(self, guard: GuardPlayer, intent: Intent) -> VerifiedPermit | None:
        """Ask for a permit over the imitated network; None when denied, and ``guard.last_denial`` says why."""
        witnessed = self.witnessed_decision(intent)
        permit = guard.ask(intent, self.coalition.mirrors, offer=self._offer_to(guard), answer=self._answer_to(guard))
        if permit is not None:
            self.permits.append((self.at, guard, permit))
            if not witnessed.allowed and len(self._liars()) <= self.coalition.f:
                raise AssertionError(f"a permit against a witnessed state that refuses: {witnessed.reasons}")
        return permit

    def intent(self, party: Party | str, run: Digest, **more: Any) -> Intent:
        """An intent to train the run."""
        return Intent(**{"activity": "training", "party": Party(party), "run": run, **more})

    def _liars(self) -> tuple[MirrorNode, ...]:
        return tuple(node for node in self.mirrors.values() if node.lies)

    def _offer_to(self, guard: GuardPlayer) -> Callable[[Party, bytes], bytes | None]:
        def offer(issuer: Party, request: bytes) -> bytes | None:
            node = self.mirrors[issuer]
            if not (self.arrives(guard.party, issuer) and self.arrives(issuer, guard.party)):
                return None
            try:
                answer: bytes | None = self.guarded(node, lambda: node.offer(request, self.at))
            except Refused as refused:
                guard.refused.append(refused)
                return None
            return answer

        return offer

    def _answer_to(self, guard: GuardPlayer) -> Callable[[Party, bytes, tuple[NamedHead, ...]], IssueReply | None]:
        def answer(issuer: Party, ask: bytes, heads: tuple[NamedHead, ...]) -> IssueReply | None:
            node = self.mirrors[issuer]
            if not (self.arrives(guard.party, issuer) and self.arrives(issuer, guard.party)):
                return None
            try:
                reply: IssueReply | None = self.guarded(node, lambda: node.answer(ask, self.at))
                if isinstance(reply, Missing):
                    missing = reply.heads
                    if self.guarded(node, lambda: self._fetch(node, missing, heads)):
                        reply = self.guarded(node, lambda: node.answer(ask, self.at))
            except Refused as refused:
                guard.refused.append(refused)
                return None
            return reply

        return answer

    def _fetch(self, node: MirrorNode, missing: tuple[Head, ...], heads: tuple[NamedHead, ...]) -> bool:
        """An issuer fetches what it misses from those who claim to have stored it."""
        fetched = False
        for named in heads:
            if named.signed.head not in missing:
                continue
            for claimant in named.claimants:
                if claimant in self.mirrors and self.arrives(node.party, claimant):
                    entries = self.mirrors[claimant].serve(named.signed.head)
                    if entries is not None and node.read_up_to(named.signed, entries, self.at):
                        fetched = True
                        break
        return fetched

    # What is true.

    def witnessed_evidence(self) -> Evidence:
        """What a quorum of mirrors has cosigned and no more, with every honest cosignature: the witnessed state."""
        evidence = Evidence(self.coalition.founding)
        signers: dict[tuple[str, int, bytes], set[Party]] = {}
        every = {one for node in self.mirrors.values() for one in node.disk.read("cosignatures", frozenset())}
        parties = self.coalition.mirror_keys()
        for one in every:
            signers.setdefault((one.origin, one.size, one.root), set()).add(parties[one.key])
        for log in self.logs.values():
            for branch in log.branches:
                sizes = [
                    size
                    for (origin, size, root), by in signers.items()
                    if origin == log.origin
                    and size <= branch.tree.size
                    and branch.tree.root(size) == root
                    and len(by - {log.party}) >= self.coalition.q
                ]
                for index, entry in enumerate(branch.entries[: max(sizes, default=0)]):
                    evidence.add_entry(Place(log.origin, index), entry)
                if sizes:
                    for one in every:
                        if (
                            one.origin == log.origin
                            and one.size <= max(sizes)
                            and branch.tree.root(one.size) == one.root
                        ):
                            evidence.add_cosignature(one.origin, parties[one.key], one.size, one.time_s)
                    break
        return evidence

    def witnessed_state(self) -> AccordState:
        """The state of ``witnessed_evidence``."""
        return fold(self.witnessed_evidence())

    def witnessed_decision(self, intent: Intent) -> Decision:
        """What everybody who sees the whole witnessed state would decide now."""
        return decide(self.witnessed_state(), intent, self.at)

    def status(self, mirror: Party | str | None = None) -> Status:
        """The status as a mirror sees it, or, by default, as the witnessed state has it."""
        if mirror is None:
            return status(self.witnessed_state(), self.at)
        node = self.mirrors[Party(mirror)]
        return status(node.state, node.clock(self.at))

    def invariants(self) -> None:
        """Raise ``AssertionError`` unless all of this holds; cheap enough to call after every act.

        1. What was acknowledged stands in its log, in memory and on the disk, exactly once.
        2. Every honest mirror has durably stored every entry below each of its own cosignatures.
        3. Honest mirrors with the same heads and cosignatures have the same state.
        4. No issuer's last epoch went back, and no permit was issued against the witnessed state (see ``permit``).
        5. A guard runs only within the life of the permit that it holds.
        """
        for party, said in self._acknowledged.items():  # 1
            stored = self.disks[party].read("log/entries", ())
            if not said <= set(stored) or len(set(stored)) != len(stored):
                raise AssertionError(f"{party} lost or doubled an acknowledged entry")
        for node in self.honest():  # 2
            for one in node.disk.read("cosignatures", frozenset()):
                if one.mirror_name == node.name and node.root_at(one.origin, one.size) != one.root.hex():
                    raise AssertionError(f"{node.party} cosigned what it has not stored")
        seen: dict[object, Digest] = {}
        for node in self.honest():  # 3
            if node.disk.read("read", None) is None:
                same = (frozenset(node.heads()), node.disk.read("cosignatures", frozenset()))
                if seen.setdefault(same, node.state.digest) != node.state.digest:
                    raise AssertionError(f"{node.party} folds the same evidence to another state")
        for guard in self.guards:  # 5
            if guard.may_run():
                held = guard.permit
                if held is None or guard.boot_s >= held.lapse_s:
                    raise AssertionError(f"a guard of {guard.party} runs without a permit")

    def crash(self, party: Party | str) -> None:
        """Restart a member from its disk."""
        name = Party(party)
        if name not in self.logs:
            raise Misuse(f"no member {party}")
        self.logs[name].restart()
        if name in self.mirrors:
            self.mirrors[name].restart()
