"""What is written for people: links lead somewhere, and commands exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("data/**/*.md")])
LINK = re.compile(r"\]\((?!https?://)([^)\s#]*)(?:#([^)\s]*))?\)")


def anchors(text: str) -> set[str]:
    """Return the anchors that the headings of a document get where it is rendered."""
    headings = re.findall(r"^#+ +(.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken_links(document: Path, text: str) -> list[str]:
    """Return the links in a document's text that lead nowhere."""
    wrong = []
    for path, anchor in LINK.findall(text):
        target = document.parent / (path or document.name)
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            wrong.append(f"{path}#{anchor}" if anchor else path)
    return wrong


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    assert broken_links(document, document.read_text()) == []


def test_a_link_that_leads_nowhere_is_noticed(tmp_path: Path) -> None:
    text = "# One thing\n[a](document.md) [b](absent.md) [c](#one-thing) [d](#another) [e](https://example.org/)"
    document = tmp_path / "document.md"
    document.write_text(text)
    assert broken_links(document, text) == ["absent.md", "#another"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_target_that_is_mentioned_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    mentioned = set(re.findall(r"(?:^ {4}|`)make ([a-z-]+)", document.read_text(), re.MULTILINE))
    assert mentioned <= targets
