"""Make the vectors of the log and the mirror: ``python -m tests.vectors.make_log_vectors`` from the repository root."""

import json
from dataclasses import replace
from pathlib import Path

from detente.log.checkpoint import Checkpoint, encode_checkpoint
from detente.log.cosignature import cosigner_key
from detente.log.equivocation import Equivocation, encode_equivocation, find_equivocation
from detente.log.merkle import leaf_hash
from detente.log.mirror import (
    AddEntries,
    MirrorInfo,
    build_packages,
    encode_add_entries_header,
    encode_mirror_info,
    encode_package,
)
from detente.log.note import NoteKey, NoteSignature, SignedNote, add_signatures, encode_note, encode_vkey, sign_note
from detente.log.proof import InclusionProof, encode_proof
from detente.log.spelling import show_base64
from detente.log.tiles import encode_bundle
from detente.log.witness import AddCheckpoint, encode_add_checkpoint
from tests.unit.log.logbook import LOG, LOG_KEY, MIRROR_KEYS, MIRRORS, ORIGIN, PARTIES, Logbook, book, seeded

LOGS, FORK = book(300), book(300, salt=b"other ")
VKEY = encode_vkey(LOG_KEY)
TRUST = {"mirrors": [[encode_vkey(key), party] for key, party in PARTIES.items()], "operator": None, "quorum": 3}
SIZE = 13


def _b64(hashes):
    return [show_base64(one) for one in hashes]


def _json(value):
    return (json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


class Folder:
    """Where the cases of one room go."""

    def __init__(self, root):
        self.root = root

    def add(self, name, why, told, *, status=None, **files):
        """Write one case; a name that begins with a number MUST be refused with it."""
        rule = name.split("-")[0] if name.endswith("_fail") else None
        folder = self.root / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "README.md").write_text(why + "\n", "utf-8")
        (folder / "case.json").write_bytes(_json(told))
        expected = {key: value for key, value in (("rule", rule), ("status", status)) if value is not None}
        if expected:
            (folder / "expect.json").write_bytes(_json(expected))
        for file, data in files.items():
            (folder / file.replace("_", "-")).write_bytes(data)


def _trees(log):
    tree, root = LOGS.tree, LOGS.tree.root(SIZE)
    inclusion = {
        "check": "inclusion",
        "leaf": show_base64(tree.node(0, 5)),
        "index": 5,
        "size": SIZE,
        "proof": _b64(tree.inclusion_proof(5, SIZE)),
        "root": show_base64(root),
    }
    log.add("inclusion", "Entry 5 of 13 under its root.", inclusion)
    short = {**inclusion, "leaf": show_base64(b"short")}
    log.add("L01-short-hash_fail", "A leaf hash of 5 bytes is refused before anything is hashed.", short)
    log.add("L02-index-beyond_fail", "Index 13 of size 13 is no entry.", {**inclusion, "index": SIZE})
    log.add("L03-long-proof_fail", "One hash too many.", {**inclusion, "proof": [*inclusion["proof"], short["root"]]})
    log.add("L04-other-index_fail", "The proof of entry 5 does not fit entry 4.", {**inclusion, "index": 4})
    consistency = {
        "check": "consistency",
        "old": 7,
        "size": SIZE,
        "old_root": show_base64(tree.root(7)),
        "root": show_base64(root),
        "proof": _b64(tree.consistency_proof(7, SIZE)),
    }
    log.add("consistency", "The first 7 of 13 entries.", consistency)
    fork = {**consistency, "old_root": show_base64(FORK.tree.root(7))}
    log.add("L05-fork_fail", "Another history of size 7 is not the beginning.", fork)
    zero = {**consistency, "old": 0, "proof": []}
    log.add("L06-from-zero_fail", "A proof from size 0 proves nothing, whatever the old root says.", zero)
    subtree = {
        "check": "subtree",
        "start": 8,
        "end": 11,
        "size": SIZE,
        "subtree_root": show_base64(tree.subtree_root(8, 11)),
        "root": show_base64(root),
        "proof": _b64(tree.subtree_consistency_proof(8, 11, SIZE)),
    }
    log.add("subtree", "Entries 8 to 11 of 13: what a mirror checks for a package.", subtree)
    log.add("L07-unaligned_fail", "[9, 11) is no aligned subtree.", {**subtree, "start": 9})


