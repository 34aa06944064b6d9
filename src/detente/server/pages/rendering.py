"""Values become HTML: templates that escape everything and know no undefined name.

Decides the filters and how an instant, a digest or a number of FLOP is written on a page. Leaves out which page a value gets
(``routes``). Needs jinja2 and markupsafe, the extra ``pages``.

- Every expression goes through ``visible`` and is then escaped; only ``Markup`` that is made here is not.
- Templates are read once, from the package; none is made of anything that arrives.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any, Final, Literal

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from detente.accord.explaining.aloud import joined, lasting, plural
from detente.base.visible import pieces, visible
from detente.measure.review.decision import percent
from detente.server.pages.drawing import gauge, plot, portion, tree
from detente.server.pages.files import asset_path, packaged

TOGETHER: Final = 100
"""Lines escaped at once: one that needs a mark costs its neighbours no more than that."""
_RAISED: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_ENDS: Final[tuple[Literal["low"], Literal["high"]]] = ("low", "high")


def render_page(template: str, value: Mapping[str, Any], api: str = "", **more: Any) -> str:
    """A page: the template with the value as ``v``; ``api`` is where the value stands as JSON."""
    return _environment().get_template(template).render(v=value, api=api, live=False, **more)


@cache
def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        loader=FunctionLoader(_source),
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(
        moment=moment,
        marked=marked,
        short=short,
        amount=amount,
        lasting=lasting,
        lasting_between=lasting_between,
        depth=depth,
        listed=listed,
        plural=plural,
        words=words,
        gauge=gauge,
        plot=plot,
        points=points,
        pretty=pretty,
        compact=compact,
        portion=portion,
        between=between,
        coded=coded,
        tree=tree,
    )
    environment.globals.update(asset_path=asset_path)
    return environment


def _source(name: str) -> str:
    return packaged("templates", name).decode("utf-8")


def _finalize(value: object) -> object:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _plain(keep: str) -> re.Pattern[str]:
    """What ASCII shows as it is, and ``keep``."""
    return re.compile(rf"[ -~{re.escape(keep)}]*\Z")


def marked_lines(texts: Sequence[str]) -> list[str]:
    r"""Each of many lines as ``marked`` has it with its tabs, as a text that is escaped already; none may hold a newline.

    Lines without a mark are escaped together, which for thousands of them takes a tenth of the time.

    >>> marked_lines(["a < b", "\tc"]) == ["a &lt; b", "\tc"]
    True
    """
    found: list[str] = []
    for at in range(0, len(texts), TOGETHER):
        part = texts[at : at + TOGETHER]
        whole = "\n".join(part)
        if _plain("\t\n").match(whole):
            found += str(escape(whole)).split("\n")
        else:
            found += map(str, (marked(text, "\t") for text in part))
    return found


def marked(text: str, keep: str = "") -> Markup:
    r"""Escaped text whose marks stand out.

    >>> print(marked("<b>\u202e"))
    &lt;b&gt;<span class="mark" title="a character that cannot be seen or that changes what is around it">\u202e</span>
    """
    if _plain(keep).match(text):
        return escape(text)
    return Markup("").join(
        Markup(
            '<span class="mark" title="a character that cannot be seen or that changes what is around it">{}</span>'
        ).format(piece)
        if is_mark
        else escape(piece)
        for piece, is_mark in pieces(text, keep)
    )


@lru_cache(maxsize=8_192)
def moment(at: str | None, missing: str = "not yet") -> Markup:
    """An instant in UTC; a script adds the reader's own time as a title.

    >>> print(moment("2026-11-24T08:00:00Z"))
    <time datetime="2026-11-24T08:00:00Z">2026-11-24 08:00:00 UTC</time>
    """
    if at is None:
        return escape(missing)
    return Markup('<time datetime="{}">{} {} UTC</time>').format(at, at[:10], at[11:19])


def short(digest: str | None) -> str:
    """The beginning of a digest."""
    return "none" if digest is None else digest if len(digest) < 24 else f"{digest[:12]}…"


def amount(value: str | None) -> str:
    """A number for reading: thousands apart, large ones as a power of ten.

    >>> amount("1200000"), amount("1.5e25"), amount("0.25"), amount(None), amount("150000000")
    ('1 200 000', '1.5 × 10²⁵', '0.25', '?', '1.5 × 10⁸')
    """
    if value is None:
        return "?"
    number = Decimal(value)
    if abs(number) >= 10**8:
        mantissa, _, power = f"{number.normalize():e}".partition("e")
        return f"{mantissa} × 10{str(int(power)).translate(_RAISED)}"
    if number == number.to_integral_value():
        return f"{int(number):,}".replace(",", " ")
    return value


def listed(names: list[str], word: str = "and") -> str:
    """Names as a list that can be read aloud."""
    return joined(names, word) or "none"


def words(name: str) -> str:
    """A name of the vocabulary as words."""
    return name.replace("_", " ")


def depth(interval: Mapping[str, Any]) -> str:
    """A depth: one number, or from one to another.

    >>> depth({"low": 2, "high": 2}), depth({"low": 1, "high": None})
    ('2', '1 or more')
    """
    low, high = interval["low"], interval["high"]
    return f"{low} or more" if high is None else str(low) if low == high else f"{low} to {high}"


def lasting_between(interval: Mapping[str, str | None]) -> str:
    """A time between two, in words.

    >>> lasting_between({"low": "60", "high": "90"}), lasting_between({"low": None, "high": None})
    ('1 min to 1 min 30 s', 'not known')
    """
    low, high = (
        None if interval[end] is None else lasting(int(Decimal(interval[end] or 0))) for end in ("low", "high")
    )
    if low is None and high is None:
        return "not known"
    return str(low) if low == high else f"{low or '?'} to {high or '?'}"


def between(part: Mapping[str, Any]) -> str:
    """A share of 0 to 1 that lies between two ends, rounded outwards.

    >>> between({"low": "0.8677", "high": "1.0000"}), between({"low": None, "high": None})
    ('86.7 % to 100 %', 'nothing is known')
    """
    if part["low"] is None or part["high"] is None:
        return "nothing is known"
    low, high = (percent(Decimal(part[end]), end=end) for end in _ENDS)
    return low if low == high else f"{low} to {high}"


def points(versions: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Versions that have a score as points of a plot."""
    return [{"score": str(each["score"]), "label": short(each["version"])} for each in versions if each["score"]]


def pretty(value: object) -> str:
    """A JSON value on several lines; what is not ASCII stays as it is, and is marked where it has to be."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def compact(value: object) -> str:
    """A JSON value on one line, for a script of ours to read back."""
    return json.dumps(value)


def coded(text: str) -> Markup:
    """Escaped text in which what stands between backticks is code.

    >>> print(coded("votes by `call` & <b>"))
    votes by <code>call</code> &amp; &lt;b&gt;
    """
    parts = visible(text).split("`")
    if len(parts) % 2 == 0:
        return escape(visible(text))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts)
    )
