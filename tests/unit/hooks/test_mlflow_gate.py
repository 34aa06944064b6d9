"""The proxy before a registry: what was judged is what is sent on, and a refusal is in the registry's own form."""

import asyncio
import json

import httpx
import pytest

from detente.base.digest import Digest
from detente.base.errors import Misuse, Refused
from detente.guard.answer import Allowance, Answer
from detente.hooks import mlflow_gate
from detente.hooks.mlflow_gate import MlflowGate, artifact_folder, make_observed, open_server
from detente.hooks.mlflow_routes import BODY_MAX

ACT = Digest("c" * 64)
ALLOWED = Answer(
    verdict="allow",
    act=ACT,
    answered=True,
    allowance=Allowance(act=ACT, salt="0" * 32, permit=b"", boot_id="b", sent_at_ms=0),
)
DENIED = Answer(verdict="deny", act=ACT, answered=True, reasons=("call: 1 vote of safety",))
UNANSWERED = Answer(verdict="hold", act=ACT, reasons=("no node answers",))
ALIAS = "/api/2.0/mlflow/registered-models/alias"
SAID = {"name": "lm", "alias": "champion", "version": "1"}
VERSION = {
    "name": "lm",
    "version": "1",
    "source": "mlflow-artifacts:/0/r/artifacts/model",
    "run_id": "r",
    "current_stage": "None",
}


class Server:
    """An MLflow server that has one version, and remembers what it was sent."""

    def __init__(self, status=200, version=VERSION):
        self.status, self.version = status, version
        self.got = []

    def answer(self, request):
        self.got.append((request.method, request.url.raw_path, request.read(), dict(request.headers)))
        if request.url.path.endswith("/model-versions/get"):
            return httpx.Response(self.status, json={"model_version": self.version})
        return httpx.Response(
            200, stream=httpx.ByteStream(b"passed"), headers={"connection": "x-hop", "x-hop": "1", "x-kept": "2"}
        )

    @property
    def writes(self):
        return [each for each in self.got if each[0] != "GET"]


def sent(server, answer, *, method="POST", path=ALIAS, body=None, headers=(), query=b"", pieces=None, **more):
    """Status, headers and body of what the client hears; and what the issuers were asked."""
    asked, heard = [], []
    parts = pieces if pieces is not None else [json.dumps(SAID).encode() if body is None else body]
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive():
        return messages.pop(0)

    async def send(message):
        heard.append(message)

    def ask(promotion, about, version):
        asked.append((promotion, about, version))
        return answer

    async def run():
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query,
            "headers": [(b"content-length", str(sum(map(len, parts))).encode()), *headers],
        }
        async with httpx.AsyncClient(
            transport=httpx.MockTransport(server.answer), base_url="http://behind:1"
        ) as client:
            await MlflowGate(client, ask, **more)(scope, receive, send)

    asyncio.run(run())
    body = b"".join(each.get("body", b"") for each in heard)
    return heard[0]["status"], dict(heard[0]["headers"]), body, asked


def test_an_allowed_promotion_is_sent_on_byte_for_byte():
    """What was judged is what the server gets, once, with the client's own headers."""
    server = Server()
    body = b' {"name":"lm" , "alias":"champion","version":"1"}'
    status, headers, said, asked = sent(server, ALLOWED, body=body, headers=[(b"authorization", b"Basic x")])
    assert (status, said) == (200, b"passed")
    ((method, path, data, given),) = server.writes
    assert (method, path, data, given["authorization"]) == ("POST", ALIAS.encode(), body, "Basic x")
    assert "accept-encoding" not in given
    assert (headers.get(b"x-kept"), headers.get(b"x-hop")) == (b"2", None)
    assert len(asked) == 1


def test_a_denial_is_the_registry_s_own_error_and_nothing_is_sent_on():
    """J30: 403, PERMISSION_DENIED, with the digest that people decide on."""
    server = Server()
    status, _, said, asked = sent(server, DENIED)
    told = json.loads(said)
    assert (status, told["error_code"], server.writes) == (403, "PERMISSION_DENIED", [])
    assert told["message"].startswith(
        "J30 held: got POST registered-models/alias of 'lm', version '1', digest " + asked[0][2]
    )
    assert "1 vote of safety" in told["message"]


def test_no_answer_is_503_and_nothing_is_sent_on():
    """Temporary, for a client that may try again."""
    server = Server()
    status, _, said, _ = sent(server, UNANSWERED)
    assert (status, json.loads(said)["error_code"], server.writes) == (503, "TEMPORARILY_UNAVAILABLE", [])


@pytest.mark.parametrize(
    ("status", "version", "code"),
    [(500, VERSION, 503), (404, {}, 404), (200, {}, 503), (200, {**VERSION, "name": "other"}, 503)],
)
def test_a_version_that_the_server_does_not_say_is_not_promoted(status, version, code):
    """J33 where it has none; else it is unknown, and nobody is asked about a version that nobody knows."""
    server = Server(status, version)
    heard, _, said, asked = sent(server, ALLOWED)
    assert (heard, server.writes, asked) == (code, [], [])
    assert ("J33" in json.loads(said)["message"]) == (code == 404)


@pytest.mark.parametrize("pieces", [[b" " * BODY_MAX, b" "], [b" " * (BODY_MAX + 1)]])
def test_a_judged_body_is_bounded(pieces):
    """J32, whether its length was said or not."""
    server = Server()
    status, _, said, asked = sent(server, ALLOWED, pieces=pieces)
    assert (status, server.got, asked) == (413, [], [])
    assert json.loads(said)["message"].startswith("J32 oversized")


