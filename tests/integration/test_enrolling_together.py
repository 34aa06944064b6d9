"""Where a party speaks by several root keys, a reviewer's enrolment travels as a file until enough of them have signed."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from detente.accord.key_reading import ProvenKey
from detente.adapters.keys import make_key
from detente.app import init
from detente.app.door import open_door
from detente.app.reviewing import read_draft
from detente.base.errors import Misuse
from detente.cli import main
from detente.statement.envelope import add_signatures, encode_envelope, parse_envelope, sign_payload, signers_of
from detente.statement.keys import Enrolment, KeyRotation, prove_possession
from detente.statement.statement import Header, make_payload, parse_statement

SAFETY = "safety-team"


@pytest.fixture
def home(tmp_path: Path, monkeypatch) -> Path:
    """One organisation whose safety side speaks by two of two root keys, which lie apart: the second one outside the home."""
    second = make_key(tmp_path / "second-root.key")
    spelled = init.spell_keys

    def with_two_roots(thresholds, keys):
        proof = prove_possession(SAFETY, "root", second, None)
        more = (*keys[SAFETY], ProvenKey("root", second.public_key, proof, None))
        return spelled({**thresholds, SAFETY: 2}, {**keys, SAFETY: more})

    monkeypatch.setattr(init, "spell_keys", with_two_roots)
    place = tmp_path / "home"
    asyncio.run(init.make_solo(place))
    return place


def enrol(home: Path, *words: str, fails: bool = False) -> dict | str:
    ran = CliRunner().invoke(
        main, ["hold", "enrol", "--as", SAFETY, "--home", str(home), *words, *([] if fails else ["--json"])]
    )
    assert (ran.exit_code != 0) == fails, ran.output
    return ran.output if fails else json.loads(ran.output)


def reviewers(home: Path) -> list[str]:
    status = asyncio.run(_status(home))
    return [each["reviewer"] for ring in status["keys"] if ring["party"] == SAFETY for each in ring["reviewers"]]


async def _status(home: Path) -> dict:
    return await (await open_door(home)).status()


def test_two_holders_sign_one_envelope_and_it_counts(home: Path, tmp_path: Path):
    """Drafted here, signed elsewhere without a node, filed here: one statement with two signatures, in force."""
    draft = tmp_path / "draft.json"
    drafted = enrol(home, "--reviewer", "reviewer-2", "--key", str(tmp_path / "r2.key"), "--draft", str(draft))
    assert len(drafted["signed"]) == 1
    assert "1 of 2 root keys have signed" in enrol(home, "--submit", str(draft), fails=True)
    assert reviewers(home) == ["reviewer-1"]
    signed = enrol(tmp_path / "no-home", "--sign", str(draft), "--root", str(tmp_path / "second-root.key"))
    assert (signed["statement"], signed["reviewer"], len(signed["signed"])) == (drafted["statement"], "reviewer-2", 2)
    again = enrol(tmp_path / "no-home", "--sign", str(draft), "--root", str(tmp_path / "second-root.key"))
    assert again == signed
    filed = enrol(home, "--submit", str(draft))
    assert (filed["statement"], filed["without_effect"]) == (drafted["statement"], "")
    assert sorted(reviewers(home)) == ["reviewer-1", "reviewer-2"]


def test_without_a_draft_the_command_says_how(home: Path):
    """One root key of two files nothing that could not count."""
    assert "--draft FILE" in enrol(home, "--reviewer", "reviewer-2", fails=True)
    assert reviewers(home) == ["reviewer-1"]


def test_signatures_of_strangers_make_no_threshold(home: Path, tmp_path: Path):
    """Two keys have signed, one of them nobody's: it is on record, and said not to count."""
    draft = tmp_path / "draft.json"
    enrol(home, "--reviewer", "reviewer-2", "--key", str(tmp_path / "r2.key"), "--draft", str(draft))
    make_key(tmp_path / "stranger.key")
    enrol(home, "--sign", str(draft), "--root", str(tmp_path / "stranger.key"))
    assert enrol(home, "--submit", str(draft))["without_effect"].startswith("F13")
    assert reviewers(home) == ["reviewer-1"]


def test_a_draft_that_is_about_more_than_a_reviewer_is_not_signed(home: Path, tmp_path: Path):
    """Whoever holds a root key must not enrol a new root key by a command that says reviewer."""
    draft, root = tmp_path / "draft.json", make_key(tmp_path / "new-root.key")
    enrol(home, "--reviewer", "reviewer-2", "--key", str(tmp_path / "r2.key"), "--draft", str(draft))
    statement = parse_statement(parse_envelope(draft.read_bytes()))
    enrolment = Enrolment("root", root.public_key, prove_possession(SAFETY, "root", root, None), None)
    header = Header(
        accord=statement.header.accord, terms=1, party=SAFETY, nonce="0" * 32, made_at=statement.header.made_at
    )
    forged = encode_envelope(
        sign_payload(make_payload("keys", header, (), KeyRotation(1, None, (enrolment,), ())), root)
    )
    draft.write_bytes(forged)
    with pytest.raises(Misuse):
        read_draft(forged)
    enrol(home, "--sign", str(draft), "--root", str(tmp_path / "second-root.key"), fails=True)
    assert draft.read_bytes() == forged


def test_a_signature_that_does_not_verify_is_no_signature(home: Path, tmp_path: Path):
    """`signers_of` asks the bytes, not the hints; adding one's signature again changes nothing."""
    draft = tmp_path / "draft.json"
    enrol(home, "--reviewer", "reviewer-2", "--key", str(tmp_path / "r2.key"), "--draft", str(draft))
    envelope, key = parse_envelope(draft.read_bytes()), make_key(tmp_path / "other.key")
    twice = add_signatures(add_signatures(envelope, key), key)
    assert len(twice.signatures) == 2
    assert set(signers_of(twice)) == {*signers_of(envelope), key.public_key}
    broken = parse_envelope(encode_envelope(twice).replace(b'"sig":"', b'"sig":"AAAA', 1))
    assert len(signers_of(broken)) < 2
