"""A play with seeded changes: committed to, put among the others, decided on, revealed. Salts come from names."""

import hashlib
from dataclasses import replace
from decimal import Decimal

from detente.statement.change import ProposedBy
from detente.statement.proposal import Proposal
from detente.statement.screening import Reveal, Screening, commit_change
from tests.accord_play import T0, Play


def salt_of(name: str) -> bytes:
    return hashlib.sha256(f"salt {name}".encode()).digest()


class Screened(Play):
    """A play in which aud-1 seeds what dev-a proposes."""

    def change(self, name):
        return hashlib.sha256(f"change {name}".encode()).hexdigest()

    def commit(self, *names, at=T0 + 100, party="aud-1"):
        made = tuple(commit_change(accord=self.evidence.accord, salt=salt_of(n), change=self.change(n)) for n in names)
        return self.say(party, "screening", Screening(commits=made), at)

    def put(self, name, at, *, party="dev-a", by="model", touches=("training",)):
        body = Proposal(self.change(name), None, ProposedBy(by, None), touches, Decimal(0), "wider layers")
        return self.say(party, "proposal", body, at)

    def revealed(self, name, proposal, commitment, **more):
        return replace(Reveal(proposal, self.change(name), commitment, salt_of(name), "evaluation-disabled"), **more)

    def reveal(self, name, proposal, commitment, at, *, party="aud-1", **more):
        body = Screening(reveal=self.revealed(name, proposal, commitment, **more))
        return self.hear(party, "screening", body) if at is None else self.say(party, "screening", body, at)

    def approve_all(self, proposal, at):
        for number, reviewer in enumerate(("r-1", "r-2")):
            self.approve("auth-1", proposal, at + number, reviewer=reviewer)

    def seed(self, name, at, decision, *, party="auth-1", reviewer="r-1", commitment=None):
        """One seed from commitment to reveal: put at ``at``, decided 10 s later, revealed 20 s later."""
        commitment = commitment or self.commit(name, at=at - 50)
        proposal = self.put(name, at)
        if decision is not None:
            self.approve(party, proposal, at + 10, decision=decision, reviewer=reviewer)
        self.reveal(name, proposal, commitment, at + 20)
        return proposal
