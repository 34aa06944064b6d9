"""The Hub's own client behind the wrapper, against a small constructed Hub: leave before bytes, the bytes that were approved, the token kept."""

import json
import os
import subprocess

import pytest

from detente.adapters.listing import digest_folder
from tests.integration.asking_rig import WITHIN_S, detente, pause, solo
from tests.integration.hub_rig import PYTHON, TOKEN, needs_hub, small_hub
from tests.integration.serving_rig import STOPS_RELEASES

pytestmark = needs_hub
HELD, UNANSWERED, CORRUPT = 36, 3, 30


@pytest.fixture
def hub():
    with small_hub() as made:
        yield made


@pytest.fixture
def home(tmp_path, hub):
    made = solo(tmp_path / "home", STOPS_RELEASES)
    done = detente("hook", "hf-upload", "--store-token", "--endpoint", hub.url, home=made, given=f"{TOKEN}\n".encode())
    assert done.returncode == 0, done.stderr.decode()
    assert TOKEN.encode() not in done.stdout + done.stderr
    assert (made / "keys" / "hub.token").stat().st_mode & 0o777 == 0o600
    return made


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "checkpoint"
    (made / "more").mkdir(parents=True)
    (made / "config.json").write_text('{"depth": 8}')
    (made / "more" / "weights").write_bytes(os.urandom(3 << 20))
    with (made / "large").open("wb") as file:  # Over what is held in memory.
        file.write(b"large")
        file.truncate(17 << 20)
    return made


def upload(home, folder, *more, **environment):
    done = subprocess.run(
        [PYTHON, "-m", "detente", "hook", "hf-upload", "lab/lm", str(folder), "--home", str(home), "--json", *more],
        capture_output=True,
        timeout=WITHIN_S * 3,
        check=False,
        env={**os.environ, "HF_HUB_DISABLE_PROGRESS_BARS": "1", **environment},
    )
    assert TOKEN.encode() not in done.stdout + done.stderr
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_what_is_published_is_what_was_asked_about(hub, home, folder):
    """Allowed: every byte arrives, in one commit, under the digest that a gate has; the environment does not move the address."""
    code, out, err = upload(
        home, folder, "--path", "v1", HF_ENDPOINT="http://127.0.0.1:9", HF_TOKEN="hf_of_somebody_else"
    )
    assert code == 0, err
    said = json.loads(out)
    assert (said["version"], said["files"]) == (digest_folder(folder), 3)
    assert {name: data == (folder / name.removeprefix("v1/")).read_bytes() for name, data in hub.files.items()} == {
        "v1/config.json": True,
        "v1/more/weights": True,
        "v1/large": True,
    }
    assert (hub.commits, hub.tokens) == (["upload"], {TOKEN})


def test_a_pause_holds_it_before_a_byte_leaves(hub, home, folder):
    """J35: exit as every hold, with the digest that people decide on; the Hub heard nothing, not even the token."""
    pause(home)
    code, out, err = upload(home, folder)
    assert code == HELD
    assert "J35 held" in err
    assert digest_folder(folder) in json.loads(out)["refused"]["got"]
    assert (hub.files, hub.stored, hub.tokens) == ({}, {}, set())


def test_a_pause_while_bytes_go_holds_the_commit(hub, home, folder):
    """It is asked again before what publishes: what went to the Hub's store is named by no commit."""
    hub.before_store = lambda: pause(home)
    code, _, err = upload(home, folder)
    assert code == HELD, err
    assert (hub.files, hub.commits) == ({}, [])


def test_what_is_edited_after_it_was_asked_about_is_refused(hub, home, folder):
    """J34: a large file that changes between listing and commit is not published, whatever arrives at the Hub."""

    def edit():
        with (folder / "large").open("r+b") as file:
            file.write(b"other")

    hub.before_store = edit
    code, _, err = upload(home, folder)
    assert code in {CORRUPT, UNANSWERED}, err  # Or the Hub itself refuses bytes that are not those of their SHA-256.
    assert (hub.files, hub.commits) == ({}, [])


def test_nobody_who_answers_publishes_nothing(hub, home, folder):
    """Exit 3 where the home cannot ask; nothing of the folder, and no token, goes out."""
    (home / "node.db").write_bytes(b"no database")
    code, _, err = upload(home, folder)
    assert code == UNANSWERED, err
    assert (hub.files, hub.tokens) == ({}, set())


def test_a_link_in_the_folder_is_not_followed(hub, home, folder):
    """The token's own file must not be published by a link to it."""
    (folder / "notes").symlink_to(home / "keys" / "hub.token")
    code, _, err = upload(home, folder)
    assert code == 2
    assert "a link" in err
    assert hub.tokens == set()


def test_an_observed_upload_is_published_and_recorded(hub, home, folder):
    """In a pause: the folder is published, loudly; one line says what would have been done, and that nothing was enforced."""
    pause(home)
    code, out, err = upload(home, folder, "--observe")
    assert code == 0, err
    assert (json.loads(out)["enforced"], len(hub.files)) == (False, 3)
    assert "not enforced: would have denied an upload to lab/lm" in err
    (line,) = [json.loads(each) for each in (home / "observe.jsonl").read_text().splitlines()]
    assert (line["asker"], line["enforced"], line["verdict"]) == ("hf-upload", False, "deny")
