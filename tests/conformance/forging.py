"""Issuers that sign what they were not asked: of another request, another text, another epoch, or too late."""

from detente.guard.issue import Signed, encode_reply
from detente.guard.permit import parse_ask, sign_permit_body
from tests.integration.guard_bench import Bench
from tests.unit.guard import messages as m


def forged(bench: Bench, how: str) -> list[str]:
    """Make the issuers sign wrongly; returns a list that grows by one for each signature.

    ``replayed`` is ``bench.old_body``, a permit's text that was signed before.
    """
    made: list[str] = []
    slipped_s = [0.0]
    if how == "expired":
        now = bench.clock.boottime_s
        bench.session._clock = _Slipping(bench.clock, lambda: now() + slipped_s[0])
    genuine = bench.issuers.sign

    async def sign(issuer, ask: bytes) -> bytes:
        made.append(str(issuer))
        if how == "expired":
            slipped_s[0] += 61.0  # the answer comes after the permit's life is over
            return await genuine(issuer, ask)
        _, parsed, permit = parse_ask(ask)
        if how == "edited":
            body = parsed.body.replace(b'"life_s":60', b'"life_s":3600')
        elif how == "epoch":
            body = parsed.body.replace(f'"epoch":{permit.epoch}'.encode(), f'"epoch":{permit.epoch + 7}'.encode())
        else:
            body = bench.old_body
        assert body != parsed.body
        return encode_reply(Signed(sign_permit_body(body, m.ISSUERS[issuer])))

    bench.issuers.sign = sign
    return made


class _Slipping:
    """The session's clock, put forward while a signature is awaited."""

    def __init__(self, clock, now) -> None:
        self._clock, self.boottime_s = clock, now

    def boot_id(self) -> str:
        return self._clock.boot_id()
