"""The mirror: nothing is cosigned before every entry below it is stored; every status of the exchange."""

from dataclasses import replace

import pytest

from detente.base.errors import Refused
from detente.log.merkle import MerkleTree, leaf_hash
from detente.log.mirror import (
    EXCESS_MAX,
    INFO_TYPE,
    AddEntries,
    Cosign,
    DailyCap,
    DayUse,
    EntryPackage,
    MirrorInfo,
    MirrorState,
    StoreEntries,
    build_packages,
    encode_add_entries_header,
    encode_mirror_info,
    encode_package,
    mirror_add_checkpoint,
    mirror_add_entries,
    package_ranges,
    parse_add_entries_header,
    parse_mirror_info,
    parse_package,
    read_packages,
)
from detente.log.witness import AddCheckpoint, Status
from tests.unit.log.logbook import LOG_KEY, NOW, ORIGIN, Logbook, book

LOGS, FORK = book(1_200), book(1_200, salt=b"other ")


class Disk:
    """A mirror that performs what the steps ask for: stores, then persists, then notes what it would sign."""

    def __init__(self, log=LOGS):
        self.log = log
        self.state = MirrorState(ORIGIN, LOG_KEY)
        self.entries, self.tree, self.cosigned = [], MerkleTree(), []

    def offer(self, size, *, log=None):
        log = log or self.log
        old = self.state.latest.size if self.state.latest else 0
        proof = tuple(log.tree.consistency_proof(old, size)) if old else ()
        self.state, reply = mirror_add_checkpoint(self.state, AddCheckpoint(old, proof, log.note(size)))
        return reply

    def upload(self, start, end, *, packages=None, log=None, cap=None, at=NOW, limit=None):
        log = log or self.log
        header = AddEntries(ORIGIN, start, end)
        if packages is None:
            packages = list(build_packages(log.tree, lambda a, b: log.entries[a:b], start, end))[:limit]
        outcome = mirror_add_entries(self.state, header, packages, nodes=self.tree, cap=cap, at=at)
        for action in outcome.actions:
            if isinstance(action, StoreEntries):
                assert action.start == len(self.entries), "stored without a gap and never twice"
                self.entries += action.entries
                self.tree.extend([leaf_hash(entry) for entry in action.entries])
            else:
                assert isinstance(action, Cosign)
                assert self.tree.root(action.checkpoint.size) == action.checkpoint.root
                self.cosigned.append(action.checkpoint.size)
        self.state = outcome.state
        assert self.state.next_entry == len(self.entries)
        return outcome.reply


def _info(reply):
    assert reply.content_type == INFO_TYPE
    return parse_mirror_info(reply.body)


def test_a_log_is_taken_in_and_cosigned():
    """Head, entries, cosignature; then on from there, in sizes that fit no bundle."""
    disk = Disk()
    for old, size in ((0, 5), (5, 255), (255, 256), (256, 257), (257, 900), (900, 1_200)):
        assert disk.offer(size).status == Status.OK
        assert disk.upload(old, size).status == Status.OK
        assert (disk.state.mirror_size, disk.state.mirror_root) == (size, LOGS.tree.root(size))
    assert disk.entries == LOGS.entries
    assert disk.cosigned == [5, 255, 256, 257, 900, 1_200]


def test_taking_in_a_head_signs_nothing():
    """add-checkpoint moves the pending head only; the answer is empty."""
    disk = Disk()
    reply = disk.offer(700)
    assert (reply.status, reply.body, disk.state.mirror_size, disk.cosigned) == (Status.OK, b"", 0, [])


def test_an_interrupted_upload_goes_on():
    """A strict prefix is kept: 202, and where to go on. The cosignature waits for the last entry."""
    disk = Disk()
    disk.offer(1_200)
    reply = disk.upload(0, 1_200, limit=2)
    assert (reply.status, _info(reply), disk.cosigned) == (Status.ACCEPTED, MirrorInfo(1_200, 512), [])
    assert disk.upload(512, 1_200).status == Status.OK
    assert disk.cosigned == [1_200]


