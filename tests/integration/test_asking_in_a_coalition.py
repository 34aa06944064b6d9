"""Four real nodes with f = 1 answer a hook: approved by another organisation it goes through, cut off from them it holds."""

import asyncio
import signal
from pathlib import Path

from detente.adapters.client import NodeClient
from detente.app.asking import Question, ask, use
from detente.base.digest import Digest
from detente.base.errors import Refused
from detente.guard.answer import digest_act
from detente.testing.coalition import Coalition
from detente.testing.loopback import Loopback
from tests.integration.asking_rig import CLAUDE, detente, proposal_in, repository
from tests.integration.reviewer_of_auditor import approval_envelope


async def approved(nodes: Loopback, coalition: Coalition, proposal: Digest) -> None:
    """A reviewer of an auditor decides, at the auditor's own node."""
    auditor = coalition.mirrors[0]
    envelope = approval_envelope(coalition, proposal)
    client = NodeClient(nodes.url(auditor))
    try:
        await client.submit(envelope)
    finally:
        await client.close()


def test_a_commit_waits_for_another_organisation_and_holds_in_a_partition(tmp_path: Path):
    """The approval travels between nodes; with three of four issuers frozen even an approved change is held, until they are back."""
    coalition = Coalition(seed=7, developers=1, mirrors=4, f=1, settle_s=0)
    developer = coalition.developers[0]
    with Loopback(tmp_path / "nodes", coalition) as nodes:
        asyncio.run(nodes.accede())
        home = nodes.home(developer)
        repo = repository(tmp_path / "repo")
        done = detente("hook", "git", "install", str(repo.path), home=home)
        assert done.returncode == 0, done.stderr.decode()
        repo.write(model__py="DEPTH = 9\n")
        text = repo.commit("deeper" + CLAUDE, fails=True)
        assert "held: refs/heads/main touches architecture (model.py)" in text
        asyncio.run(approved(nodes, coalition, Digest(proposal_in(text))))
        repo.commit("deeper" + CLAUDE)
        repo.write(model__py="DEPTH = 10\n")
        asyncio.run(approved(nodes, coalition, Digest(proposal_in(repo.commit("deeper still", fails=True)))))
        frozen = coalition.mirrors[1:]
        for party in frozen:
            nodes.send(party, signal.SIGSTOP)
        try:
            text = repo.commit("deeper still", fails=True)
        finally:
            for party in frozen:
                nodes.send(party, signal.SIGCONT)
        assert "no answer within" in text or "too few issuers answered" in text
        repo.commit("deeper still")


def test_an_answer_of_a_coalition_is_used_once(tmp_path: Path):
    """Three issuers' signatures, bound to the act: a second use and an edited act are refused, whoever tries."""
    coalition = Coalition(seed=8, developers=1, mirrors=4, f=1, settle_s=0)
    developer = coalition.developers[0]
    act, other = digest_act("test", {"do": 1}), digest_act("test", {"do": 2})
    with Loopback(tmp_path / "nodes", coalition) as nodes:
        asyncio.run(nodes.accede())
        home = nodes.home(developer)
        answer = ask(Question(activity="training", act=act, run="once", planned_flop="1e15"), home=home, within_s=60)
        assert answer.allowed, answer.why
        refusals = [refusal(answer, other, home), refusal(answer, act, home), refusal(answer, act, home)]
    assert refusals == ["J03", "", "J02"]


def refusal(answer, act, home) -> str:
    """The number under which using it is refused; empty where it is not."""
    try:
        use(answer, act=act, home=home)
    except Refused as refused:
        return refused.rule
    return ""
