"""Write the list of pages in ``docs/README.md`` from the pages' own headings: ``make docs-index``.

A page that nobody links to is a page that nobody reads, so the list is made and not kept.
"""

import re
from pathlib import Path

from tests.repo.tree import ROOT, tracked

START, END = "<!-- pages: written by `make docs-index` -->", "<!-- end of pages -->"
FOLDERS = {
    "docs": "Start here",
    "docs/guides": "Guides: to do one thing",
    "docs/concepts": "Concepts: what a word means and why",
    "docs/findings": "Findings: what was measured",
    "docs/reference": "Reference: to look up",
    "docs/decisions": "Decisions, with the rejected options",
    "spec": "Specification: what an implementation MUST do",
}


def _said(page: Path) -> tuple[str, str]:
    """A page's heading, and the first sentence below it without its links."""
    text = page.read_text("utf-8")
    heading = re.search(r"^# (.+)$", text, re.MULTILINE)
    if heading is None:
        return page.stem, ""
    paragraphs = [p.strip() for p in text[heading.end() :].split("\n\n")]
    first = next((p for p in paragraphs if p and re.match(r"[\w`*_\[(\"“]", p)), "")
    plain = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", " ".join(first.split()))
    return heading[1], re.split(r"(?<=[.!?:])\s", plain, maxsplit=1)[0].rstrip(":")


def rendered(root: Path = ROOT) -> str:
    """The list, folder by folder."""
    pages = [p for p in tracked(root) if p.suffix == ".md" and p != root / "docs" / "README.md"]
    sections = []
    folders = [*FOLDERS, *sorted({_folder(p, root) for p in pages if p.is_relative_to(root / "docs")} - FOLDERS.keys())]
    for folder in folders:
        rows = []
        for page in pages:
            if _folder(page, root) == folder:
                title, sentence = _said(page)
                up = "" if folder.startswith("docs") else "../"
                link = up + page.relative_to(root).as_posix().removeprefix("docs/")
                rows.append(f"- [{title}]({link})" + (f": {sentence}" if sentence else ""))
        if rows:
            sections.append(f"## {FOLDERS.get(folder, folder)}\n\n" + "\n".join(rows) + "\n")
    return "\n".join(sections)


def replaced(text: str, pages: str) -> str:
    """``text`` with what stands between the marks replaced by ``pages``."""
    before, rest = text.split(START)
    _, after = rest.split(END)
    return f"{before}{START}\n\n{pages}\n{END}{after}"


def write(root: Path = ROOT) -> None:
    """Put the list in its place."""
    index = root / "docs" / "README.md"
    index.write_text(replaced(index.read_text("utf-8"), rendered(root)), "utf-8")


def _folder(page: Path, root: Path) -> str:
    return page.parent.relative_to(root).as_posix()


if __name__ == "__main__":
    write()