def test_an_earlier_pending_head_can_still_be_finished():
    """The client need not recompute its proofs because a newer head came in; an older one is never rewound to."""
    disk = Disk()
    disk.offer(600)
    disk.offer(1_000)
    assert disk.upload(0, 600).status == Status.OK
    assert [head.size for head in disk.state.pending] == [1_000]
    assert disk.upload(600, 1_000).status == Status.OK
    reply = disk.upload(600, 600)
    assert (reply.status, reply.refused.rule, disk.state.mirror_size) == (Status.CONFLICT, "M13", 1_000)


def test_entries_sent_again_are_not_stored_again():
    """The first entries are known; only the rest is stored, from a start inside a bundle."""
    disk = Disk()
    disk.offer(300)
    disk.upload(0, 300)
    disk.offer(700)
    assert disk.upload(100, 700).status == Status.OK
    assert disk.entries == LOGS.entries[:700]


def test_the_mirrored_head_can_be_cosigned_again():
    """An upload of nothing under the mirrored head is answered: the client lost the first answer."""
    disk = Disk()
    disk.offer(300)
    disk.upload(0, 300)
    assert disk.upload(300, 300, packages=[]).status == Status.OK
    assert disk.cosigned == [300, 300]


def test_an_empty_log_is_mirrored():
    """Size zero is a head like any other."""
    disk = Disk()
    disk.offer(0)
    assert disk.upload(0, 0, packages=[]).status == Status.OK
    assert disk.cosigned == [0]


def test_an_entry_that_nobody_can_parse_is_stored_and_cosigned():
    """Checked means size and hash only: no poisoned entry can freeze a log."""
    log = Logbook([b"", b"\xff\x00 not an envelope", b"x" * 65_535])
    disk = Disk(log)
    disk.offer(3)
    assert disk.upload(0, 3).status == Status.OK
    assert disk.entries == log.entries


@pytest.mark.parametrize("crash", ["before storing", "stored, not persisted", "persisted, not answered", "none"])
@pytest.mark.parametrize("limit", [1, 2, None])
def test_a_crash_at_any_point_loses_and_signs_nothing_too_early(crash, limit):
    """Storing, persisting and answering can each be lost; the client tries again and all is stored once and cosigned."""
    disk, stored, signed = Disk(), {}, []
    disk.offer(700)
    header, alive = AddEntries(ORIGIN, 0, 700), crash != "none"
    while not signed:
        packages = list(build_packages(LOGS.tree, lambda a, b: LOGS.entries[a:b], header.start, 700))[:limit]
        outcome = mirror_add_entries(disk.state, header, packages, nodes=LOGS.tree, cap=None, at=NOW)
        crashed, alive = alive and crash, False
        if crashed != "before storing":
            for action in outcome.actions:
                if isinstance(action, StoreEntries):
                    for at, entry in enumerate(action.entries, action.start):
                        assert stored.setdefault(at, entry) == entry
            if crashed != "stored, not persisted":
                disk.state = outcome.state
                if crashed != "persisted, not answered":
                    signed = [action.checkpoint.size for action in outcome.actions if isinstance(action, Cosign)]
        assert disk.state.next_entry <= len(stored), "never promises what is not stored"
        assert not signed or len(stored) == 700
        header = AddEntries(ORIGIN, disk.state.next_entry, 700)
    assert signed == [700]
    assert [stored[at] for at in range(700)] == LOGS.entries[:700]


def _spoiled(start, end):
    packages = list(build_packages(LOGS.tree, lambda a, b: LOGS.entries[a:b], start, end))
    return [*packages[:1], replace(packages[1], entries=(b"forged", *packages[1].entries[1:])), *packages[2:]]


