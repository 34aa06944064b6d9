"""One party's log in memory, with as many branches as a liar wants to tell stories.

Decides what stands in the log and signs its heads. An honest log has one branch, and its sequencer keeps the order
of the contracts: entries durable, head durable, then the signature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from detente.base.digest import Digest
from detente.base.identity import Party
from detente.guard.permit import Head, SignedHead
from detente.log.checkpoint import Checkpoint, sign_checkpoint
from detente.log.merkle import MerkleTree, leaf_hash
from detente.log.mirror import EntryPackage, build_packages
from detente.log.note import ED25519, NoteKey
from detente.statement.signing import Signer
from detente.testing.disk import Disk


@dataclass(slots=True)
class Branch:
    """One story: entries and their tree."""

    entries: list[bytes] = field(default_factory=list)
    tree: MerkleTree = field(default_factory=MerkleTree)

    def extend(self, entries: Sequence[bytes]) -> None:
        """Append entries to the story and to its tree."""
        self.entries.extend(entries)
        self.tree.extend([leaf_hash(entry) for entry in entries])

    def packages(self, start: int, end: int) -> list[EntryPackage]:
        """The C2SP upload of entries ``[start, end)`` under the head of size ``end``."""
        return list(build_packages(self.tree, lambda first, stop: self.entries[first:stop], start, end))


class PartyLog:
    """The log of ``party``. ``shows`` says which branch each mirror is shown; the honest answer is always 0."""

    def __init__(self, party: Party, origin: str, signer: Signer, disk: Disk) -> None:
        self.party = party
        self.origin = origin
        self.key = NoteKey(origin, ED25519, signer.public_key)
        self.branches: list[Branch] = []
        self.shows: dict[Party, int] = {}
        self._signer = signer
        self._disk = disk
        self.restart()

    def restart(self) -> None:
        """Forget everything but what is on the disk. Branches beyond the first are a liar's and are kept."""
        first = Branch()
        first.extend(self._disk.read("log/entries", ()))
        self.branches = [first, *self.branches[1:]]

    def append(self, entry: bytes, *, branch: int = 0) -> int:
        """Append durably and return the index; an entry that stands there already keeps its index."""
        story = self.branches[branch]
        if entry in story.entries:
            return story.entries.index(entry)
        if branch == 0:
            self._disk.write("log/entries", (*story.entries, entry))
        story.extend([entry])
        return len(story.entries) - 1

    def fork(self, size: int) -> int:
        """Begin another story from the first ``size`` entries; returns its number."""
        branch = Branch()
        branch.extend(self.branches[0].entries[:size])
        self.branches.append(branch)
        return len(self.branches) - 1

    def head(self, *, branch: int = 0, size: int | None = None) -> SignedHead:
        """The signed head of a story, at its end or at ``size``."""
        tree = self.branches[branch].tree
        size = tree.size if size is None else size
        checkpoint = Checkpoint(self.origin, size, tree.root(size))
        return SignedHead(
            Head(self.origin, size, Digest(checkpoint.root.hex())), sign_checkpoint(checkpoint, signer=self._signer)
        )

    def shown_to(self, mirror: Party) -> int:
        """The branch that this mirror is shown."""
        return self.shows.get(mirror, 0)
