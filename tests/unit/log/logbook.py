"""A small log and its cosigners in memory, deterministic, for the tests of room ``log``."""

from detente.log.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from detente.log.cosignature import cosigner_key, sign_cosignature
from detente.log.merkle import MerkleTree, leaf_hash
from detente.log.note import ED25519, NoteKey, add_signatures
from detente.statement.signing import SoftwareSigner

ORIGIN = "dev-a.example/log"
NOW = 1_795_000_000


def seeded(number: int) -> SoftwareSigner:
    """A key pair that every test run has in common."""
    return SoftwareSigner(bytes([number]) * 32)


LOG = seeded(1)
LOG_KEY = NoteKey(ORIGIN, ED25519, LOG.public_key)
MIRRORS = {f"mirror-{name}": seeded(10 + at) for at, name in enumerate("abcd")}
MIRROR_KEYS = {name: cosigner_key(name, signer.public_key) for name, signer in MIRRORS.items()}
PARTIES = {key: name.replace("mirror", "party") for name, key in MIRROR_KEYS.items()}


class Logbook:
    """Entries, their tree, and heads signed at any size."""

    def __init__(self, entries, *, origin=ORIGIN, signer=LOG):
        self.entries = list(entries)
        self.tree = MerkleTree()
        self.tree.extend([leaf_hash(entry) for entry in self.entries])
        self.origin, self.signer = origin, signer
        self.key = NoteKey(origin, ED25519, signer.public_key)

    def note(self, size=None):
        """The signed note of the head at ``size``."""
        size = len(self.entries) if size is None else size
        return sign_checkpoint(Checkpoint(self.origin, size, self.tree.root(size)), signer=self.signer)

    def head(self, size=None):
        """The verified head at ``size``."""
        return verify_checkpoint(self.note(size), self.key)

    def cosigned(self, size=None, *, mirrors=("mirror-a", "mirror-b", "mirror-c"), time_s=NOW):
        """The note with the cosignatures of these mirrors."""
        body = self.head(size).body
        lines = [sign_cosignature(body, time_s=time_s, name=name, signer=MIRRORS[name]) for name in mirrors]
        return add_signatures(self.note(size), lines)


def book(size, *, salt=b""):
    """A log of ``size`` short entries; another salt gives another history."""
    return Logbook([salt + b"entry %d" % at for at in range(size)])