def _notes(log):
    text = b"hello\n\nworld\n"
    line = sign_note(text, name=ORIGIN, signer=LOG)
    strangers = [NoteSignature(f"s{at}.example", b"%04d" % at, bytes(64)) for at in range(64)]
    sixteen = encode_note(SignedNote(text, (*strangers[:15], line)))
    one = encode_note(SignedNote(text, (line,)))
    told = {"check": "note", "keys": [VKEY]}
    log.add("note", "16 signatures, 15 of them by strangers; a blank line inside the text.", told, note=sixteen)
    log.add("L10-control-character_fail", "A tab in the text.", told, note=one.replace(b"hello", b"he\tlo"))
    many = encode_note(SignedNote(text, tuple(strangers))) + sixteen.rpartition(b"\xe2\x80\x94")[1] + b" x QUFBQUE=\n"
    log.add("L11-65-signatures_fail", "65 signature lines.", told, note=many)
    log.add("L12-hyphen_fail", "A hyphen for the dash.", told, note=one.replace("—".encode(), b"-"))
    log.add(
        "vkey",
        "The key of the signed-note format's own example.",
        {
            "check": "vkey",
            "text": "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        },
    )
    log.add(
        "L13-short-key_fail",
        "31 bytes of Ed25519 key.",
        {
            "check": "vkey",
            "text": f"{ORIGIN}+00000000+{show_base64(bytes([1]) + bytes(31))}",
        },
    )
    log.add(
        "L14-other-id_fail",
        "The id of another key.",
        {
            "check": "vkey",
            "text": f"{ORIGIN}+00000000+{VKEY.split('+', 2)[2]}",
        },
    )
    bad = encode_note(SignedNote(text, (line, NoteSignature(line.name, line.key_id, bytes(64)))))
    log.add("L15-known-key-fails_fail", "A good signature beside one by the same key that fails.", told, note=bad)
    nobody = encode_note(SignedNote(text, tuple(strangers[:1])))
    log.add("L16-nobody-known_fail", "Signed by a stranger only.", told, note=nobody)
    pair = [encode_vkey(NoteKey("a.example", 1, number.to_bytes(32, "big"))) for number in (38_170, 78_965)]
    log.add("L17-same-id_fail", "Two keys of one name whose ids collide.", {"check": "note", "keys": pair}, note=one)


def _signed(text, *, name=ORIGIN, signer=LOG):
    return encode_note(SignedNote(text, (sign_note(text, name=name, signer=signer),)))


def _heads(log):
    told = {"check": "head", "key": VKEY}
    log.add("head", "A head signed by its log.", told, note=LOGS.note(SIZE))
    text = LOGS.head(SIZE).body
    padded = _signed(text.replace(b"\n13\n", b"\n013\n"))
    log.add("L20-leading-zero_fail", "Size 013, signed as it stands.", told, note=padded)
    empty = _signed(text.replace(b"\n13\n", b"\n0\n"))
    log.add("L21-empty-with-root_fail", "Size 0 with a root of entries.", told, note=empty)
    elsewhere = _signed(encode_checkpoint(Checkpoint("b.example/log", 1, bytes(32))))
    log.add("L22-other-origin_fail", "The log's key under another origin.", told, note=elsewhere)
    told = {"check": "witnessed", "key": VKEY, **TRUST}
    note = LOGS.cosigned(SIZE)
    log.add("witnessed", "Three mirrors of three parties.", told, note=note)
    log.add(
        "L24-operator-counts-not_fail", "One of the three is the operator.", {**told, "operator": "party-a"}, note=note
    )
    again = [encode_vkey(cosigner_key("mirror-x", MIRROR_KEYS["mirror-a"].key)), "party-x"]
    twice = {**told, "mirrors": [*told["mirrors"], again]}
    log.add("L25-key-twice_fail", "One public key under two names and two parties.", twice, note=note)
    plain = [[encode_vkey(NoteKey("mirror-a", 1, MIRROR_KEYS["mirror-a"].key)), "party-a"]]
    log.add("L26-no-cosigner_fail", "A mirror key of type 01.", {**told, "mirrors": plain, "quorum": 1}, note=note)
    one = LOGS.cosigned(SIZE, mirrors=["mirror-a"])
    told = {"check": "cosignature", "key": encode_vkey(MIRROR_KEYS["mirror-a"])}
    log.add("cosignature", "The last line is the mirror's, with its time.", told, note=one)
    wrong = {"check": "cosignature", "key": encode_vkey(NoteKey("mirror-a", 1, MIRROR_KEYS["mirror-a"].key))}
    log.add("L30-key-type_fail", "A cosignature read with a key of type 01.", wrong, note=one)
    blob = bytes(8) + MIRRORS["mirror-a"].sign(b"cosignature/v1\ntime 0\n" + text)
    line = NoteSignature("mirror-a", MIRROR_KEYS["mirror-a"].key_id, blob)
    timeless = add_signatures(LOGS.note(SIZE), [line])
    log.add("L15-time-zero_fail", "A cosignature that is good but for its time, 0.", told, note=timeless)


def _files(log):
    entries = [b"", b"one", b"\xff\x00 not an envelope"]
    told = {"check": "bundle", "count": 3, "leaves": _b64(map(leaf_hash, entries))}
    data = encode_bundle(entries)
    log.add("bundle", "Three entries, one empty and one that nobody can parse.", told, bundle=data)
    log.add("path", "Index 1234067 in groups.", {"check": "path", "text": "tile/0/x001/x234/067"})
    log.add("L40-padded-path_fail", "A group of zeroes too many.", {"check": "path", "text": "tile/0/x000/001"})
    log.add("L41-byte-left-over_fail", "One byte after the last entry.", told, bundle=data + b"\x00")
    log.add("L42-long-entry_fail", "65,536 bytes do not fit a uint16.", {"check": "entry", "bytes": 65_536})
    log.add("L43-changed-entry_fail", "An entry with another hash.", told, bundle=data.replace(b"one", b"two"))


def _proofs(log):
    told = {"check": "proof", "key": VKEY, **TRUST}
    proof = InclusionProof(5, tuple(LOGS.tree.inclusion_proof(5, SIZE)), LOGS.cosigned(SIZE), b"context")
    entry, data = LOGS.entries[5], encode_proof(proof)
    log.add("proof", "Entry 5 under a head that three parties witnessed.", told, proof=data, entry=entry)
    log.add("L50-index-zero-padded_fail", "index 05.", told, proof=data.replace(b"index 5", b"index 05"), entry=entry)
    row = b"A" * 43 + b"=\n"
    long = data.replace(b"index 5\n", b"index 5\n" + row * 64)
    log.add("L51-long-path_fail", "More than 63 hashes.", told, proof=long, entry=entry)
    other = encode_proof(replace(proof, checkpoint=LOGS.note(SIZE)))
    log.add("L24-not-witnessed_fail", "The log's word alone.", told, proof=other, entry=entry)


def _policies(log):
    told = {"check": "policy"}
    keys = {name: encode_vkey(key) for name, key in MIRROR_KEYS.items()}
    witnesses = "".join(f"witness {name} {key}\n" for name, key in keys.items())
    names = " ".join(keys)
    good = f"log {VKEY}\n{witnesses}group three 3 {names}\nquorum three\n"
    note, few = LOGS.cosigned(SIZE), LOGS.cosigned(SIZE, mirrors=["mirror-a"])
    log.add("policy", "One log, four witnesses, any three.", told, policy=good.encode(), note=note)
    again = f"witness again {encode_vkey(cosigner_key('again', MIRROR_KEYS['mirror-a'].key))}\n"
    for name, why, text in (
        ("L60-unknown-word", "A line of no known kind.", "mirror x\n" + good),
        ("L61-key-twice", "One public key under two names.", witnesses + again + good.removeprefix(witnesses)),
        ("L62-two-groups", "A name that joins two groups.", good + "group more any mirror-a\n"),
        ("L63-threshold", "Five of four.", good.replace("three 3", "three 5")),
        ("L64-no-quorum", "No quorum line.", good.replace("quorum three\n", "")),
    ):
        log.add(f"{name}_fail", why, told, policy=text.encode())
    rows = "".join(f"log {encode_vkey(NoteKey(f'l{at}', 1, at.to_bytes(32, 'big')))}\n" for at in range(257))
    log.add("L65-257-logs_fail", "More lines than the bound.", told, policy=(rows + "quorum none\n").encode())
    log.add("L66-one-witness_fail", "One cosignature where three are asked.", told, policy=good.encode(), note=few)


def _equivocations(log):
    told = {"check": "equivocation"}
    late = Logbook([*LOGS.entries[:10], *FORK.entries[10:20]])
    same = encode_equivocation(find_equivocation(LOGS.head(SIZE), FORK.head(SIZE)))
    rising = encode_equivocation(find_equivocation(LOGS.head(SIZE), late.head(20), nodes=late.tree))
    log.add("equivocation-one-size", "Two roots at size 13.", told, equivocation=same)
    log.add("equivocation-two-sizes", "Size 20 fixes another root at 13 than was signed.", told, equivocation=rising)
    log.add("L70-cut-off_fail", "The last byte is missing.", told, equivocation=same[:-1])
    proof = tuple(LOGS.tree.consistency_proof(SIZE, 20))
    honest = Equivocation(LOG_KEY, LOGS.note(SIZE), LOGS.note(20), LOGS.tree.root(SIZE), proof)
    log.add("L71-honest-log_fail", "Two heads that fit.", told, equivocation=encode_equivocation(honest))


def _witness(mirror):
    told = {"check": "add-checkpoint", "origin": ORIGIN, "key": VKEY, "size": 8, "root": show_base64(LOGS.tree.root(8))}
    proof = tuple(LOGS.tree.consistency_proof(8, SIZE))
    good = encode_add_checkpoint(AddCheckpoint(8, proof, LOGS.note(SIZE)))
    empty = {**told, "size": 0, "root": show_base64(LOGS.tree.root(0))}
    first = encode_add_checkpoint(AddCheckpoint(0, (), LOGS.note(SIZE)))
    mirror.add("first-head", "From size 0 without a proof.", empty, status=200, request=first)
    mirror.add("next-head", "From size 8 to 13.", told, status=200, request=good)
    mirror.add("M01-old-padded_fail", "old 08.", told, request=good.replace(b"old 8", b"old 08"))
    row = b"A" * 43 + b"=\n"
    mirror.add("M02-64-lines_fail", "64 proof lines.", told, request=b"old 8\n" + row * 64 + b"\n" + LOGS.note(SIZE))
    other = Logbook(LOGS.entries[:SIZE], origin="b.example/log").note()
    for name, why, status, request in (
        ("M03-other-log", "A log that is not known.", 404, AddCheckpoint(8, proof, other)),
        ("M04-other-key", "Another key.", 403, AddCheckpoint(8, proof, Logbook(LOGS.entries, signer=seeded(9)).note())),
        ("M05-backwards", "Old size 14, new size 13.", 400, AddCheckpoint(14, (), LOGS.note(SIZE))),
        ("M06-other-size", "Old size 7 where 8 is held.", 409, AddCheckpoint(7, proof, LOGS.note(SIZE))),
        ("M07-fork", "Another history.", 422, AddCheckpoint(8, proof, FORK.note(SIZE))),
        ("M07-same-size-fork", "Equal sizes, other root.", 422, AddCheckpoint(8, (), FORK.note(8))),
    ):
        mirror.add(f"{name}_fail", why, told, status=status, request=encode_add_checkpoint(request))
    mirror.add(
        "M07-proof-from-zero_fail",
        "A first head comes without a proof.",
        empty,
        status=422,
        request=encode_add_checkpoint(AddCheckpoint(0, proof, LOGS.note(SIZE))),
    )
    mirror.add("M08-no-size_fail", "Not a decimal.", {"check": "size-reply"}, reply=b"08\n")


def _upload(start, end, *, log=LOGS, limit=None):
    packages = list(build_packages(log.tree, lambda a, b: log.entries[a:b], start, end))[:limit]
    return encode_add_entries_header(AddEntries(ORIGIN, start, end)) + b"".join(map(encode_package, packages))


def _mirror(mirror):
    told = {"check": "add-entries", "origin": ORIGIN, "key": VKEY, "next_entry": 250, "cap": None}
    heads = {"mirror_250": LOGS.note(250), "pending_300": LOGS.note(300)}
    good = _upload(250, 300)
    mirror.add("upload", "Entries 250 to 300, over a bundle's edge.", told, status=200, request=good, **heads)
    part = _upload(250, 300, limit=1)
    mirror.add("upload-prefix", "The first of two packages: 202.", told, status=202, request=part, **heads)
    mirror.add("M10-header_fail", "A header cut off.", told, request=good[:20], **heads)
    mirror.add("M11-no-head_fail", "Entries before any head.", {**told, "next_entry": 0}, status=422, request=good)
    forged = good.replace(b"entry 255", b"entry 552")
    many = Logbook([b"entry %d" % at for at in range(8_193)]).note()
    repeat = encode_add_entries_header(AddEntries(ORIGIN, 0, 8_193))
    for name, why, status, request in (
        ("M12-no-such-head", "It ends at a head that was never taken in.", 409, _upload(250, 299)),
        ("M13-below", "It ends below the mirrored head.", 409, _upload(200, 240)),
        ("M14-gap", "It begins beyond the next entry.", 409, _upload(251, 300)),
        ("M16-no-package", "No whole package.", 400, good[:60]),
        ("M17-forged", "Entry 255 was replaced.", 422, forged),
    ):
        mirror.add(f"{name}_fail", why, told, status=status, request=request, **heads)
    far = {**told, "next_entry": 8_193}
    mirror.add("M15-repeat_fail", "8,193 entries sent again.", far, status=409, request=repeat, mirror_8193=many)
    capped = {**told, "cap": [5, 10**6]}
    mirror.add("M18-cap_fail", "Six new entries where a day allows five.", capped, status=429, request=good, **heads)
    info = encode_mirror_info(MirrorInfo(300, 256, b"ticket"))
    mirror.add("mirror-info", "Pending size, next entry, ticket.", {"check": "mirror-info"}, reply=info)
    mirror.add("M19-two-lines_fail", "The ticket's line is missing.", {"check": "mirror-info"}, reply=b"300\n256\n")


def write(root):
    """Write every case of both rooms under ``root``."""
    log, mirror = Folder(root / "log"), Folder(root / "mirror")
    for part in (_trees, _notes, _heads, _files, _proofs, _policies, _equivocations):
        part(log)
    _witness(mirror)
    _mirror(mirror)


if __name__ == "__main__":
    write(Path(__file__).resolve().parents[2] / "vectors")
