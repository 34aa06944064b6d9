"""What an upload publishes, and the token that only it reads: everything that needs no Hub."""

import os
from types import SimpleNamespace

import pytest

from detente.adapters.listing import digest_folder
from detente.app.gating import version_of
from detente.base.digest import Digest, sha256_hex
from detente.base.errors import Misuse, Refused, Unavailable
from detente.guard.answer import Answer
from detente.hooks import huggingface
from detente.hooks.huggingface import Target, allowed, held_upload, listed_files, read_token, store_token

TOKEN = "hf_" + "w" * 32
TARGET = Target(repo="lab/lm")
ACT = Digest("c" * 64)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "checkpoint"
    made.mkdir()
    (made / "weights").write_bytes(b"weights")
    (made / "config.json").write_bytes(b"{}")
    return made


class Addition:
    """As the Hub's package has it, in what matters here."""

    def __init__(self, *, path_in_repo, path_or_fileobj):
        self.path_in_repo, self.source = path_in_repo, path_or_fileobj
        data = self.data()
        self.upload_info = SimpleNamespace(sha256=bytes.fromhex(sha256_hex(data)))
        self._upload_mode = "lfs"

    def data(self):
        if isinstance(self.source, bytes):
            return self.source
        with open(self.source, "rb") as file:  # noqa: PTH123
            return file.read()


class Api:
    """What was committed; ``between`` happens while bytes go."""

    def __init__(self, between=lambda: None):
        self.between = between
        self.committed = {}

    def preupload_lfs_files(self, **_):
        self.between()

    def create_commit(self, *, operations, **_):
        self.committed = {each.path_in_repo: each.data() for each in operations}
        return SimpleNamespace(oid="1", commit_url="u")


def publish(folder, api, ask=lambda: None):
    files = listed_files(folder)
    return huggingface._sent(api, Addition, TARGET, folder, files, ACT, ask)


def test_the_version_of_a_folder_is_the_one_that_a_gate_has(folder):
    """One digest: of the listing, as `detente gate FOLDER` has it."""
    lines = b"".join(f"{digest} {size} {name}\n".encode() for name, (size, digest) in listed_files(folder).items())
    assert sha256_hex(lines) == digest_folder(folder) == version_of(str(folder))
    before = version_of(str(folder))
    (folder / "weights").write_bytes(b"weighty")
    assert version_of(str(folder)) != before


def test_small_files_are_published_as_they_were_read(folder):
    """What is edited while bytes go does not matter: the commit has what was listed."""
    api = Api(lambda: (folder / "weights").write_bytes(b"others!"))
    assert publish(folder, api).files == 2
    assert api.committed == {"weights": b"weights", "config.json": b"{}"}


def test_a_file_that_changed_since_it_was_listed_is_refused(folder):
    """J34, and nothing is committed."""
    files = listed_files(folder)
    (folder / "weights").write_bytes(b"others!")
    api = Api()
    with pytest.raises(Refused) as refused:
        huggingface._sent(api, Addition, TARGET, folder, files, ACT, lambda: None)
    assert (refused.value.rule, refused.value.kind, api.committed) == ("J34", "corrupt", {})


def test_a_large_file_that_changes_while_it_is_sent_is_refused(folder, monkeypatch):
    """J34: it is read again before the commit."""
    monkeypatch.setattr(huggingface, "SMALL_MAX", 0)
    api = Api(lambda: (folder / "weights").write_bytes(b"others!"))
    with pytest.raises(Refused) as refused:
        publish(folder, api)
    assert (refused.value.rule, api.committed) == ("J34", {})


def test_leave_is_asked_for_again_before_the_commit(folder):
    """An upload takes hours; the commit is the act."""
    api = Api()

    def ask():
        raise Refused("J35", "held", got="a pause", expected="leave")

    with pytest.raises(Refused):
        publish(folder, api, ask)
    assert api.committed == {}


