"""Write ``vectors/base`` and ``vectors/statement`` anew: ``python -m tests.vectors.write_statement_vectors``.

The vectors are committed data and this only saves typing: keys come from fixed seeds, so the same bytes come out.
"""

import base64
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from detente.base.identity import show_key
from detente.statement.approval import Approval, sign_approval
from detente.statement.commitment import commit
from detente.statement.envelope import encode_envelope, parse_envelope, sign_payload, statement_id
from detente.statement.keys import prove_possession
from detente.statement.run import Run
from detente.statement.screening import Reveal, Screening, commit_change
from detente.statement.signing import SoftwareSigner
from detente.statement.statement import Header, make_payload
from detente.statement.vote import Vote

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
PARTY = "authority-a"
STATEMENT, GUARD, PERMIT, OTHER, STRANGER, REVIEWER = (SoftwareSigner(bytes([n]) * 32) for n in range(1, 7))
RING = [
    {
        "party": party,
        "use": use,
        "key": show_key(signer.public_key),
        "proof": prove_possession(party, use, signer).hex(),
    }
    for party, use, signer in (
        (PARTY, "statement", STATEMENT),
        (PARTY, "guard", GUARD),
        (PARTY, "permit", PERMIT),
        ("auditor-a", "statement", OTHER),
    )
]
HEADER = Header("a" * 64, 1, PARTY, "0" * 32, 1_800_000_000)
VOTE = make_payload("vote", HEADER, (), Vote("pause", "self-depth", 0, "all", 1_800_086_400))


def _case(room, name, why, files, **expect):
    folder = VECTORS / room / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(f"{why}\n", "utf-8")
    for file, data in files.items():
        (folder / file).write_bytes(data if isinstance(data, bytes) else _text(data))
    if name.endswith("_fail"):
        (folder / "expect.json").write_bytes(_text({"rule": name.split("-")[0], **expect}))
    elif expect:
        (folder / "expect.json").write_bytes(_text(expect))


def _text(value):
    return json.dumps(value, indent=1, sort_keys=True).encode() + b"\n"


def _value(name, why, reads, text):
    _case("base", name, why, {"value.json": {"reads": reads, "text": text}})


def _envelope(name, why, envelope, **expect):
    _case("statement", name, why, {"envelope.json": envelope}, **expect)


def _spoilt(change):
    """The vote, changed and signed again by the right key: only its content is wrong."""
    value = json.loads(VOTE)
    change(value)
    return _signed(json.dumps(value).encode())


def _signed(payload, *signers, **more):
    return encode_envelope(sign_payload(payload, *(signers or (STATEMENT,)), **more))


def write_base():
    """Values and JSON texts."""
    for name, why, data in (
        ("B11-not-utf-8_fail", "A byte that is not UTF-8.", b'{"party": "\xff"}'),
        ("B11-not-json_fail", "A trailing comma.", b'{"party": "dev-a",}'),
        ("B11-lone-surrogate_fail", "Half a character cannot be encoded again.", b'["\\ud800"]'),
        ("B12-vote-twice_fail", "Two readers would count two votes.", b'{"vote": "pause", "vote": "lift"}'),
        ("B13-float_fail", "A float loses digits.", b'{"flop": 1e25}'),
        ("B13-large-number_fail", "Beyond 2**53 - 1 readers disagree.", b"[9007199254740993]"),
        ("B13-nan_fail", "NaN is not JSON.", b"[NaN]"),
        ("B14-deep_fail", "Seventeen levels.", b"[" * 17 + b"]" * 17),
        ("deep-enough", "Sixteen levels, and brackets in a text do not count.", b"[" * 15 + b'["[[["]' + b"]" * 15),
    ):
        _case("base", name, why, {"input.json": data})
    _value("B01-upper-case-digest_fail", "One spelling only.", "digest", "A" * 64)
    _value("B02-local-time_fail", "An instant is in UTC.", "instant", "2026-11-24T00:00:00+01:00")
    _value("B02-no-such-day_fail", "The thirtieth of February.", "date", "2026-02-30")
    _value("B03-no-unit_fail", "Seconds or minutes?", "duration", "15")
    _value("B04-number_fail", "A JSON number, not a decimal in a string.", "decimal", 25)
    _value("B04-not-a-number_fail", "NaN compares with nothing.", "decimal", "NaN")
    _value("B06-upper-case-party_fail", "Names are lower case.", "party", "Dev-A")
    _value("B07-bare-key_fail", "A key says its algorithm.", "key", "00" * 32)
    _value("B08-beyond-p_fail", "y = p + 1 is a second spelling of 1.", "strong key", f"ed25519:ee{'ff' * 30}7f")
    _value("B08-off-the-curve_fail", "y = 2 has no x.", "strong key", f"ed25519:02{'00' * 31}")
    _value("B09-identity_fail", "Verifies one signature for every message.", "strong key", f"ed25519:01{'00' * 31}")
    _value("B09-order-4_fail", "A point of order 4.", "strong key", f"ed25519:{'00' * 32}")
    _value("a-digest", "64 lower-case hexadecimal characters.", "digest", "0a" * 32)
    _value("an-instant", "Whole seconds in UTC.", "instant", "2026-11-24T00:00:00Z")
    _value("a-decimal", "FLOP fit no double.", "decimal", "1e25")
    _value("a-strong-key", "The key of RFC 8032 §7.1, test 1.", "strong key", "ed25519:" + _RFC8032_KEY)


