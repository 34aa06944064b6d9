"""Writes ``vectors/permit`` and ``vectors/guard`` anew, byte for byte the same: ``python -m tests.vectors.guard_vectors``.

The vectors are committed data; this script says where they came from.
"""

import dataclasses
import json
from decimal import Decimal
from pathlib import Path

from detente.base.digest import sha256_hex
from detente.base.identity import Party, show_key
from detente.guard.intent import Intent
from detente.guard.notice import Notice, seal_notice
from detente.guard.permit import (
    NamedHead,
    PermitAsk,
    encode_permit,
    join_signatures,
    seal_ask,
    sign_permit_body,
)
from tests.unit.guard import messages as m

ROOT = Path(__file__).resolve().parents[2] / "vectors"


def context(**changes):
    issuers = m.TRUST.sets[m.TERMS]
    return {
        "accord": m.ACCORD,
        "terms": {
            m.TERMS: {
                "issuers": {show_key(key): party for key, party in issuers.issuers.items()},
                "needed": issuers.needed,
                "may_fail": issuers.may_fail,
                "life_max_s": issuers.life_max_s,
            }
        },
        "known_heads": [m.signed_head(6).head.as_json()],
        "last_epoch": 4,
        "sent_at_s": 100,
        "now_s": 101,
        "superseded": {"iss-1": 3},
    } | changes


def signed_raw(payload):
    return join_signatures([sign_permit_body(payload, key) for key in list(m.ISSUERS.values())[:3]])


def permits():
    good = m.signed()
    loose = json.dumps(json.loads(encode_permit(m.body()))).encode()
    stranger = join_signatures([good, sign_permit_body(encode_permit(m.body()), m.signer("stranger"))])
    forged = json.loads(good)
    forged["signatures"][1]["sig"] = forged["signatures"][0]["sig"]
    extra = json.dumps(json.loads(encode_permit(m.body())) | {"why": "x"}, separators=(",", ":"), sort_keys=True)
    many = encode_permit(m.body()).replace(b'"heads":[', b'"heads":[' + b"7," * 64)
    yield "m-issuers", "m = 3 distinct issuers sign leave for exactly this request.", good, context()
    yield "P01-white-space_fail", "The same permit with a space that nobody signed.", good + b" ", context()
    yield "P01-other-spelling_fail", "Signed by three, but not in the one spelling.", signed_raw(loose), context()
    yield "P02-too-many-heads_fail", "65 heads; a permit has at most 64.", signed_raw(many), context()
    yield "P03-unknown-member_fail", "A member that a permit does not have.", signed_raw(extra.encode()), context()
    yield (
        "P04-forged_fail",
        "The second signature is a copy of the first under another key id.",
        json.dumps(forged, separators=(",", ":"), sort_keys=True).encode(),
        context(),
    )
    yield "P05-stranger_fail", "A fourth signature, by nobody whom the terms name.", stranger, context()
    yield (
        "P06-one-issuer-twice_fail",
        "Two of three signatures are of one issuer.",
        m.signed(by=("iss-0", "iss-1", "iss-1")),
        context(),
    )
    yield "P07-two-issuers_fail", "Two issuers; the terms ask for three.", m.signed(by=("iss-0", "iss-1")), context()
    yield "P08-wrong-accord_fail", "A permit of another accord.", m.signed(m.body(accord=sha256_hex(b"x"))), context()
    yield (
        "P09-wrong-terms_fail",
        "Terms that the guard does not accept.",
        m.signed(m.body(terms=sha256_hex(b"x"))),
        context(),
    )
    yield (
        "P10-copied_fail",
        "Genuine, but of another guard's key.",
        m.signed(m.body(guard=m.signer("clone").public_key)),
        context(),
    )
    yield "P11-replayed_fail", "Genuine, but for an earlier nonce.", m.signed(m.body(nonce="e" * 32)), context()
    other = Intent(activity="training", party=m.DEV, run=sha256_hex(b"another run"))
    yield "P12-wrong-scope_fail", "Leave for another run.", m.signed(m.body(intent=other)), context()
    yield "P13-too-long_fail", "A life beyond the terms.", m.signed(m.body(life_s=3_601)), context()
    yield "P13-rate-zero_fail", "A rate of 0 is no leave.", m.signed(m.body(rate=Decimal(0))), context()
    stale = context(known_heads=[m.signed_head(8).head.as_json()])
    yield "P14-stale-head_fail", "The guard has seen a greater head of the log.", good, stale
    yield "P15-epoch_fail", "The epoch does not rise.", good, context(last_epoch=5)
    yield "P16-lapsed_fail", "Shown at the very second of its end.", good, context(now_s=700)


def notices():
    good = Notice(
        accord=m.ACCORD, issuer=Party("iss-0"), scope="all", activities=("training",), sequence=1, cause="a pause"
    )
    by_1 = dataclasses.replace(good, issuer=Party("iss-1"))
    key = m.ISSUERS[Party("iss-0")]
    yield "notice", "One issuer's notice; f + 1 of them stop a guard.", "notice.json", seal_notice(good, key)
    yield (
        "G04-no-activity_fail",
        "It stops nothing that exists.",
        "notice.json",
        seal_notice(dataclasses.replace(good, activities=()), key),
    )
    yield "G05-another-issuer_fail", "Signed by another than it names.", "notice.json", seal_notice(by_1, key)
    yield (
        "G06-superseded_fail",
        "Number 3 or below was answered by a later offer.",
        "notice.json",
        seal_notice(by_1, m.ISSUERS[Party("iss-1")]),
    )
    whole = m.INTENT.as_json()
    yield "intent", "Leave to train one run.", "intent.json", json.dumps(whole).encode()
    yield (
        "G01-unknown-member_fail",
        "A member that an intent does not have.",
        "intent.json",
        json.dumps(whole | {"why": "x"}).encode(),
    )
    yield "G02-no-run_fail", "Training names its run.", "intent.json", json.dumps(whole | {"run": None}).encode()
    yield "G03-negative_fail", "FLOP below 0.", "intent.json", json.dumps(whole | {"flop": "-1"}).encode()


def asks():
    named = NamedHead(m.signed_head(6), (Party("iss-0"),))
    ask = PermitAsk(request=m.SEALED, body=encode_permit(m.body()), heads=(named,))
    yield "P18-other-heads_fail", "Notes for other heads than the body names.", seal_ask(ask, m.GUARD)
    fine = dataclasses.replace(ask, heads=(NamedHead(m.signed_head(7), (Party("iss-0"),)),))
    yield "ask", "A request, the body that answers it, and a note for each head.", seal_ask(fine, m.GUARD)


def write(room, name, why, files):
    folder = ROOT / room / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(why + "\n", "utf-8")
    if name.endswith("_fail"):
        (folder / "expect.json").write_text(json.dumps({"rule": name[:3]}) + "\n", "utf-8")
    for file, data in files.items():
        (folder / file).write_bytes(data)


def main():
    for name, why, permit, given in permits():
        text = (json.dumps(given, indent=1, sort_keys=True) + "\n").encode()
        write("permit", name, why, {"permit.json": permit, "request.json": m.SEALED, "context.json": text})
    for name, why, data in asks():
        write("permit", name, why, {"ask.json": data})
    text = (json.dumps(context(), indent=1, sort_keys=True) + "\n").encode()
    for name, why, file, data in notices():
        files = {file: data} if file == "intent.json" else {file: data, "context.json": text}
        write("guard", name, why, files)


if __name__ == "__main__":
    main()
