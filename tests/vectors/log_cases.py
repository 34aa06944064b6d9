"""Run one committed case of rooms ``log`` and ``mirror``: read its files, perform its check."""

import base64
import json

from detente.base.errors import Refused
from detente.log.checkpoint import verify_checkpoint, verify_witnessed
from detente.log.cosignature import verify_cosignature
from detente.log.equivocation import parse_equivocation, verify_equivocation
from detente.log.merkle import MerkleTree, leaf_hash, verify_consistency, verify_inclusion, verify_subtree_consistency
from detente.log.mirror import (
    DailyCap,
    MirrorState,
    mirror_add_entries,
    parse_add_entries_header,
    parse_mirror_info,
    read_packages,
)
from detente.log.note import parse_note, parse_vkey, verify_note
from detente.log.policy import parse_policy, verify_policy
from detente.log.proof import parse_proof, verify_proof
from detente.log.tiles import check_bundle, encode_entry, parse_bundle, parse_tile_path
from detente.log.witness import check_add_checkpoint, parse_add_checkpoint, parse_size_reply


def _bytes(text):
    return base64.b64decode(text)


class Case:
    """A folder: its ``case.json`` and its files."""

    def __init__(self, folder):
        self.folder = folder
        self.told = json.loads((folder / "case.json").read_text("utf-8"))

    def file(self, name):
        """The bytes of a file beside ``case.json``."""
        return (self.folder / name).read_bytes()

    @property
    def key(self):
        """The log's key."""
        return parse_vkey(self.told["key"])

    def trust(self):
        """What verifying a witnessed head takes."""
        mirrors = {parse_vkey(key): party for key, party in self.told["mirrors"]}
        return {"mirrors": mirrors, "operator": self.told["operator"], "quorum": self.told["quorum"]}

    def run(self):
        """Perform the check; returns the status where there is one. Raises ``Refused``."""
        return getattr(self, "check_" + self.told["check"].replace("-", "_"))()

    def check_inclusion(self):
        told = self.told
        proof = [_bytes(one) for one in told["proof"]]
        verify_inclusion(_bytes(told["leaf"]), told["index"], told["size"], proof, _bytes(told["root"]))

    def check_consistency(self):
        told = self.told
        proof = [_bytes(one) for one in told["proof"]]
        verify_consistency(told["old"], told["size"], _bytes(told["old_root"]), _bytes(told["root"]), proof)

    def check_subtree(self):
        told = self.told
        verify_subtree_consistency(
            start=told["start"],
            end=told["end"],
            size=told["size"],
            subtree_root=_bytes(told["subtree_root"]),
            root=_bytes(told["root"]),
            proof=[_bytes(one) for one in told["proof"]],
        )

    def check_vkey(self):
        parse_vkey(self.told["text"])

    def check_path(self):
        parse_tile_path(self.told["text"])

    def check_note(self):
        verify_note(parse_note(self.file("note")), [parse_vkey(key) for key in self.told["keys"]])

    def check_head(self):
        verify_checkpoint(self.file("note"), self.key)

    def check_witnessed(self):
        verify_witnessed(self.file("note"), self.key, **self.trust())

    def check_cosignature(self):
        note = parse_note(self.file("note"))
        verify_cosignature(note.text, note.signatures[-1], self.key)

    def check_bundle(self):
        entries = parse_bundle(self.file("bundle"), count=self.told["count"])
        check_bundle(entries, [_bytes(leaf) for leaf in self.told["leaves"]])

    def check_entry(self):
        encode_entry(bytes(self.told["bytes"]))

    def check_proof(self):
        verify_proof(parse_proof(self.file("proof")), self.file("entry"), log_key=self.key, **self.trust())

    def check_policy(self):
        policy = parse_policy(self.file("policy"))
        if (self.folder / "note").exists():
            verify_policy(self.file("note"), policy)

    def check_equivocation(self):
        verify_equivocation(parse_equivocation(self.file("equivocation")))

    def check_add_checkpoint(self):
        request = parse_add_checkpoint(self.file("request"))
        told = self.told
        root, keys = _bytes(told["root"]), [self.key]
        checked = check_add_checkpoint(request, origin=told["origin"], size=told["size"], root=root, log_keys=keys)
        return _answer(checked)

    def check_add_entries(self):
        body = self.file("request")
        header, offset = parse_add_entries_header(body)
        told, heads = self.told, {"pending": [], "mirror": []}
        for path in sorted(self.folder.iterdir()):
            kind = path.name.partition("-")[0]
            if kind in heads:
                heads[kind].append(verify_checkpoint(path.read_bytes(), self.key))
        state = MirrorState(
            told["origin"],
            self.key,
            mirror=next(iter(heads["mirror"]), None),
            pending=tuple(sorted(heads["pending"], key=lambda head: head.size)),
            next_entry=told["next_entry"],
        )
        tree = MerkleTree()
        tree.extend([leaf_hash(b"entry %d" % at) for at in range(told["next_entry"])])
        cap = DailyCap(*told["cap"]) if told["cap"] else None
        packages = read_packages(header, body, offset)
        return _answer(mirror_add_entries(state, header, packages, nodes=tree, cap=cap, at=0).reply)

    def check_size_reply(self):
        parse_size_reply(self.file("reply"))

    def check_mirror_info(self):
        parse_mirror_info(self.file("reply"))


class Answered(Exception):
    """A refusal that came as a reply, with its status."""

    def __init__(self, status, refused):
        super().__init__(status, refused)
        self.status, self.refused = int(status), refused


def _answer(reply):
    refused = getattr(reply, "refused", None)
    if isinstance(refused, Refused):
        raise Answered(reply.status, refused)
    return int(getattr(reply, "status", 200))