_RFC8032_KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


def write_statement():
    """Envelopes, read against the ring of ``keys.json``."""
    VECTORS.joinpath("statement").mkdir(parents=True, exist_ok=True)
    good = _signed(VOTE)
    wire = json.loads(good)
    flipped = bytearray(base64.b64decode(wire["signatures"][0]["sig"]))
    flipped[0] ^= 1
    rows = {
        "S01-other-payload-type_fail": ("A payload of another type.", _signed(VOTE, payload_type="text/plain")),
        "S02-other-type_fail": ("An older in-toto statement.", _spoilt(lambda v: v.update(_type="v0.1"))),
        "S03-unknown-predicate_fail": (
            "A predicate that this version lacks.",
            _spoilt(lambda v: v.update(predicateType="urn:detente:decree:v1")),
        ),
        "S04-other-subject_fail": ("The subject is not the version that the predicate names.", _other_subject()),
        "S10-flipped-bit_fail": (
            "A signature that hints at an enrolled key and fails.",
            {**wire, "signatures": [{**wire["signatures"][0], "sig": base64.b64encode(flipped).decode()}]},
        ),
        "S10-other-payload_fail": (
            "A lift under the signature of a pause.",
            {**wire, "payload": _other_payload()},
        ),
        "S11-unknown-party_fail": ("Nobody by that name has a key.", _spoilt(_set("party", "authority-z"))),
        "S12-stranger_fail": ("Signed by a key that was never enrolled.", _signed(VOTE, STRANGER)),
        "S12-other-party_fail": ("Signed only by another party's key.", _signed(VOTE, OTHER)),
        "S12-claimed-keyid_fail": (
            "The hint names nobody's key but the stranger's; a hint is no identity.",
            {**json.loads(_signed(VOTE, STRANGER)), "signatures": [_unhinted(_signed(VOTE, STRANGER))]},
        ),
        "S13-guard-votes_fail": ("A guard's key may not vote.", _signed(VOTE, GUARD)),
        "S13-permit-key-votes_fail": ("A permit key signs no statement.", _signed(VOTE, PERMIT)),
        "S20-unknown-member_fail": ("A member that no vote has.", _spoilt(_set("weight", 2))),
        "S20-unknown-envelope-member_fail": ("A member that no envelope has.", {**wire, "note": "hello"}),
        "S21-step-as-text_fail": ("A round in a string.", _spoilt(_set("round", "0"))),
        "S21-no-object_fail": ("A list where an envelope should be.", [wire]),
        "S22-no-expiry_fail": (
            "A vote without an expiry could be replayed.",
            _spoilt(lambda v: v["predicate"].pop("expires_at")),
        ),
        "S23-unknown-choice_fail": ("A word that is no choice.", _spoilt(_set("choice", "abstain"))),
        "S23-two-alphabets_fail": ("Both base64 alphabets in one text.", {**wire, "payload": "+_+_"}),
        "S24-round-below-zero_fail": ("A round below 0.", _spoilt(_set("round", -1))),
        "S25-seventeen-signatures_fail": (
            "More signatures than anybody reads.",
            {**wire, "signatures": wire["signatures"] * 17},
        ),
        "S25-no-signature_fail": ("No signature at all.", {**wire, "signatures": []}),
        "S26-party-twice_fail": ("One party counted twice in a condition.", _accession(["dev-a", "dev-a"], 1)),
        "S27-more-than-all_fail": ("Three of two parties.", _accession(["dev-a", "dev-b"], 3)),
        "S30-other-authenticator_fail": ("An authenticator that this version cannot verify.", _approval_of_type("voice")),
    }
    for name, (why, envelope) in rows.items():
        _envelope(name, why, envelope)
    identity = _identity(good)
    _envelope("a-vote", "A vote to pause.", good, id=identity)
    _envelope("a-vote-url-safe", "The same in the URL-safe alphabet: the same id.", _url_safe(wire), id=identity)
    _envelope("a-vote-unhinted", "No keyid: tried under the keys of the party.", _no_hint(wire), id=identity)
    _envelope("a-vote-and-a-stranger", "A signature by nobody known is ignored.", _signed(VOTE, STATEMENT, STRANGER))
    kept = commit(accord="a" * 64, nonce="0" * 32, field="planned_flop", salt=bytes(32), value=b"9e24")
    run = Run("pretrain-1", "training", kept, (), ("b" * 64,), facility="hall-1")
    _envelope("a-run-with-a-commitment", "A plan that is kept back.", _signed(make_payload("run", HEADER, (), run)))
    plan = replace(run, planned_flop=Decimal("1e25"))
    _envelope("a-run-by-a-guard", "A guard may declare a run.", _signed(make_payload("run", HEADER, (), plan), GUARD))
    change, salt = "b" * 64, bytes(range(32))
    made = Screening(commits=(commit_change(accord=HEADER.accord, salt=salt, change=change),))
    _envelope("a-screening", "A commitment to one seeded change.", _signed(make_payload("screening", HEADER, (), made)))
    reveal = Screening(reveal=Reveal("c" * 64, change, "d" * 64, salt, "evaluation-disabled"))
    both = json.loads(make_payload("screening", HEADER, (), reveal))
    both["predicate"]["commits"] = list(made.commits)
    _envelope("a-screening-that-reveals", "What was committed to.", _signed(make_payload("screening", HEADER, (), reveal)))
    _envelope("S27-commits-and-reveals_fail", "One statement does one of the two.", _signed(json.dumps(both).encode()))
    _envelope("an-approval", "With the reviewer's software assertion.", _signed(_approval()))
    for folder in VECTORS.joinpath("statement").iterdir():
        (folder / "keys.json").write_bytes(_text(RING))


