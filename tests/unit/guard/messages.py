"""A request, four issuers' keys and a permit signed by three of them: what the permit tests mutate."""

import dataclasses
import hashlib
from decimal import Decimal

from detente.base.digest import sha256_hex
from detente.base.identity import Party
from detente.guard.intent import Intent
from detente.guard.permit import (
    Head,
    HeadsOffer,
    Permit,
    PermitRequest,
    SignedHead,
    encode_permit,
    join_signatures,
    seal_offer,
    seal_request,
    sign_permit_body,
    verify_permit,
)
from detente.guard.trust import IssuerSet, IssuerTrust
from detente.log.checkpoint import Checkpoint, sign_checkpoint
from detente.log.note import ED25519, NoteKey
from detente.statement.signing import SoftwareSigner


def signer(name):
    return SoftwareSigner(hashlib.sha256(name.encode()).digest())


ACCORD, TERMS, RUN = sha256_hex(b"accord"), sha256_hex(b"terms"), sha256_hex(b"run")
DEV = Party("dev-a")
ISSUERS = {Party(f"iss-{n}"): signer(f"iss-{n}") for n in range(4)}
GUARD = signer("guard")
LOG = signer("log")
ORIGIN = "dev-a.example/log"
TRUST = IssuerTrust(
    accord=ACCORD,
    sets={
        TERMS: IssuerSet(
            issuers={key.public_key: party for party, key in ISSUERS.items()}, needed=3, may_fail=1, life_max_s=3_600
        )
    },
    logs={ORIGIN: NoteKey(ORIGIN, ED25519, LOG.public_key)},
)
INTENT = Intent(activity="training", party=DEV, run=RUN)


def request(guard=GUARD, *, intent=INTENT, nonce="0" * 31 + "1", accord=ACCORD):
    return seal_request(
        PermitRequest(accord=accord, terms=TERMS, party=DEV, guard=guard.public_key, nonce=nonce, intent=intent),
        guard,
    )


REQUEST, SEALED = request()


def signed_head(size, story="a", origin=ORIGIN, key=LOG):
    root = bytes.fromhex(sha256_hex(f"{story}{size}".encode()))
    note = sign_checkpoint(Checkpoint(origin, size, root), signer=key)
    return SignedHead(Head(origin, size, sha256_hex(f"{story}{size}".encode())), note)


def body(**changes):
    permit = Permit(
        accord=ACCORD,
        terms=TERMS,
        party=DEV,
        guard=GUARD.public_key,
        nonce=REQUEST.nonce,
        intent=INTENT,
        heads=(signed_head(7).head,),
        rate=Decimal(1),
        epoch=5,
        life_s=600,
    )
    return dataclasses.replace(permit, **changes)


def signed(permit=None, by=("iss-0", "iss-1", "iss-2")):
    payload = encode_permit(permit or body())
    return join_signatures([sign_permit_body(payload, ISSUERS[Party(name)]) for name in by])


def check(data, **changes):
    arguments = {
        "expected": REQUEST,
        "trust": TRUST,
        "known_heads": {},
        "last_epoch": 4,
        "sent_at_s": 100.0,
        "now_s": 101.0,
    }
    return verify_permit(data, **arguments | changes)


def offer(name, *, to=REQUEST, **changes):
    given = HeadsOffer(
        request=to.id,
        accord=ACCORD,
        terms=TERMS,
        terms_version=1,
        issuer=Party(name),
        heads=(signed_head(7),),
        allowed=True,
        rate=Decimal(1),
        life_s=600,
        epoch=0,
        notices=0,
    )
    return seal_offer(dataclasses.replace(given, **changes), ISSUERS[Party(name)])
