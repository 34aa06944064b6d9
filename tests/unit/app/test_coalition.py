"""Which log a party speaks in."""

from detente.accord.successors import Succession, Successor
from detente.accord.terms import parse_terms
from detente.app.coalition import coalition_of
from detente.base.digest import sha256_hex
from tests.accord_play import founding


def test_a_successor_is_written_in_once_its_opening_has_settled():
    """Until then evidence may still come that another one opened first; everybody follows both from the first word on."""
    terms = parse_terms(founding())
    party = next(party for party, keys in terms.keys.items() if keys.log is not None)
    key = terms.keys[party].statement[0]
    succession = Succession((Successor(party, "elsewhere.example/log", key, 1_000, sha256_hex(b"keys")),))
    coalition = coalition_of((terms,), succession)
    settled = 1_000 + terms.mirrors.settle_s
    assert terms.mirrors.settle_s > 0
    assert coalition.own_log(party).origin == "elsewhere.example/log"
    assert coalition.own_log(party, settled_by=settled - 1).origin == terms.keys[party].log.name
    assert coalition.own_log(party, settled_by=settled).origin == "elsewhere.example/log"
