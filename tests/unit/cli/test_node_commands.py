"""Commands around a home: exit codes, JSON, and what a person is told."""

import json
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner

from detente.base.errors import RefusalKind
from detente.cli import EXIT_CODES, MISUSE, PAUSED, UNAVAILABLE, main

ROOT = Path(__file__).resolve().parents[3]


def called(*arguments: str):
    """One command, as a shell would start it."""
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture
def home(tmp_path: Path) -> str:
    """A solo home."""
    folder = str(tmp_path / "home")
    assert called("init", "--solo", "--home", folder).exit_code == 0
    return folder


def test_every_kind_of_refusal_has_an_exit_code_of_its_own_and_the_page_says_which():
    """Closed, distinct, apart from the codes that shells and sysexits use, and documented."""
    codes = list(EXIT_CODES.values())
    assert set(EXIT_CODES) == set(get_args(RefusalKind))
    assert len(set(codes)) == len(codes)
    assert not set(codes) & {0, 1, MISUSE, UNAVAILABLE, PAUSED}
    page = (ROOT / "docs" / "reference" / "node.md").read_text("utf-8")
    words = " ".join(page.split())
    for kind, code in EXIT_CODES.items():
        assert f"{code} {kind}" in words


def test_the_interface_page_names_every_path():
    """A reader finds in the page what the description has."""
    from detente.server.openapi import PATHS

    page = (ROOT / "docs" / "reference" / "http-api.md").read_text("utf-8")
    for path, methods in PATHS.items():
        for method in methods:
            assert f"`{method.upper()} {path}`" in page


def test_init_prints_the_block_for_the_terms_and_the_root_advice_apart(tmp_path: Path):
    """Data on stdout, as YAML for the `keys` section or as JSON; the rest on stderr; no private key in either."""
    result = called("init", "--party", "dev-a", "--home", str(tmp_path / "home"))
    assert result.stdout.startswith("keys:\n  dev-a:\n    root:\n")
    said = json.loads(called("init", "--party", "dev-a", "--home", str(tmp_path / "home"), "--json").stdout)
    assert (said["cards"][0]["party"], said["terms_blocks"]) == ("dev-a", [result.stdout.rstrip("\n") + "\n"])
    assert "offline" in result.stderr
    for path in (tmp_path / "home" / "keys").glob("*.key"):
        seed = path.read_text().split()[2]
        assert seed not in result.stdout + result.stderr


def test_misuse_and_absence_have_their_codes(tmp_path: Path):
    """2 for a wrong command line, 3 where the world lacks something."""
    assert called("init", "--home", str(tmp_path)).exit_code == MISUSE
    assert called("init", "--solo", "--party", "dev-a", "--home", str(tmp_path)).exit_code == MISUSE
    result = called("log", "fsck", "--home", str(tmp_path / "nothing"), "--json")
    assert result.exit_code == UNAVAILABLE
    assert "detente init" in json.loads(result.stdout)["unavailable"]


def test_a_refusal_is_json_with_its_exit_code(home: str):
    """What a machine reads has the number, and the process exits with the kind."""
    result = called("init", "--solo", "--home", home, "--json")
    said = json.loads(result.stdout)
    assert (said["refused"]["rule"], said["exit"], result.exit_code) == ("N03", EXIT_CODES["conflict"], said["exit"])


def test_a_home_is_checked_verified_shown_and_exported(home: str, tmp_path: Path):
    """The commands agree on what is there; static files verify with the terms alone."""
    check = json.loads(called("log", "fsck", "--home", home, "--json").stdout)
    assert (check["entries"], check["damages"]) == (2, [])
    verified = json.loads(called("log", "verify", home, "--json").stdout)
    assert (verified["size"], verified["self_witnessed"]) == (2, True)
    shown = [json.loads(line) for line in called("log", "show", "--home", home, "--json").stdout.splitlines()]
    assert [each["kind"] for each in shown] == ["accession", "accession"]
    static = tmp_path / "static"
    assert called("log", "export", str(static), "--home", home).exit_code == 0
    again = called("log", "verify", str(static), "--terms", f"{home}/terms.yaml", "--json")
    assert json.loads(again.stdout)["root"] == verified["root"]


def test_damage_is_told_with_the_code_of_corruption(home: str):
    """C25 on stderr and in JSON, one line for each damage for people."""
    import sqlite3

    database = sqlite3.connect(f"{home}/node.db")
    database.execute("UPDATE entries SET data = zeroblob(9) WHERE id & 1099511627775 = 1")
    database.commit()
    database.close()
    result = called("log", "fsck", "--home", home)
    assert result.exit_code == EXIT_CODES["corrupt"]
    assert "C25" in result.stderr
    assert "at 1" in result.stdout


def test_recover_says_from_where_the_node_signs_on(home: str):
    """After the head file was lost."""
    Path(home, "head").unlink()
    said = json.loads(called("log", "recover", "--home", home, "--json").stdout)
    assert said["size"] == 2


def test_a_log_without_known_terms_is_misuse(tmp_path: Path):
    """Which terms a log belongs to cannot be guessed."""
    assert called("log", "verify", str(tmp_path), "--home", str(tmp_path)).exit_code == MISUSE


def test_a_node_that_does_not_answer_is_unavailable(home: str):
    """`node status` asks the node; without one it says so."""
    text = Path(home, "config.toml").read_text().replace("port = 8700", "port = 9")
    Path(home, "config.toml").write_text(text)
    assert called("node", "status", "--home", home).exit_code == UNAVAILABLE
