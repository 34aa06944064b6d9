"""The vectors of ``spec/receipt.md``: each file is read by the function that reads it in earnest."""

import json
from pathlib import Path

import pytest

from detente.base.digest import sha256_hex
from detente.base.errors import Refused
from detente.guard import receipt as receipts

np = pytest.importorskip("numpy", reason="the workloads need the extra `drill`")

from detente.hooks.workload import container, recipe, searcher  # noqa: E402 (after the skip)

ROOM = Path(__file__).resolve().parents[3] / "vectors" / "receipt"
CASES = sorted(path for path in ROOM.iterdir() if path.is_dir())


def read(case: Path) -> None:
    """Everything that the case holds, in the order in which a supervisor or a job reads it."""
    question_path = case / "question.json"
    question = json.loads(question_path.read_bytes()) if question_path.exists() else {}
    checkpoint = (case / "checkpoint.ckpt").read_bytes() if (case / "checkpoint.ckpt").exists() else None
    if (case / "receipt.json").exists():
        receipt = receipts.parse_receipt((case / "receipt.json").read_bytes())
        assert receipts.parse_receipt(receipts.encode_receipt(receipt)) == receipt
        if question:
            receipts.verify_answer(receipt, **question)
        if checkpoint is not None:
            receipts.verify_checkpoint(receipt, size=len(checkpoint), sha256=sha256_hex(checkpoint))
            _, arrays = container.parse_container(checkpoint)
            assert container.weights_digest(arrays) == receipt.weights_sha256
    elif checkpoint is not None:
        assert container.encode_container(*container.parse_container(checkpoint)) == checkpoint
    if (case / "pause").exists():
        data = (case / "pause").read_bytes()
        assert receipts.encode_request(receipts.parse_request(data)) == data
    if (case / "rate.json").exists():
        data = (case / "rate.json").read_bytes()
        assert receipts.encode_rate(receipts.parse_rate(data)) == data
    if (case / "recipe.json").exists():
        value = json.loads((case / "recipe.json").read_bytes())
        assert recipe.parse_recipe(value).as_json() == value
    if (case / "approval.json").exists():
        assert searcher.parse_approval((case / "approval.json").read_bytes(), **question) is True


@pytest.mark.parametrize("case", [c for c in CASES if c.name.endswith("_fail")], ids=lambda case: case.name)
def test_a_bad_vector_is_refused_by_its_number(case: Path):
    """A directory that ends in ``_fail`` is refused with the number in its ``expect.json``."""
    with pytest.raises(Refused) as caught:
        read(case)
    assert caught.value.rule == json.loads((case / "expect.json").read_bytes())["rule"]


@pytest.mark.parametrize("case", [c for c in CASES if not c.name.endswith("_fail")], ids=lambda case: case.name)
def test_a_good_vector_is_read_back_to_its_own_bytes(case: Path):
    """What is read and written again is the same."""
    read(case)
