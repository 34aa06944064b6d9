"""Our own vectors of approvals: a credential as it is enrolled, and what it asserts, or why that is refused."""

import json
from pathlib import Path

import pytest

from detente.base.errors import Refused
from detente.statement.approval import APPROVAL, verify_approval
from detente.statement.credential import CREDENTIAL, verify_credential

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "approval"


def _verified(case):
    said = json.loads((case / "approval.json").read_text("utf-8"))
    credential = CREDENTIAL.decode(json.loads((case / "credential.json").read_text("utf-8")))
    known = verify_credential(credential, accord=said["accord"], party=said["party"])
    approval = APPROVAL.decode(said["approval"])
    return verify_approval(approval, accord=said["accord"], nonce=said["nonce"], credential=known)


@pytest.mark.parametrize("case", sorted(VECTORS.iterdir()), ids=lambda case: case.name)
def test_approval(case):
    """An approval verifies under its credential, from the bytes alone, or is refused under its number."""
    if case.name.endswith("_fail"):
        with pytest.raises(Refused) as refused:
            _verified(case)
        assert refused.value.rule == json.loads((case / "expect.json").read_text("utf-8"))["rule"]
    else:
        assert _verified(case).credential is not None