def _set(member, value):
    return lambda statement: statement["predicate"].update({member: value})


def _identity(data):
    return statement_id(parse_envelope(data))


def _other_payload():
    return base64.b64encode(VOTE.replace(b"pause", b"lift")).decode()


def _unhinted(data):
    return {"sig": json.loads(data)["signatures"][0]["sig"]}


def _no_hint(wire):
    return {**wire, "signatures": [{"sig": wire["signatures"][0]["sig"]}]}


def _url_safe(wire):
    def turned(text):
        return text.replace("+", "-").replace("/", "_")

    signature = wire["signatures"][0]
    return {**wire, "payload": turned(wire["payload"]), "signatures": [{**signature, "sig": turned(signature["sig"])}]}


def _other_subject():
    value = json.loads(VOTE)
    value["predicateType"] = "urn:detente:version:v1"
    for member in ("choice", "trigger", "round", "scope", "expires_at"):
        del value["predicate"][member]
    value["predicate"] |= {
        "version": "b" * 64,
        "parents": [],
        "proposed_by": {"kind": "human"},
        "touches": ["training"],
        "own_flop": None,
    }
    return _signed(json.dumps(value).encode())


def _accession(of, at_least):
    value = json.loads(VOTE)
    value["predicateType"] = "urn:detente:accession:v1"
    header = {name: value["predicate"][name] for name in ("accord", "terms", "party", "nonce", "made_at")}
    value["predicate"] = header | {
        "terms_digest": "a" * 64,
        "conditions": [{"bound": {"at_least": at_least, "of": of}}],
    }
    return _signed(json.dumps(value).encode())


def _approval():
    unsigned = Approval("b" * 64, "approve", "reviewer-7", PARTY, None, same_host=False, significant="yes")
    approval = sign_approval(unsigned, REVIEWER, accord=HEADER.accord, nonce=HEADER.nonce)
    return make_payload("approval", HEADER, (), approval)


def _approval_of_type(kind):
    value = json.loads(_approval())
    value["predicate"]["assertion"] = {"type": kind, "authenticator_data": "AA=="}
    return _signed(json.dumps(value).encode())


if __name__ == "__main__":
    write_base()
    write_statement()