def test_tracking_passes_unasked_and_is_not_held_in_memory():
    """Piece by piece, with its query and its own path."""
    server = Server()
    path = "/api/2.0/mlflow-artifacts/artifacts/0/r/artifacts/weights"
    status, _, _, asked = sent(server, DENIED, method="PUT", path=path, pieces=[b"a" * 70_000, b"b"], query=b"x=1")
    assert (status, asked) == (200, [])
    ((_, target, data, _),) = server.writes
    assert (target, data) == (path.encode() + b"?x=1", b"a" * 70_000 + b"b")


def test_the_files_of_a_version_are_its_digest_where_they_can_be_read(tmp_path):
    """Other bytes are another version; files that are not there are asked about by nobody."""
    files = tmp_path / "0" / "r" / "artifacts" / "model"
    files.mkdir(parents=True)
    (files / "weights").write_bytes(b"abc")
    first = sent(Server(), DENIED, artifacts=tmp_path)[3][0][2]
    (files / "weights").write_bytes(b"abd")
    assert sent(Server(), DENIED, artifacts=tmp_path)[3][0][2] != first
    elsewhere = Server(version={**VERSION, "source": "s3://bucket/model"})
    status, _, said, asked = sent(elsewhere, ALLOWED, artifacts=tmp_path)
    assert (status, asked, elsewhere.writes) == (400, [], [])
    assert "J31" in json.loads(said)["message"]


@pytest.mark.parametrize(
    "source",
    [
        "mlflow-artifacts:/../keys",
        "mlflow-artifacts:/a/%2e%2e/b",
        "/elsewhere",
        "file:" + "///elsewhere",
        "mlflow-artifacts:/",
    ],
)
def test_a_source_outside_the_server_s_artifacts_is_refused(source, tmp_path):
    """J31: no path leads out of the folder."""
    with pytest.raises(Refused) as refused:
        artifact_folder(source, tmp_path)
    assert refused.value.rule == "J31"


def test_a_websocket_is_closed():
    """Nothing of MLflow's client needs one, and nothing could be judged in it."""
    heard = []

    async def run():
        async def send(message):
            heard.append(message)

        async with httpx.AsyncClient() as client:
            await MlflowGate(client, lambda *_: ALLOWED)({"type": "websocket", "path": "/"}, None, send)

    asyncio.run(run())
    assert [each["type"] for each in heard] == ["websocket.close"]


def test_a_server_that_is_gone_is_503_in_its_own_form():
    """Not an error of ours."""

    class Gone(Server):
        def answer(self, request):
            raise httpx.ConnectError("refused", request=request)

    status, _, said, _ = sent(Gone(), ALLOWED, path="/api/2.0/mlflow/runs/create")
    assert (status, json.loads(said)["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")


@pytest.mark.parametrize("to", ["127.0.0.1:5000", "ftp://x", "http://", "http://x/prefix", "unix:relative"])
def test_what_is_no_server_is_a_misuse(to):
    """A prefix would make other paths reach the same handlers."""
    with pytest.raises(Misuse):
        open_server(to)


def test_asking_is_bounded(monkeypatch):
    """Beyond ``WAITING_MAX`` promotions at once it is 503, and nothing is read."""
    monkeypatch.setattr(mlflow_gate, "WAITING_MAX", 0)
    server = Server()
    assert sent(server, ALLOWED)[0] == 503
    assert server.got == []


def test_observed_promotions_pass_as_they_came_whatever_is_answered():
    """Denied, unanswered, unread, too large, or with a server that knows no version: sent on byte for byte, each on the record once."""
    twice = b'{"name": "lm", "alias": "champion", "version": "2", "version": "1"}'
    large = [b"x" * (BODY_MAX // 2)] * 3
    for answer, pieces, by_ask, refused in (
        (DENIED, [json.dumps(SAID).encode()], 1, ""),
        (UNANSWERED, [json.dumps(SAID).encode()], 1, ""),
        (DENIED, [twice], 0, "J31"),
        (DENIED, large, 0, "J32"),
    ):
        server, noted = Server(), []
        status, _, said, asked = sent(
            server, answer, pieces=pieces, observed=lambda what, why, noted=noted: noted.append((what, why))
        )
        assert (status, said, len(asked)) == (200, b"passed", by_ask)
        assert [each[2] for each in server.writes] == [b"".join(pieces)]
        assert [what for what, _ in noted] == ([f"POST '{ALIAS}'"] if refused else [])
        assert all(why.startswith(refused) for _, why in noted)
    server, noted = Server(status=404), []
    status, *_ = sent(server, DENIED, observed=lambda *told: noted.append(told))
    assert (status, len(server.writes), noted[0][1][:3]) == (200, 1, "J33")


def test_what_only_tracks_is_not_observed():
    """It is no promotion: nothing of it is on the record."""
    server, noted = Server(), []
    sent(server, DENIED, path="/api/2.0/mlflow/runs/log-metric", observed=lambda *told: noted.append(told))
    assert (len(server.writes), noted) == (1, [])


def test_the_record_of_a_request_that_was_not_judged_says_why(tmp_path, capsys):
    """One line, marked as not enforced; without a home it is said all the same."""
    make_observed(home=str(tmp_path))("POST a", "J31 malformed: a name twice")
    (line,) = [json.loads(each) for each in (tmp_path / "observe.jsonl").read_text().splitlines()]
    assert (line["enforced"], line["asker"], line["verdict"]) == (False, "mlflow", "hold")
    make_observed(home=str(tmp_path / "nowhere"))("POST b", "J32 oversized")
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "detente: not enforced: would have held POST a: J31 malformed: a name twice"
    assert said[1].startswith("detente: not enforced: would have held POST b")
