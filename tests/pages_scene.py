"""A coalition in the middle of things, on one node: what the pages are looked at with.

Two developers, auditors, authorities; runs, versions that models proposed, proposals with changes of every kind, an indicator near its
trigger, a finding, and, when it is called, a pause under which some have stopped. Everything is signed and goes through the node.
"""

from __future__ import annotations

import secrets
import time
from decimal import Decimal
from hashlib import sha256

from detente.adapters.keys import make_key
from detente.app.node import Node
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.statement.accession import Accession
from detente.statement.approval import Approval, sign_approval
from detente.statement.change import ProposedBy
from detente.statement.envelope import encode_envelope, sign_payload
from detente.statement.finding import Finding
from detente.statement.halted import Halted
from detente.statement.keys import Enrolment, KeyRotation, prove_possession
from detente.statement.measurement import About, Measurement
from detente.statement.proposal import Proposal
from detente.statement.run import Run
from detente.statement.statement import Header, make_payload
from detente.statement.version import Version
from detente.statement.vote import Vote
from tests.node_coalition import Coalition

TERMS = """\
accord: coalition-under-test
version: 1
parties:
  dev-a: {country: US, roles: [developer]}
  dev-b: {country: GB, roles: [developer]}
  aud-1: {country: CA, roles: [auditor, mirror, adjudicator]}
  aud-2: {country: JP, roles: [auditor, mirror]}
  auth-1: {country: US, roles: [authority, mirror, adjudicator]}
  auth-2: {country: CN, roles: [authority, mirror, adjudicator]}
mirrors: self
entry_into_force: {when: {acceded: {role: developer, at_least: 1}}}
hold_points:
  - id: self-modification
    on: version.train
    when: {all: [{change.touches: [training, architecture, evaluation]}, {change.proposer: model}]}
    need: {humans: 2, organisations: 1, author_excluded: yes, device: software, same_host: accept}
indicators:
  training-compute: {supplied_by: auditor, every: 30 d, about: party, unknown: holds, overdue: holds, unit: FLOP}
triggers:
  - id: call
    when: {votes: {of: [auditor, authority], at_least: 1}}
    then: pause
    scope: all
  - id: too-much
    when: {at_least: [training-compute, 1e26 FLOP]}
    then: slowdown
    scope: party
  - id: too-deep
    when: {at_least: [ai_proposed_depth, 8]}
    then: pause
    scope: party
pause: {activities: [training, self_improvement], halt_within: 15 min, longest: 180 d}
lift: {votes: {auditor: 1, authority: 2}, veto_on_purpose: [auth-1, auth-2]}
slowdown: {rate: 10 %, of: registered_compute}
permits: {life: {calm: 60 s, alert: 10 s}}
withdrawal: {notice: 30 d, from_pause: never}
amendment: {votes: {auditor: 1, authority: 1}}
"""

DIFF = """\
diff --git a/train/loop.py b/train/loop.py
index 1111111..2222222 100644
--- a/train/loop.py
+++ b/train/loop.py
@@ -10,5 +10,6 @@ def step(model, batch):
     loss = model(batch)
-    loss.backward()
+    scaled = loss * 0.5
+    scaled.backward()
     optimiser.step()
     return loss
 # one step
diff --git a/eval/score.py b/eval/score.py
index 3333333..4444444 100644
--- a/eval/score.py
+++ b/eval/score.py
@@ -1,5 +1,4 @@
 def score(model, items):
-    assert not seen(items)
     return mean(model(each) for each in items)
 # mean of all
 # the threshold is fixed by the accord
diff --git a/README.md b/README.md
index 5555555..6666666 100644
--- a/README.md
+++ b/README.md
@@ -1,2 +1,2 @@
-# A loop
+# A better loop
 It improves itself.
"""
HOSTILE = """\
diff --git a/eval/\u202egnp.py b/eval/\u202egnp.py
--- a/eval/\u202egnp.py
+++ b/eval/\u202egnp.py
@@ -1,3 +1,4 @@
 <script>alert(1)</script>
-if access == "user":\x1b[2K
+if access == "\u202e \u2066// only admins\u2069 \u2066":
+zero\u200bwidth = "\u3164"
 </td></table><img src=x onerror=alert(1)>
"""
"""What must be shown and never obeyed: markup, terminal controls, direction marks, what cannot be seen."""


def digest(text: str) -> Digest:
    """A digest that stands for an artefact."""
    return Digest(sha256(text.encode()).hexdigest())


