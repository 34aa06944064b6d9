"""Read Markdown pages: their links, their headings, the commands they show."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

FENCE = re.compile(r"^ *(```|~~~).*?^ *\1 *$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
SOURCE = re.compile(r"<(?:img|a)\b[^>]*?\b(?:src|href)=\"([^\"]+)\"")
COMMAND = re.compile(r"(?<!from)(?:^|[\s`$|;&(/])detente((?: +[a-z][a-z-]*)+)(?![\w./=:])")


def broken_links(pages: Iterable[Path], root: Path) -> list[str]:
    """Every relative link that leads nowhere, with its page; a fragment must be a heading of the page it names."""
    found = []
    for page in pages:
        text = re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text("utf-8")))
        for target in [*LINK.findall(text), *SOURCE.findall(text)]:
            if re.match(r"[a-z][a-z0-9+.-]*:", target):
                continue
            name, _, fragment = target.partition("#")
            there = (page.parent / name).resolve() if name else page
            if not there.exists():
                found.append(f"{page.relative_to(root)}: {target} does not exist")
            elif not there.is_relative_to(root):
                found.append(f"{page.relative_to(root)}: {target} leads out of the repository")
            elif fragment and there.suffix == ".md" and fragment not in anchors(there.read_text("utf-8")):
                found.append(f"{page.relative_to(root)}: {target} names no heading")
    return found


def anchors(text: str) -> set[str]:
    """The fragments that GitHub gives to the headings of ``text``, repeated headings numbered."""
    seen: dict[str, int] = {}
    found = set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text))
    for heading in re.findall(r"^#{1,6} +(.+?) *#* *$", FENCE.sub("", text), re.MULTILINE):
        plain = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if slug in seen else slug)
        seen[slug] = seen.get(slug, 0) + 1
    return found


def shown_commands(text: str) -> Iterator[tuple[str, ...]]:
    """The words after each ``detente`` in code, inline or fenced: ``detente log verify x`` gives log, verify, x."""
    fenced = [match[0] for match in FENCE.finditer(text)]
    inline = re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    for code in [*fenced, *inline]:
        for line in code.split("\n"):
            if re.match(r"\s*(\$ )?(#|from |import |>>>)", line):
                continue
            for match in COMMAND.finditer(line):
                yield tuple(match[1].split())
