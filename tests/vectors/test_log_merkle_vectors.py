"""The public vectors of transparency-dev/merkle: 98 + 98 proofs and 204 + 118 of subtrees."""

import base64
import json

import pytest

from detente.base.errors import Refused
from detente.log.merkle import (
    verify_consistency,
    verify_inclusion,
    verify_subtree_consistency,
    verify_subtree_inclusion,
)
from tests.shared_data import shared


def _bytes(text):
    return base64.b64decode(text or "")


def _verify(kind, case):
    proof = [_bytes(one) for one in case["proof"] or []]
    if kind == "inclusion":
        verify_inclusion(_bytes(case["leafHash"]), case["leafIdx"], case["treeSize"], proof, _bytes(case["root"]))
    elif kind == "consistency":
        verify_consistency(case["size1"], case["size2"], _bytes(case["root1"]), _bytes(case["root2"]), proof)
    elif kind == "subtreeinclusion":
        verify_subtree_inclusion(
            _bytes(case["leafHash"]),
            case["leafIdx"],
            start=case["start"],
            end=case["end"],
            proof=proof,
            root=_bytes(case["root"]),
        )
    else:
        verify_subtree_consistency(
            start=case["start"],
            end=case["end"],
            size=case["size"],
            subtree_root=_bytes(case["root1"]),
            root=_bytes(case["root2"]),
            proof=proof,
        )


@pytest.mark.parametrize(
    ("kind", "count"),
    [("inclusion", 98), ("consistency", 98), ("subtreeinclusion", 204), ("subtreeconsistency", 118)],
)
def test_every_public_proof_has_its_stated_verdict(kind, count):
    """Exactly the cases marked wantErr are refused, and by a numbered refusal."""
    paths = sorted(shared(f"tlog/merkle/{kind}").rglob("*.json"))
    wrong = []
    for path in paths:
        case = json.loads(path.read_text("utf-8"))
        try:
            _verify(kind, case)
            refused = False
        except Refused:
            refused = True
        if refused != case["wantErr"]:
            wrong.append(path.name)
    assert len(paths) == count
    assert wrong == []
