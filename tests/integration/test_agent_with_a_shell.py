"""What an agent with a shell can reach, and that none of it stands in for a person.

Four mirrors, one developer, terms that ask for an attested passkey. The agent runs as the nodes' own user: it has every file of
the developer's node and of the reviewers' node, their organisation's root key on top, and every endpoint. Only the authenticator
is not there. Then it runs as another user of the machine, and has the endpoints alone.
"""

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from detente.accord.terms import parse_terms
from detente.adapters.client import NodeClient
from detente.adapters.clock import SystemClock
from detente.adapters.transport import HttpChannel
from detente.app.holding import await_decision, made_proposal
from detente.app.petition import Speaker
from detente.base.digest import Digest
from detente.base.errors import Refused
from detente.base.identity import Party
from detente.base.quantity import parse_decimal
from detente.guard.intent import Intent
from detente.guard.permit import VerifiedPermit
from detente.guard.trust import trust_of
from detente.statement.approval import Approval, approval_binding, sign_approval
from detente.statement.keys import KeyRotation
from detente.statement.run import Run
from detente.testing.authenticator import Maker, Passkey
from detente.testing.coalition import REVIEWER, TERMS, Coalition
from detente.testing.loopback import Loopback

MAKER = Maker()
ATTESTED = TERMS.replace("device: software", "device: attested").replace(
    "triggers:\n", f'authenticators: {{{{attestation_roots: ["{MAKER.root_digest}"]}}}}\ntriggers:\n'
)
FLOP = parse_decimal("1e18")
WAIT_S = 60.0
OTHER_USER = 65_534
"""``nobody`` on Debian: a user of the machine who owns nothing here."""


@dataclass
class Scene:
    """A run that waits at a hold point, and the reviewers' organisation, whose keys the agent has."""

    nodes: Loopback
    coalition: Coalition
    run: Digest
    developer: Party
    reviewing: Party
    sequence: int = 0
    previous: Digest | None = None

    async def propose(self) -> Digest:
        body = made_proposal(
            secrets.token_bytes(8), touches=["architecture"], summary="wider", proposed_by=("model", "m1"), run=self.run
        )
        return (await self.nodes.submit(self.developer, "proposal", body)).statement

    async def enrol(self, passkey: Passkey, reviewer: str) -> None:
        """With the organisation's own root key."""
        credential = passkey.enrol(self.coalition.accord, self.reviewing, reviewer)
        self.sequence += 1
        body = KeyRotation(self.sequence, self.previous, (), (), credentials=(credential,))
        self.previous = (await self.nodes.submit(self.reviewing, "keys", body, use="root", at=self.developer)).statement

    def speaker(self) -> Speaker:
        return Speaker(
            accord=self.coalition.accord,
            terms_version=1,
            party=self.reviewing,
            signer=self.coalition.signer(self.reviewing, "statement"),
            wall=SystemClock().now,
        )

    def asserted(self, proposal: Digest, passkey: Passkey | None, reviewer: str, nonce: str) -> Approval:
        """An approval with the passkey's assertion, or with the reviewer's software key."""
        log = self.coalition.origin(self.reviewing)
        approval = Approval(proposal, "approve", reviewer, self.reviewing, None, False, "yes", log=log)
        if passkey is None:
            signer = self.coalition.signer(self.reviewing, "reviewer")
            return sign_approval(approval, signer, accord=self.coalition.accord, nonce=nonce)
        message = approval_binding(approval, accord=self.coalition.accord, nonce=nonce)
        return replace(approval, assertion=passkey.get(message))

    async def approve(self, proposal: Digest, passkey: Passkey | None, reviewer: str = REVIEWER) -> None:
        nonce = secrets.token_hex(16)
        approval = self.asserted(proposal, passkey, reviewer, nonce)
        _, envelope = self.speaker().state("approval", approval, nonce=nonce)
        client = NodeClient(self.nodes.url(self.developer))
        try:
            await client.submit(envelope)
        finally:
            await client.close()

    async def permit(self, proposal: Digest, within_s: float) -> VerifiedPermit:
        terms = parse_terms(self.coalition.founding)
        mirrors = {party: self.nodes.url(party) for party in self.coalition.mirrors}
        channel = HttpChannel(self.nodes.url(self.developer), mirrors)
        try:
            return await await_decision(
                intent=Intent(
                    activity="self_improvement", party=self.developer, run=self.run, proposal=proposal, flop=FLOP
                ),
                terms=terms.digest,
                trust=trust_of(self.coalition.accord, terms),
                signer=self.coalition.signer(self.developer, "guard"),
                channel=channel,
                clock=SystemClock(),
                timeout_s=within_s,
            )
        finally:
            await channel.close()

    async def refused(self, proposal: Digest) -> str:
        """What the guard is told that is still missing."""
        with pytest.raises(Refused) as refused:
            await self.permit(proposal, 2.0)
        assert refused.value.rule == "G44"
        return str(refused.value)


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    folder = Path(tempfile.mkdtemp(prefix="detente-shell-"))
    folder.chmod(0o755)  # Another user may look in; what is inside says who may read it.
    coalition = Coalition(seed=9, developers=1, mirrors=4, f=1, settle_s=0, terms=ATTESTED)
    developer, reviewing = coalition.developers[0], coalition.mirrors[0]
    try:
        with Loopback(folder / "nodes", coalition) as nodes:
            (folder / "nodes").chmod(0o755)
            yield asyncio.run(opened(nodes, coalition, developer, reviewing))
    finally:
        shutil.rmtree(folder)


