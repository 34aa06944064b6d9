"""A picture of a lineage as SVG: what came from what, how good it was, and how far it went without a human.

Decides marks, colours and words. Leaves out where marks stand (``tree_layout``). Meaning is never by colour alone: a
better score is lighter *and* larger, status is a shape, the way to the best is the straight thick line, the chain of
the depth lies on a band with its count, approvals are diamonds with an A. Every mark has a title for the mouse.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from detente.base.digest import Digest
from detente.base.quantity import show_decimal
from detente.measure.loops.measuring import Judged
from detente.measure.loops.progress import best_version, is_better
from detente.measure.loops.record import Loop
from detente.measure.loops.tree_layout import Layout, Spot, lay_out

WIDTH: Final = 1_400
LEFT: Final = 60
TOP: Final = 150
_RAMP: Final = ("#20306b", "#2f5f8f", "#3a8a8f", "#5fb17a", "#b5cf5a", "#f4e04d")
"""Dark to light, blue to yellow: in order of lightness, and told apart by people who do not see red and green."""
_NO_SCORE: Final = "#ffffff"
_INK: Final = "#1b1b1f"
_QUIET: Final = "#6b6f76"
_LINE: Final = "#a9adb5"
_BAND: Final = "#f3c9a5"


def draw_tree(judged: Judged, *, title: str) -> str:
    """The whole picture, as one SVG document."""
    picture = _Picture(judged, title)
    return "\n".join(picture.parts()) + "\n"


class _Picture:
    def __init__(self, judged: Judged, title: str) -> None:
        self.judged = judged
        self.title = title
        self.woven = judged.woven
        self.loop: Loop | None = max(judged.woven.loops, key=lambda loop: len(loop.versions), default=None)
        self.best = None if self.loop is None else best_version(judged.woven, self.loop)
        self.chain = judged.chain()
        self.approved = frozenset(digest for digest, answer in judged.approved.items() if answer)
        self.layout: Layout = lay_out(self.woven, best=self.best, chain=self.chain, approved=self.approved)
        self.dx = min(64.0, max(3.0, (WIDTH - 2 * LEFT - 60) / max(1, self.layout.generations)))
        self.dy = 34 if self.layout.rows <= 40 else 22
        scores = [
            version.score
            for version in self.woven.versions.values()
            if version.score is not None and version.ranked and version.kept is not False
        ]
        self.worst: Decimal | None = min(scores) if scores else None
        self.top: Decimal | None = max(scores) if scores else None
        if self.loop is not None and self.loop.direction == "lower":
            self.worst, self.top = self.top, self.worst

    @property
    def height(self) -> int:
        return TOP + self.layout.rows * self.dy + 70

    @property
    def width(self) -> int:
        return max(900, int(2 * LEFT + self.layout.generations * self.dx + 120))

    def x(self, across: int) -> float:
        return LEFT + across * self.dx

    def y(self, row: int) -> float:
        return TOP + row * self.dy + self.dy / 2

    def parts(self) -> Iterator[str]:
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}" '
            f'viewBox="0 0 {self.width} {self.height}" font-family="system-ui, sans-serif" font-size="12" role="img" '
            f"aria-label={quoteattr(_printable(self.title))}>"
        )
        yield f"<title>{_plain(self.title)}</title>"
        yield f'<rect width="{self.width}" height="{self.height}" fill="#ffffff"/>'
        yield from self._head()
        yield from self._axis()
        yield from self._band()
        yield from self._links()
        for index, spot in enumerate(self.layout.spots):
            yield from self._mark(index, spot)
        yield from self._count()
        yield "</svg>"

    # The words above

    def _head(self) -> Iterator[str]:
        woven = self.woven
        yield _text(LEFT - 30, 32, self.title, size=19, weight=600)
        ai, own = (self.judged.in_record.greatest(name, self.judged.kept) for name in ("ai_proposed", "self"))
        dropped = sum(version.kept is False for version in woven.versions.values())
        said = (
            f"{len(woven.versions)} versions recorded, {dropped} of them dropped · counted from the first of the record: "
            f"AI-proposed depth {_ends(ai.low, ai.high)}, self depth {_ends(own.low, own.high)}"
        )
        yield _text(LEFT - 30, 54, said, colour=_QUIET)
        yield from self._legend(82)

    def _legend(self, y: int) -> Iterator[str]:
        x: float = LEFT - 30
        for shape, words in self._shapes():
            if x + 30 + 7 * len(words) > self.width - 20:
                x, y = LEFT - 30, y + 24
            yield f'<g transform="translate({x + 8} {y - 4})">{shape}</g>'
            yield _text(x + 22, y, words, colour=_INK)
            x += 40 + 6.6 * len(words)
        if self.worst is not None and self.top is not None and self.loop is not None:
            words = f"{self.loop.score_name}: {_short(self.worst)} to {_short(self.top)}, larger and lighter is better"
            if x + 8 + len(_RAMP) * 16 + 7 * len(words) > self.width - 20:
                x, y = LEFT - 30, y + 24
            for number, colour in enumerate(_RAMP):
                size = 3 + number * 0.8
                yield f'<circle cx="{x + 8 + number * 16}" cy="{y - 4}" r="{size:.1f}" fill="{colour}" stroke="{_INK}" stroke-width="0.8"/>'
            yield _text(x + 8 + len(_RAMP) * 16 + 4, y, words)

    def _shapes(self) -> Iterator[tuple[str, str]]:
        versions = self.woven.versions.values()
        grey = "#8aa0b8"
        yield _shape("first", 6, grey), "first of the record"
        yield _shape("kept", 5, grey), "kept"
        if any(version.kept is None for version in versions):
            yield _shape("unsure", 5, _NO_SCORE), "perhaps kept"
        if any(version.kept is False for version in versions):
            yield _shape("dropped", 4, grey), "dropped"
        if any(spot.kind != "version" for spot in self.layout.spots):
            yield _shape("several", 7, "#e8eaee"), "several, drawn as one"
        if self.best is not None:
            yield _shape("best", 8, _RAMP[-1]), "best, at the end of the thick line"
        if self.approved:
            yield _shape("approved", 8, _NO_SCORE), "approved by a human"
        if self.chain:
            yield (
                f'<line x1="-8" x2="10" y1="0" y2="0" stroke="{_BAND}" stroke-width="12"/>',
                "the chain of the AI-proposed depth",
            )

    def _axis(self) -> Iterator[str]:
        bottom = self.height - 44
        last = self.layout.generations
        step = _step(max(1, last), max(1.0, 46 / self.dx))
        for across in range(0, last + 1, step):
            x = self.x(across)
            yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{bottom}" stroke="#eef0f3"/>'
            yield _text(x, bottom + 16, str(across), colour=_QUIET, anchor="middle")
        words = "changes from the first version of the record, along the parents drawn"
        yield _text(LEFT - 30, bottom + 36, words, colour=_QUIET)

    # Lines

    def _band(self) -> Iterator[str]:
        """A band under the chain of the depth, from the version it begins after to its end."""
        spots = [
            self.layout.spots[self.layout.spot_of[digest]] for digest in self.chain if digest in self.layout.spot_of
        ]
        if not spots:
            return
        first = spots[0]
        points = [] if first.above is None else [self.layout.spots[first.above]]
        points += spots
        path = " ".join(f"{self.x(spot.across):.1f},{self.y(spot.row):.1f}" for spot in points)
        yield f'<polyline points="{path}" fill="none" stroke="{_BAND}" stroke-width="16" stroke-linejoin="round" stroke-linecap="round"/>'

    def _count(self) -> Iterator[str]:
        """How long the chain of the depth is, beside its end, or above it where something goes on from there."""
        if not self.chain or self.chain[-1] not in self.layout.spot_of:
            return
        index = self.layout.spot_of[self.chain[-1]]
        last = self.layout.spots[index]
        goes_on = any(spot.above == index and spot.row == last.row for spot in self.layout.spots)
        more = "" if len(self.chain) < 1_000 else " and more"
        x, y = self.x(last.until) + 14, self.y(last.row) + (-14 if goes_on else 4)
        halo = 'stroke="#ffffff" stroke-width="5" stroke-linejoin="round" paint-order="stroke"'
        yield f"<g {halo}>{_text(x, y, f'{len(self.chain)}{more} in a row', weight=600)}</g>"

    def _links(self) -> Iterator[str]:
        way = set(self.layout.way)
        for spot in self.layout.spots:
            if spot.above is None:
                continue
            above = self.layout.spots[spot.above]
            main = spot.digests[0] in way
            style = f'stroke="{_INK if main else _LINE}" stroke-width="{2.6 if main else 1.1}"'
            if spot.digests[0] not in self.woven.graph or not self.woven.graph.claims(spot.digests[0]).agreed_parents:
                style += ' stroke-dasharray="5 3"'
            x1, y1, x2, y2 = self.x(above.until), self.y(above.row), self.x(spot.across), self.y(spot.row)
            if y1 == y2:
                yield f'<path d="M{x1:.1f} {y1:.1f}H{x2:.1f}" fill="none" {style}/>'
            else:
                bend = x1 + min(self.dx, x2 - x1) * 0.5
                yield f'<path d="M{x1:.1f} {y1:.1f}C{bend:.1f} {y1:.1f} {x1:.1f} {y2:.1f} {x2:.1f} {y2:.1f}" fill="none" {style}/>'
        yield from self._other_parents()

    def _other_parents(self) -> Iterator[str]:
        """Further parents, thin and dotted, as far as they can be told apart."""
        drawn = 0
        for digest in self.woven.order:
            for parent in self.woven.parents[digest]:
                mine, other = self.layout.spot_of[digest], self.layout.spot_of.get(parent)
                if other is None or other == mine or self.layout.spots[mine].above == other or drawn >= 400:
                    continue
                drawn += 1
                a, b = self.layout.spots[other], self.layout.spots[mine]
                yield (
                    f'<line x1="{self.x(a.until):.1f}" y1="{self.y(a.row):.1f}" x2="{self.x(b.across):.1f}" '
                    f'y2="{self.y(b.row):.1f}" stroke="{_QUIET}" stroke-width="0.8" stroke-dasharray="1 3"/>'
                )

    # Marks

    def _mark(self, index: int, spot: Spot) -> Iterator[str]:
        x, y = self.x(spot.across), self.y(spot.row)
        yield f'<g id="m{index}"><title>{_plain(self._said(spot))}</title>'
        if spot.kind == "version":
            yield from self._version(spot.digests[0], x, y, spot)
        elif spot.kind == "run":
            until = self.x(spot.until)
            yield f'<line x1="{x:.1f}" x2="{until:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{_QUIET}" stroke-width="6" stroke-linecap="round"/>'
            yield _text(
                (x + until) / 2, y - 6, f"{len(spot.digests)} in a row", colour=_QUIET, anchor="middle", size=10
            )
        else:
            words = str(len(spot.digests))
            wide = 12 + 6.5 * len(words)
            fill = self._fill(spot.digests)
            yield (
                f'<rect x="{x - wide / 2:.1f}" y="{y - 8:.1f}" width="{wide:.1f}" height="16" rx="{8 if spot.kind == "leaves" else 2}" '
                f'fill="#e8eaee" stroke="{fill if fill != _NO_SCORE else _QUIET}" stroke-width="1.6"/>'
            )
            yield _text(x, y + 4, words, anchor="middle", size=11)
        yield "</g>"

    def _version(self, digest: Digest, x: float, y: float, spot: Spot) -> Iterator[str]:
        version = self.woven.versions[digest]
        share = self._share(digest)
        radius = min(self.dx * 0.45 + 0.6, 5.0 if share is None else 3.4 + 4 * share)
        fill = _NO_SCORE if share is None else _RAMP[min(len(_RAMP) - 1, int(share * len(_RAMP)))]
        kind = "kept"
        if digest in self.approved:
            kind, radius = "approved", 9
        elif digest == self.best:
            kind, radius = "best", 10
        elif spot.above is None:
            kind, radius = "first", max(radius, 6)
        elif version.kept is False:
            kind, radius = "dropped", 3.5
        elif version.kept is None:
            kind = "unsure"
        edge = 1.2 if radius >= 4 or share is None else 0.3  # where marks touch, edges would hide the colours
        yield f'<g transform="translate({x:.1f} {y:.1f})">{_shape(kind, radius, fill, edge)}</g>'
        labelled = digest == self.best or digest in self.approved or spot.above is None
        if version.score is not None and (labelled or (self.dx >= 58 and digest in self.layout.way)):
            yield _text(x, y + 20, _short(version.score), anchor="middle", size=10, weight=600 if labelled else 400)

    def _share(self, digest: Digest) -> float | None:
        """0 for the worst score of what was kept, 1 for the best."""
        score = self.woven.versions[digest].score
        if score is None or self.worst is None or self.top is None or self.loop is None or self.loop.direction is None:
            return None
        if self.worst == self.top:
            return 1.0
        return float(max(Decimal(0), min(Decimal(1), (score - self.worst) / (self.top - self.worst))))

    def _fill(self, digests: Sequence[Digest]) -> str:
        shares = [share for digest in digests if (share := self._share(digest)) is not None]
        return _RAMP[min(len(_RAMP) - 1, int(max(shares) * len(_RAMP)))] if shares else _NO_SCORE

    def _said(self, spot: Spot) -> str:
        if spot.kind != "version":
            dropped = sum(self.woven.versions[digest].kept is False for digest in spot.digests)
            found = [self.woven.versions[digest].score for digest in spot.digests]
            scores = [each for each in found if each is not None]
            best = ""
            if scores and self.loop is not None and self.loop.direction is not None:
                leading = scores[0]
                for score in scores:
                    leading = score if is_better(score, leading, self.loop.direction) else leading
                best = f", best {self.loop.score_name} {show_decimal(leading)}"
            return f"{len(spot.digests)} versions, {dropped} of them dropped{best}"
        [digest] = spot.digests
        version = self.woven.versions[digest]
        said = "" if version.score is None else f", {show_decimal(version.score)}"
        depth = _ends(*self.judged.in_record.ends("ai_proposed", digest))
        return f"{version.id}{said}{', ' if version.status else ''}{version.status}; AI-proposed depth in the record {depth}"


def _shape(kind: str, radius: float, fill: str, width: float = 1.2) -> str:
    """A mark around the origin; the shape alone says what it is."""
    r = radius
    edge = f'fill="{fill}" stroke="{_INK}" stroke-width="{width}"'
    if kind == "first":
        return f'<rect x="{-r:.1f}" y="{-r:.1f}" width="{2 * r:.1f}" height="{2 * r:.1f}" {edge}/>'
    if kind == "dropped":
        return f'<path d="M{-r:.1f} {-r:.1f}L{r:.1f} {r:.1f}M{-r:.1f} {r:.1f}L{r:.1f} {-r:.1f}" stroke="{_QUIET}" stroke-width="1.6"/>'
    if kind == "several":
        return f'<rect x="{-r:.1f}" y="{-r:.1f}" width="{2 * r:.1f}" height="{2 * r:.1f}" rx="{r:.1f}" fill="{fill}" stroke="{_QUIET}"/>'
    if kind == "approved":
        path = f'<path d="M0 {-r:.1f}L{r:.1f} 0L0 {r:.1f}L{-r:.1f} 0Z" {edge}/>'
        return path + f'<text y="3.5" text-anchor="middle" font-size="{r:.0f}" font-weight="700">A</text>'
    if kind == "best":
        points = (
            (0, -1), (0.24, -0.32), (0.95, -0.31), (0.38, 0.12), (0.59, 0.81), (0, 0.4), (-0.59, 0.81), (-0.38, 0.12),
            (-0.95, -0.31), (-0.24, -0.32),
        )  # fmt: skip
        return f'<path d="M{"L".join(f"{x * r:.1f} {y * r:.1f}" for x, y in points)}Z" {edge}/>'
    dash = ' stroke-dasharray="2 2"' if kind == "unsure" else ""
    return f'<circle r="{r:.1f}" {edge}{dash}/>'


def _text(
    x: float, y: float, words: str, *, size: int = 12, colour: str = _INK, anchor: str = "start", weight: int = 400
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" '
        f'font-weight="{weight}">{_plain(words)}</text>'
    )


def _plain(words: str) -> str:
    """Text for SVG: markup escaped, and control characters, which XML forbids, shown as a mark."""
    return escape(_printable(words))


def _printable(words: str) -> str:
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in words)


def _short(value: Decimal) -> str:
    return f"{float(value):.4g}"


def _ends(low: int, high: int | None) -> str:
    if high is None:
        return f"at least {low}" if low else "unknown"
    return str(low) if low == high else f"{low} to {high}"


def _step(last: int, least: float) -> int:
    """A round number of generations between two ticks."""
    for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000):
        if step >= least and last / step <= 40:
            return step
    return max(1, last // 20)