@pytest.mark.parametrize(
    ("status", "rule", "upload"),
    [
        (409, "M12", lambda disk: disk.upload(300, 650)),
        (409, "M13", lambda disk: disk.upload(0, 200)),
        (409, "M14", lambda disk: disk.upload(301, 700)),
        (400, "M16", lambda disk: disk.upload(300, 700, packages=[])),
        (400, "M16", lambda disk: disk.upload(300, 700, packages=[EntryPackage(256, (b"x",), ())])),
        (422, "M17", lambda disk: disk.upload(300, 700, log=FORK)),
        (422, "M17", lambda disk: disk.upload(300, 700, packages=[EntryPackage(300, (b"x",) * 212, ())])),
        (429, "M18", lambda disk: disk.upload(300, 700, cap=DailyCap(511, 10**9))),
        (429, "M18", lambda disk: disk.upload(300, 700, cap=DailyCap(10**9, 3_000))),
    ],
)
def test_each_refusal_has_its_status_and_moves_nothing(status, rule, upload):
    """From a mirror that holds 300 entries, with 700 pending."""
    disk = Disk()
    disk.offer(300)
    disk.upload(0, 300)
    disk.offer(700)
    before, stored = disk.state, list(disk.entries)
    reply = upload(disk)
    assert (reply.status, reply.refused.rule) == (status, rule)
    assert (disk.state, disk.entries, disk.cosigned) == (before, stored, [300])
    if status == 409:
        assert _info(reply) == MirrorInfo(700, 300)


def test_too_much_sent_again_is_refused():
    """One request's worth may be repeated, no more: M15."""
    size = EXCESS_MAX + 1
    log = Logbook([b"%d" % at for at in range(size)])
    disk = Disk(log)
    disk.offer(size)
    disk.upload(0, size)
    disk.upload(8_192, size)
    assert disk.cosigned == [size]
    reply = disk.upload(0, size, packages=[])
    assert (reply.status, reply.refused.rule, disk.state.mirror_size) == (Status.CONFLICT, "M15", size)


def test_packages_before_a_forged_one_are_kept():
    """Each package is proven by itself; the forged one and all after it are not stored, nothing is cosigned."""
    disk = Disk()
    disk.offer(1_200)
    reply = disk.upload(0, 1_200, packages=_spoiled(0, 1_200))
    assert (reply.status, reply.refused.rule) == (Status.INCONSISTENT, "M17")
    assert (disk.entries, disk.cosigned) == (LOGS.entries[:256], [])
    assert disk.upload(256, 1_200).status == Status.OK


def test_a_log_that_forks_is_not_followed():
    """The pending head stays; the signed contradiction comes back as evidence."""
    disk = Disk()
    disk.offer(300)
    reply = disk.offer(300, log=FORK)
    assert (reply.status, reply.refused.rule, reply.checkpoint.root) == (422, "M07", FORK.tree.root(300))
    assert disk.state.latest.root == LOGS.tree.root(300)


def test_what_is_not_known_is_refused():
    """Another origin is 404; entries before any head are 422."""
    disk = Disk()
    header = AddEntries("b.example", 0, 0)
    outcome = mirror_add_entries(disk.state, header, [], nodes=disk.tree, cap=None, at=NOW)
    assert (outcome.reply.status, outcome.reply.refused.rule) == (Status.UNKNOWN_LOG, "M03")
    assert mirror_add_entries(None, header, [], nodes=disk.tree, cap=None, at=NOW).reply.status == 404
    assert mirror_add_checkpoint(None, AddCheckpoint(0, (), LOGS.note(1)))[1].status == 404
    reply = disk.upload(0, 5)
    assert (reply.status, reply.refused.rule, disk.entries) == (Status.INCONSISTENT, "M11", [])


