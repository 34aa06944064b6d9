"""The parts of a node by themselves: configuration, admission, rates, notices, init."""

import asyncio
from pathlib import Path

import pytest

from detente.adapters.store import Store
from detente.app.admission import Rates
from detente.app.config import Config, Limits, load_config, show_config, store_config
from detente.app.init import make_party, make_solo
from detente.app.node import open_node
from detente.app.notices import Hub, Notices
from detente.base.digest import Digest
from detente.base.errors import Misuse, Refused, Unavailable
from detente.base.identity import Party
from tests import node_coalition as rig


def test_a_configuration_is_read_back(tmp_path: Path):
    """What is written is what is read, limits and peers included."""
    config = Config(
        home=tmp_path,
        party=Party("dev-a"),
        accord=Digest("a" * 64),
        port=0,
        url="https://node.example/x",
        peers={Party("aud-1"): "http://127.0.0.1:1"},
        parties=(Party("safety-team"),),
        limits=Limits(clients=7),
    )
    store_config(config)
    assert load_config(tmp_path) == config


@pytest.mark.parametrize(
    ("change", "got"),
    [
        ('pary = "dev-a"', "pary"),
        ("port = 70000", "port"),
        ("gossip_s = true", "gossip_s"),
        ('url = "ftp://x"', "url"),
        ("[limits]\nclient = 5", "client"),
        ("not toml", "="),
    ],
)
def test_a_configuration_with_a_mistake_is_refused(tmp_path: Path, change: str, got: str):
    """N02: a misspelled limit must not be no limit."""
    text = show_config(Config(home=tmp_path, party=Party("dev-a"), accord=Digest("a" * 64)))
    name = change.partition(" ")[0]
    text = change + "\n" + "\n".join(line for line in text.splitlines() if not line.startswith((name, "[peers]")))
    if change.startswith("["):
        text = "\n".join([*text.splitlines()[2:], change])
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(Refused) as refused:
        load_config(tmp_path)
    assert refused.value.rule == "N02"
    assert got in refused.value.got


def test_other_terms_than_the_accords_are_refused(tmp_path: Path):
    """N01: a reformatted copy is another accord."""
    coalition = rig.found(tmp_path)
    home = coalition.home("dev-a")
    (home / "terms.yaml").write_bytes(coalition.data + b"\n")
    with pytest.raises(Refused) as refused:
        open_node(home)
    assert refused.value.rule == "N01"
    assert not (home / "node.db-wal").exists()


def test_rates_forget_who_is_quiet_and_take_nothing_in_vain():
    """A refused request costs no token, and names are bounded."""
    rates = Rates(per_s=1, burst=3)
    assert rates.take("a", at_s=0.0, count=3)
    assert not rates.take("a", at_s=0.5)
    assert rates.take("a", at_s=1.0)
    for number in range(20_000):
        rates.take(number, at_s=2.0)
    assert len(rates._left) <= 16_384


def test_a_slow_listener_is_dropped_and_the_others_hear_on():
    """A bounded queue each: nobody holds up anybody."""

    async def work():
        hub = Hub(clients_max=2, events_max=2)
        slow, quick = hub.subscribe(), hub.subscribe()
        for number in range(4):
            hub.publish("head", b"%d" % number)
            assert await quick.next(0.1) == b"event: head\ndata: %d\n\n" % number
        assert await slow.next(0.1) is None

    asyncio.run(work())


def test_too_many_listeners_are_refused():
    """N25."""
    hub = Hub(clients_max=1, events_max=2)
    kept = hub.subscribe()
    with pytest.raises(Refused) as refused:
        hub.subscribe()
    assert refused.value.rule == "N25"
    hub.unsubscribe(kept)
    hub.subscribe()


def test_notices_rise_across_restarts(tmp_path: Path):
    """A notice of an earlier life can never look newer than one of a later life."""
    store = Store(tmp_path / "node.db")
    last = 0
    for _ in range(3):
        notices = Notices(
            accord=Digest("a" * 64), party=Party("aud-1"), signer=rig.SoftwareSigner(bytes(32)), store=store
        )
        notices.prepare()
        assert notices.sequence >= last
        notices.sequence += 5
        last = notices.sequence
    store.close()


def test_init_makes_keys_once_and_then_takes_the_terms(tmp_path: Path):
    """The card comes first, the terms with these keys later; keys that are there are kept."""
    first = make_party(tmp_path / "dev-a", Party("dev-a"))
    again = make_party(tmp_path / "dev-a", Party("dev-a"))
    assert first.cards == again.cards
    assert not (tmp_path / "dev-a" / "config.toml").exists()
    coalition = rig.found(tmp_path / "others")
    with pytest.raises(Refused) as refused:
        make_party(tmp_path / "dev-a", Party("dev-a"), terms=coalition.data)
    assert refused.value.rule == "N04"
    assert not (tmp_path / "dev-a" / "config.toml").exists()
    with pytest.raises(Refused) as refused:
        make_party(tmp_path / "dev-z", Party("dev-z"), terms=coalition.data)
    assert refused.value.rule == "N04"
    made = make_party(coalition.home("dev-a"), Party("dev-a"), terms=coalition.data)
    assert made.accord == coalition.accord


def test_init_leaves_a_home_of_another_accord_alone(tmp_path: Path):
    """N03."""
    coalition, other = rig.found(tmp_path / "a"), rig.found(tmp_path / "b")
    before = (coalition.home("dev-a") / "config.toml").read_bytes()
    with pytest.raises(Refused) as refused:
        make_party(coalition.home("dev-a"), Party("dev-a"), terms=other.data)
    assert refused.value.rule == "N03"
    assert (coalition.home("dev-a") / "config.toml").read_bytes() == before


def test_an_empty_home_is_unavailable(tmp_path: Path):
    """Nothing to refuse yet: the world lacks a configuration, and the message says which command makes one."""
    with pytest.raises(Unavailable, match="detente init"):
        load_config(tmp_path)


def test_solo_is_ready_to_use(tmp_path: Path):
    """One command, no network: both roles have acceded, the log is self-witnessed and says so."""
    try:
        made = asyncio.run(make_solo(tmp_path / "home"))
    except Misuse as misuse:
        pytest.skip(f"{misuse}")

    async def work():
        node = open_node(made.home)
        try:
            assert node.terms_self_witnessed
            assert node.sequencer.log.witnessed.size == len(made.cards)
            status = node.status()
            assert set(status.bound) == {card.party for card in made.cards}
        finally:
            await node.close()

    asyncio.run(work())
    with pytest.raises(Refused) as refused:
        asyncio.run(make_solo(tmp_path / "home"))
    assert refused.value.rule == "N03"