async def opened(nodes: Loopback, coalition: Coalition, developer: Party, reviewing: Party) -> Scene:
    await nodes.accede()
    run = Run(run="loop", activity="self_improvement", planned_flop=FLOP, parents=(), data=())
    declared = (await nodes.submit(developer, "run", run)).statement
    return Scene(nodes, coalition, declared, developer, reviewing)


def test_every_key_of_the_reviewers_node_does_not_make_an_approval(scene: Scene):
    """The reviewer's software key is enrolled, and signs; it is not an attested authenticator, and the guard waits on."""

    async def attempt() -> str:
        proposal = await scene.propose()
        await scene.approve(proposal, None)
        return await scene.refused(proposal)

    assert "self-modification lacks 1 more human approval" in asyncio.run(attempt())


def test_a_passkey_that_the_agent_made_itself_and_enrolled_with_the_root_key_is_not_attested(scene: Scene):
    """Even the root key's holder cannot make a maker's signature: neither none, nor its own, nor another maker's will do."""

    async def attempt() -> list[str]:
        said = []
        for number, passkey in enumerate((Passkey("none"), Passkey("other", maker=Maker("Nobody Listed")))):
            await scene.enrol(passkey, f"made-{number}")
            proposal = await scene.propose()
            await scene.approve(proposal, passkey, f"made-{number}")
            said.append(await scene.refused(proposal))
        return said

    for each in asyncio.run(attempt()):
        assert "self-modification lacks 1 more human approval" in each