def test_the_cap_counts_a_day_and_begins_anew():
    """Entries and bytes are counted by day (UTC); what is sent again is not counted again."""
    disk, day = Disk(), NOW // 86_400 * 86_400
    cap = DailyCap(400, 10**6)
    disk.offer(1_200)
    assert disk.upload(0, 1_200, cap=cap, at=day).refused.rule == "M18"
    assert disk.state.use == DayUse(day // 86_400, 256, sum(map(len, LOGS.entries[:256])))
    assert disk.upload(100, 1_200, cap=cap, at=day + 86_399).refused.rule == "M18"
    assert disk.state.next_entry == 256
    assert disk.upload(256, 1_200, cap=cap, at=day + 86_400).refused.rule == "M18"
    assert disk.state.next_entry == 512
    assert disk.upload(512, 1_200, cap=None, at=day + 86_400).status == Status.OK


def test_only_the_last_pending_heads_are_kept():
    """A log cannot make a mirror remember without bound."""
    disk = Disk()
    for size in range(1, 21):
        disk.offer(size)
    assert [head.size for head in disk.state.pending] == list(range(13, 21))


def test_a_request_reads_back_package_by_package():
    """Header and packages are inverse to their readers, at every cut of the body."""
    header = AddEntries(ORIGIN, 250, 520, b"ticket")
    packages = tuple(build_packages(LOGS.tree, lambda a, b: LOGS.entries[a:b], 250, 520))
    body = encode_add_entries_header(header) + b"".join(map(encode_package, packages))
    parsed, offset = parse_add_entries_header(body)
    assert (parsed, read_packages(parsed, body, offset)) == (header, packages)
    assert [(one.start, len(one.entries)) for one in packages] == [(250, 6), (256, 256), (512, 8)]
    whole = offset + len(encode_package(packages[0]))
    assert [len(read_packages(parsed, body[:cut], offset)) for cut in (offset, whole - 1, whole)] == [0, 0, 1]
    assert parse_package(body[: whole - 1], offset, start=250, end=256) is None


def test_at_most_32_packages_are_read():
    """C2SP's advice to clients is our bound; the rest is asked for again with 202."""
    header = AddEntries(ORIGIN, 0, 256 * 40)
    body = b"\0\1x" * 256 + b"\0"
    assert len(read_packages(header, body * 40, 0)) == 32


def test_packages_cover_an_upload_without_gap():
    """The canonical sequence is aligned to 256, whatever start and end are."""
    for start, end in ((0, 0), (5, 5), (0, 1), (255, 257), (256, 512), (300, 1_000)):
        ranges = list(package_ranges(start, end))
        covered = [index for _, first, stop in ranges for index in range(first, stop)]
        assert covered == list(range(start, end))
        assert all(aligned % 256 == 0 and aligned <= first < stop <= aligned + 256 for aligned, first, stop in ranges)


@pytest.mark.parametrize(
    ("rule", "attempt"),
    [
        ("M10", lambda: parse_add_entries_header(b"")),
        ("M10", lambda: parse_add_entries_header(b"\0\1\xff" + bytes(18))),
        ("M10", lambda: parse_add_entries_header(b"\0\1a" + bytes(15))),
        ("M10", lambda: parse_add_entries_header(b"\0\1a" + bytes(7) + b"\2" + bytes(7) + b"\1" + bytes(2))),
        ("M10", lambda: parse_add_entries_header(b"\0\1a" + bytes(8) + b"\xff" * 8 + bytes(2))),
        ("M10", lambda: encode_add_entries_header(AddEntries(ORIGIN, 2, 1))),
        ("M16", lambda: parse_package(b"\0\1x\x40" + bytes(64 * 32), 0, start=0, end=1)),
        ("M16", lambda: encode_package(EntryPackage(0, (b"x",), (b"short",)))),
        ("L42", lambda: encode_package(EntryPackage(0, (b"x" * 65_536,), ()))),
        ("M19", lambda: parse_mirror_info(b"5\n5\n")),
        ("M19", lambda: parse_mirror_info(b"5\n05\n\n")),
        ("M19", lambda: parse_mirror_info(b"5\n5\n=\n")),
        ("M19", lambda: parse_mirror_info(b"\xff\n5\n\n")),
    ],
)
def test_what_is_out_of_form_is_refused(rule, attempt):
    """Headers, packages and answers are each checked before use."""
    with pytest.raises(Refused) as refused:
        attempt()
    assert refused.value.rule == rule


def test_mirror_info_reads_back():
    """Three lines, the last possibly empty."""
    for info in (MirrorInfo(0, 0), MirrorInfo(700, 300, b"opaque")):
        assert parse_mirror_info(encode_mirror_info(info)) == info
