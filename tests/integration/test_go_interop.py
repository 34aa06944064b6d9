"""An implementation that is not ours, Go's x/mod, accepts our notes, proofs and tiles, and refuses altered ones.

Needs the Debian packages golang-go and golang-golang-x-mod-dev; skips where they are absent.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from detente.log.merkle import leaf_hash
from detente.log.note import encode_vkey
from detente.log.spelling import show_base64
from detente.log.tiles import read_tile, tile_path, tiles_for
from tests.unit.log.logbook import LOG_KEY, Logbook

GOCODE = Path("/usr/share/gocode")
SIZE, OLD = 70_000, 66_001
INDICES = [0, 1, 255, 256, 65_535, 65_536, 69_999]


@pytest.fixture(scope="module")
def checker(tmp_path_factory):
    """The Go program, built against Debian's x/mod."""
    go = shutil.which("go")
    if go is None or not (GOCODE / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        pytest.skip("go or golang-golang-x-mod-dev is not here: apt-get install golang-go golang-golang-x-mod-dev")
    place = tmp_path_factory.mktemp("go")
    shutil.copy(Path(__file__).parent / "go_interop" / "main.go", place / "main.go")
    environment = {
        **os.environ,
        "GOPATH": str(GOCODE),
        "GO111MODULE": "off",
        "GOFLAGS": "",
        "GOCACHE": str(place / "cache"),
    }
    subprocess.run([go, "build", "-o", "checker", "main.go"], cwd=place, env=environment, check=True, timeout=300)
    return place / "checker"


@pytest.fixture(scope="module")
def log():
    """A log of 70,000 entries, as in the example of tlog-tiles."""
    return Logbook([b"entry %d" % at for at in range(SIZE)])


def _hashes(hashes):
    return [show_base64(one) for one in hashes]


def _flipped(data):
    return bytes([data[0] ^ 1]) + data[1:]


def _write(log, root):
    """The folder that the Go program reads: what is right, and beside it what is altered in one place."""
    altered = Path("altered") / tile_path(next(tiles_for(SIZE)))
    for tile in tiles_for(SIZE):
        data = read_tile(log.tree, tile)
        for name in ("good", "altered"):
            path = root / name / tile_path(tile)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_flipped(data) if Path(name) / tile_path(tile) == altered else data)
    note, cosigned = log.note().decode(), log.cosigned().decode()
    proof = log.tree.consistency_proof(OLD, SIZE)
    inclusion = {}
    for index in INDICES:
        path = log.tree.inclusion_proof(index, SIZE)
        leaf = show_base64(leaf_hash(log.entries[index]))
        inclusion[f"good {index}"] = {"Index": index, "Leaf": leaf, "Proof": _hashes(path)}
        inclusion[f"altered {index}"] = {"Index": index, "Leaf": leaf, "Proof": _hashes([_flipped(path[0]), *path[1:]])}
    told = {
        "Vkey": encode_vkey(LOG_KEY),
        "Size": SIZE,
        "Root": show_base64(log.tree.root()),
        "Notes": {"good": note, "good cosigned": cosigned, "altered": note.replace("70000", "70001")},
        "OldSize": OLD,
        "OldRoot": show_base64(log.tree.root(OLD)),
        "Consistency": {"good": _hashes(proof), "altered": _hashes([_flipped(proof[0]), *proof[1:]])},
        "Inclusion": inclusion,
        "TileSets": {"good": "good", "altered": "altered"},
        "TilesInclude": INDICES,
    }
    (root / "log.json").write_text(json.dumps(told), "utf-8")


def test_go_accepts_our_log_and_refuses_altered_ones(checker, log, tmp_path):
    """Every good note, proof and tile is ok; every altered one is refused; proofs made by Go from our tiles are ours."""
    _write(log, tmp_path)
    done = subprocess.run([checker, tmp_path], capture_output=True, text=True, check=True, timeout=120)
    lines = [line.split(" ", 1) for line in done.stdout.splitlines()]
    verdicts = {name: word for word, name in lines if word != "proof"}
    assert len(verdicts) == 3 + 2 + 2 * len(INDICES) + 2
    assert verdicts == {name: "refused" if "altered" in name else "ok" for name in verdicts}
    made = [rest.split(" ", 2) for word, rest in lines if word == "proof" and rest.startswith("good ")]
    assert {int(index): json.loads(proof) for _, index, proof in made} == {
        index: _hashes(log.tree.inclusion_proof(index, SIZE)) for index in INDICES
    }