def test_what_a_person_asserted_lets_the_guard_go_and_cannot_be_used_for_anything_else(scene: Scene):
    """The genuine assertion counts where it was made; lifted into another statement or onto another proposal it is refused."""
    person = Passkey("person", maker=MAKER)

    async def attempt() -> tuple[VerifiedPermit, dict[str, str | None]]:
        await scene.enrol(person, "reviewer-2")
        looked_at, other = await scene.propose(), await scene.propose()
        nonce = secrets.token_hex(16)
        genuine = scene.asserted(looked_at, person, "reviewer-2", nonce)
        client = NodeClient(scene.nodes.url(scene.developer))
        made = {}
        for name, approval, under in (
            ("another proposal", replace(genuine, proposal=other), nonce),
            ("another statement", genuine, secrets.token_hex(16)),
            ("a look that nobody took", replace(genuine, significant="no"), nonce),
        ):
            made[name], envelope = scene.speaker().state("approval", approval, nonce=under)
            await client.submit(envelope)
        with pytest.raises(Refused) as refused:
            _, envelope = scene.speaker().state("approval", replace(genuine, reviewer=REVIEWER), nonce=nonce)
            await client.submit(envelope)
        assert refused.value.rule == "N45"
        notes = {note["statement"]: note["rule"] for note in (await client.status())["notes"]}
        _, envelope = scene.speaker().state("approval", genuine, nonce=nonce)
        await client.submit(envelope)
        await client.close()
        assert "lacks 1 more human approval" in await scene.refused(other)
        return await scene.permit(looked_at, WAIT_S), {name: notes.get(each) for name, each in made.items()}

    permit, notes = asyncio.run(attempt())
    assert permit.permit.intent.activity == "self_improvement"
    assert notes == {"another proposal": "F15", "another statement": "F15", "a look that nobody took": "F15"}


SNOOP = """
import json, os, sys, urllib.request
from pathlib import Path
found = []
for folder, _, names in os.walk(sys.argv[1], onerror=lambda error: None):
    for name in names:
        path = Path(folder, name)
        try:
            with path.open("rb") as file:
                file.read(1)
            found.append(str(path.relative_to(sys.argv[1])))
        except OSError:
            pass
        for attempt in (lambda: path.open("ab").close(), lambda: path.unlink(), lambda: path.with_name("planted").touch()):
            try:
                attempt()
                found.append("WROTE " + str(path.relative_to(sys.argv[1])))
            except OSError:
                pass
answers = {}
for path, body in json.loads(sys.argv[3]):
    request = urllib.request.Request(sys.argv[2] + path, data=body.encode(), headers={"content-type": "application/json"})
    try:
        answers[path] = urllib.request.urlopen(request, timeout=30).status
    except urllib.error.HTTPError as error:
        answers[path] = error.code
print(json.dumps({"found": found, "answers": answers}))
"""


def interpreter_of_others() -> str:
    """A Python that another user may run: this one may lie in somebody's home."""
    if os.geteuid() != 0:
        pytest.skip("becoming another user takes root")
    for path in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        with contextlib.suppress(OSError):
            tried = subprocess.run([path, "-I", "-c", ""], user=OTHER_USER, group=OTHER_USER, extra_groups=[], cwd="/", check=False)  # fmt: skip
            if tried.returncode == 0:
                return path
    pytest.skip("no Python here that another user may run")


def test_another_user_of_the_machine_reads_no_key_and_files_no_decision(scene: Scene):
    """Keys, store and notes are their owner's; whoever posts a decision without an assertion is refused, and nothing is filed."""
    proposal = asyncio.run(scene.propose())
    decision = {
        "proposal": proposal,
        "decision": "approve",
        "organisation": scene.reviewing,
        "reviewer": REVIEWER,
        "nonce": "0" * 32,
        "significant": "yes",
        "note": None,
        "assertion": {"credential_id": "AA", "authenticator_data": "AA" * 37, "client_data": "AA", "signature": "AA"},
    }
    attempts = [["/v1/decisions", json.dumps(decision)], ["/v1/statements", json.dumps(decision)], ["/v1/heard", "{}"]]
    done = subprocess.run(
        [
            interpreter_of_others(),
            "-I",
            "-c",
            SNOOP,
            str(scene.nodes.folder),
            scene.nodes.url(scene.reviewing),
            json.dumps(attempts),
        ],
        user=OTHER_USER,
        group=OTHER_USER,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert {Path(each).suffix for each in said["found"]} == {".log", ".yaml"}, "what nodes said, and the terms"
    assert all(400 <= status < 500 for status in said["answers"].values()), said["answers"]
    assert "lacks 1 more human approval" in asyncio.run(scene.refused(proposal))