def test_a_hold_and_a_denial_are_refused_and_silence_is_not_leave():
    """J35; nobody's answer is Unavailable."""
    for verdict in ("hold", "deny"):
        with pytest.raises(Refused) as refused:
            allowed(Answer(verdict=verdict, act=ACT, answered=True, reasons=("why",)), TARGET, ACT)
        assert (refused.value.rule, refused.value.kind) == ("J35", "held")
    with pytest.raises(Unavailable):
        allowed(Answer(verdict="hold", act=ACT, reasons=("no node",)), TARGET, ACT)


def test_links_and_nothing_are_not_published(folder, tmp_path):
    """A link could lead to the token."""
    (folder / "link").symlink_to(folder / "weights")
    with pytest.raises(Misuse):
        listed_files(folder)
    (tmp_path / "empty").mkdir()
    (tmp_path / "to").symlink_to(folder)
    for place in (tmp_path / "empty", tmp_path / "none", tmp_path / "to"):
        with pytest.raises(Misuse):
            listed_files(place)


@pytest.mark.parametrize("where", [".", ".detente", ".detente/keys", "link/keys"])
def test_the_home_is_never_published(tmp_path, monkeypatch, where):
    """A folder that holds the token, or lies beside it in the home, however it is named: nothing of it is read for the Hub."""
    home = tmp_path / ".detente"
    store_token(TOKEN, home=home)
    (tmp_path / "link").symlink_to(home)
    monkeypatch.setattr(huggingface, "_hub", lambda: SimpleNamespace(HfApi=lambda **_: None))
    with pytest.raises(Misuse, match="home"):
        held_upload(TARGET, tmp_path / where, home=home)


def test_the_token_is_kept_for_this_user_with_its_address(tmp_path):
    """0600, never overwritten, read back as it was; the address comes from nowhere else."""
    path = store_token(f"{TOKEN}\n", endpoint="http://127.0.0.1:9/", home=tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_token(tmp_path) == (TOKEN, "http://127.0.0.1:9")
    with pytest.raises(Refused) as refused:
        store_token(TOKEN, home=tmp_path)
    assert refused.value.rule == "C03"


def test_a_token_that_others_may_read_is_not_used(tmp_path):
    """C01, as for every key."""
    store_token(TOKEN, home=tmp_path).chmod(0o644)
    with pytest.raises(Refused) as refused:
        read_token(tmp_path)
    assert refused.value.rule == "C01"


@pytest.mark.parametrize(
    "content",
    [
        "",
        f"{TOKEN}\n",
        f"{TOKEN}\nhttp://elsewhere.example\n",
        "a b c d e f g h\nhttps://x\n",
        f"{TOKEN}\nhttps://x\nmore\n",
    ],
)
def test_a_token_file_that_does_not_read_is_refused_and_not_shown(tmp_path, content):
    """J37; no message shows what stands in it."""
    path = store_token(TOKEN, home=tmp_path)
    path.write_text(content)
    with pytest.raises(Refused) as refused:
        read_token(tmp_path)
    assert (refused.value.rule, refused.value.kind) == ("J37", "malformed")
    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://elsewhere.example",
        "http://127.0.0.1:1@elsewhere.example",
        "ftp://x",
        "https://",
        "https://[",
        "https://a b",
    ],
)
def test_a_token_is_not_kept_for_an_address_in_the_clear(tmp_path, endpoint):
    """Only https, or this machine."""
    with pytest.raises(Misuse):
        store_token(TOKEN, endpoint=endpoint, home=tmp_path)
    assert not os.path.exists(tmp_path / "keys")  # noqa: PTH110


@pytest.mark.parametrize("before", [False, True])
def test_xet_is_not_used_for_as_long_as_an_upload_lasts(before):
    """Whatever the environment has it be, and whatever becomes of the upload; then it is what it was."""
    constants = SimpleNamespace(HF_HUB_DISABLE_XET=before)
    with pytest.raises(ConnectionError), huggingface._without_xet(constants):
        assert constants.HF_HUB_DISABLE_XET is True
        raise ConnectionError("gone")
    assert constants.HF_HUB_DISABLE_XET is before