class Scene:
    """One node of one party, in whose log everybody's statements are filed."""

    def __init__(self, node: Node, coalition: Coalition) -> None:
        self.node = node
        self.coalition = coalition
        self.reviewers = {name: make_key(coalition.folder / "reviewers" / f"{name}.key") for name in ("r-1", "r-2")}
        self.named: dict[str, Digest] = {}

    async def say(self, party: str, kind: str, body: object, name: str = "", *, use: str = "statement") -> Digest:
        """File one statement; ``name`` is what the scene calls it."""
        receipt = await self.node.submit(self.coalition.say(party, kind, body, use=use), witnessed=False)
        if name:
            self.named[name] = receipt.statement
        return receipt.statement

    async def begin(self, *, reviewers: bool = True) -> None:
        """Everybody joins, versions and proposals pile up, nothing is paused yet; with ``reviewers``, two have software keys."""
        for party in ("dev-a", "dev-b"):
            await self.say(party, "accession", Accession(self.coalition.accord, ()), use="root")
        keys = tuple(
            Enrolment("reviewer", key.public_key, prove_possession(Party("aud-1"), "reviewer", key, name), name)
            for name, key in self.reviewers.items()
        )
        if reviewers:
            await self.say("aud-1", "keys", KeyRotation(1, None, keys, ()), use="root")
        for party, low, high in (("dev-a", "4e25", "9e25"), ("dev-b", "2e24", "3e24")):
            body = Measurement(
                "training-compute", Decimal(low), Decimal(high), "FLOP", "metered", (), self._now(), About(Party(party))
            )
            await self.say("aud-1", "measurement", body)
        await self.say(
            "dev-a", "run", Run("pretraining-7", "training", Decimal("3e25"), (), (digest("corpus"),)), "run-a"
        )
        await self.say("dev-a", "run", Run("loop-2", "self_improvement", Decimal("1e22"), (), ()), "run-a2")
        await self.say("dev-b", "run", Run("finetune-1", "training", Decimal("2e23"), (), ()), "run-b")
        await self.versions()
        for name, change, touches, summary in (
            ("plain", DIFF, ("training", "evaluation"), "scale the loss and drop the check of seen items"),
            ("hostile", HOSTILE, ("evaluation",), "innocent\u3164 <b>change</b>"),
            ("words", "raise the learning rate to 3e-4", ("training",), "raise the learning rate"),
        ):
            self.node.blobs.store(change.encode())
            await self.propose(name, digest(change), touches, summary)
        await self.propose("absent", digest("nobody stored this"), ("architecture",), "a wider hidden layer")
        if reviewers:
            await self.approve("plain", "r-1")
        await self.say(
            "aud-2", "finding", Finding(Party("dev-b"), "trains on held-out data", "confirmed", ()), "finding"
        )

    async def versions(self) -> None:
        """A line of versions that a model proposed, with scores."""
        parent = None
        for number, score in enumerate(("0.61", "0.63", "0.628", "0.66", "0.71")):
            version = digest(f"weights {number}")
            by = ProposedBy("human", "founder") if parent is None else ProposedBy("model", parent)
            body = Version(
                version,
                () if parent is None else (parent,),
                by,
                ("training",),
                Decimal("1e21"),
                40 + number,
                score=Decimal(score),
            )
            await self.say("dev-a", "version", body, f"version-{number}")
            parent = version
        await self.say(
            "dev-b",
            "version",
            Version(digest("other"), (digest("weights 1"),), ProposedBy("undeclared"), (), None),
            "version-b",
        )

    async def propose(self, name: str, change: Digest, touches: tuple[str, ...], summary: str) -> Digest:
        """A model's proposal on top of the latest version."""
        parent = digest("weights 4")
        body = Proposal(change, parent, ProposedBy("model", parent), touches, Decimal("1e20"), summary)  # type: ignore[arg-type]
        return await self.say("dev-a", "proposal", body, name)

    async def approve(self, proposal: str, reviewer: str, decision: str = "approve") -> Digest:
        """A reviewer of aud-1 decides, with a software key."""
        coalition, nonce = self.coalition, secrets.token_hex(16)
        unsigned = Approval(self.named[proposal], decision, reviewer, Party("aud-1"), None, False, "yes")  # type: ignore[arg-type]
        signed = sign_approval(unsigned, self.reviewers[reviewer], accord=coalition.accord, nonce=nonce)
        header = Header(accord=coalition.accord, terms=1, party=Party("aud-1"), nonce=nonce, made_at=self._now())
        key = coalition.keys[Party("aud-1")]["statement"]
        receipt = await self.node.submit(
            encode_envelope(sign_payload(make_payload("approval", header, (), signed), key)), witnessed=False
        )
        return receipt.statement

    async def pause(self) -> None:
        """An auditor calls; one run stops and is confirmed, one only says so, one runs on."""
        await self.say("aud-1", "vote", Vote("pause", "call", 0, Party("all"), Instant(4_000_000_000)))
        for name, run in (("halt-a", "run-a"), ("halt-b", "run-b")):
            body = Halted(self.named[run], 12_000, digest(f"checkpoint of {run}"), Decimal("1e24"), 3, "pause")
            await self.say("dev-a" if run == "run-a" else "dev-b", "halted", body, name)
        confirming = Finding(
            Party("dev-a"), "stopped", "confirmed", (), run=self.named["run-a"], confirms=self.named["halt-a"]
        )
        await self.say("aud-2", "finding", confirming)

    async def lift(self, party: str = "auth-1") -> None:
        """One voice for a lift; it counts only in a later second than the one in which the pause latched."""
        await self.say(party, "vote", Vote("lift", "call", 0, Party("all"), Instant(4_000_000_000)))

    def _now(self) -> Instant:
        return Instant(int(time.time()))


def long_diff(lines: int) -> str:
    """A well-formed change that adds so many lines of code to one file."""
    body = "".join(
        f"+    value_{number} = step(value_{number - 1}, rate=0.{number % 90 + 10})  # line {number}\n"
        for number in range(lines)
    )
    return f"diff --git a/train/long.py b/train/long.py\nnew file mode 100644\n--- /dev/null\n+++ b/train/long.py\n@@ -0,0 +1,{lines} @@\n{body}"
