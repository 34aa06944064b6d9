"""Measurements are filed at a real home: signed by its party, their ledgers kept under the digests that they name."""

import asyncio
import json

import pytest
from click.testing import CliRunner

from detente.app.direct import with_node
from detente.app.door import open_door
from detente.app.measuring import signing
from detente.app.measuring.signing import file_results
from detente.base.errors import Misuse, Refused, Unavailable
from detente.cli import main
from detente.measure.compute.declaration import parse_run
from detente.measure.compute.estimate import measure_compute
from detente.measure.indicator import measurements
from detente.statement.measurement import Measurement

TREE = {
    "format": "detente-compute/1",
    "run": "x",
    "stages": [{"kind": "training", "tokens": "1e9", "model": {"parameters": "1e6"}}],
}
RESULT = measure_compute(parse_run(TREE))


@pytest.fixture
def home(tmp_path):
    made = CliRunner().invoke(main, ["init", "--solo", "--home", str(tmp_path / "home")])
    assert made.exit_code == 0, made.output
    return tmp_path / "home"


def _statement(home, digest):
    async def find():
        return await (await open_door(home)).statement(digest)

    return asyncio.run(find())


def test_each_indicator_is_a_statement_of_the_party(home):
    """Its value, unit, method and class are those of the result."""
    filed = asyncio.run(file_results([RESULT], home=home))
    expected = measurements(RESULT, taken_at=0)
    assert [name for name, _ in filed.statements] == [body.indicator for body in expected]
    for (_, digest), body in zip(filed.statements, expected, strict=True):
        said = _statement(home, digest)
        assert said.header.party == filed.party
        assert isinstance(said.body, Measurement)
        assert (said.body.low, said.body.high, said.body.unit) == (body.low, body.high, body.unit)


def test_the_evidence_of_a_statement_is_at_the_node(home):
    """Each digest that it names is that of a ledger's bytes, which the node keeps."""
    filed = asyncio.run(file_results([RESULT], home=home))

    async def read(node):
        return [node.blobs.read(digest) for digest in _statement_evidence]

    _statement_evidence = _statement(home, filed.statements[0][1]).body.evidence
    assert asyncio.run(with_node(home, read)) == [RESULT.ledger("methods").encode()]


def test_another_party_of_the_home_may_speak(home):
    """With its own key; a party whose key is elsewhere may not."""
    filed = asyncio.run(file_results([RESULT], home=home, party="safety-team"))
    assert _statement(home, filed.statements[0][1]).header.party == "safety-team"
    with pytest.raises(Misuse):
        asyncio.run(file_results([RESULT], home=home, party="somebody"))


def test_a_ledger_too_large_for_the_node_is_named_and_the_statement_stands(home):
    """Its digest stays in the statement, so that whoever has the bytes can show them."""
    config = home / "config.toml"
    config.write_text(config.read_text("utf-8") + "\n[limits]\nblob_bytes = 10\n", "utf-8")
    filed = asyncio.run(file_results([RESULT], home=home))
    assert [name for name, _, _ in filed.not_stored] == ["methods"]
    assert filed.not_stored[0][2].startswith("C31")
    assert _statement(home, filed.statements[0][1]).body.evidence == (RESULT.ledger("methods").digest(),)


def test_a_node_that_finds_it_too_fast_is_asked_again(monkeypatch):
    """A limit of statements a second costs time, not statements."""
    monkeypatch.setattr(signing, "PAUSE_S", 0.001)
    answers = [Refused("N33", "rate", got="too many", expected="fewer"), None]

    async def act():
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        return "taken"

    assert asyncio.run(signing._patiently(act, 5.0)) == "taken"
    assert answers == []


def test_without_a_home_nothing_is_filed(tmp_path):
    """And the refusal says that there is none."""
    with pytest.raises((Unavailable, Refused)):
        asyncio.run(file_results([RESULT], home=tmp_path / "absent"))


def test_the_command_says_what_it_filed(home, tmp_path):
    """``--sign`` beside the result, for machines too."""
    (tmp_path / "run.json").write_text(json.dumps(TREE), "utf-8")
    said = CliRunner().invoke(
        main, ["measure", "compute", str(tmp_path / "run.json"), "--sign", "--home", str(home), "--json"]
    )
    assert said.exit_code == 0, said.output
    filed = json.loads(said.stdout)["filed"]
    assert {each["indicator"] for each in filed["statements"]} == {i.name for i in RESULT.indicators}
    assert filed["not_stored"] == []
