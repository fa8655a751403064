"""The pages of the findings: they are what the machines stored, and each finding is found again."""

from pathlib import Path

import click
import pytest

import findings
from findings import EFFORT, PAGES, efforts, excerpt, find_again, pages, titles
from hammer2_oracle import findings_report
from hammer2_spec.findings import FINDINGS

ROOT = Path(__file__).parent.parent


def test_the_pages_are_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    there = {path.name: path.read_text(encoding="utf-8") for path in PAGES.iterdir()}
    assert there == pages(), "python tools/findings.py"


def test_every_finding_was_found_again() -> None:
    assert list(efforts()) == list(titles()), f"python tools/findings.py --measure writes {EFFORT}"


@pytest.mark.parametrize("number", ["F05", "F20", "P08", "P16", "P24", "V05"])
def test_it_is_found_again_where_the_page_says(number: str) -> None:
    kept, found = dict(efforts()[number]), find_again(number)
    assert kept.pop("cpu_seconds") >= 0
    assert found.pop("cpu_seconds") >= 0
    assert found == kept


def test_what_is_needed_no_more_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "evidence", lambda _: None)
    with pytest.raises(click.ClickException, match="believed_writes is not needed any more"):
        find_again("F20")


def test_another_example_than_the_stored_one_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = findings_report.broken_without(findings_report.stored_matrix(), FINDINGS["F05"])
    other = stored[0]._replace(example=stored[-1].example)
    assert other != stored[0]
    monkeypatch.setattr(findings_report, "broken_without", lambda *_: [other])
    with pytest.raises(click.ClickException, match="is another one"):
        find_again("F05")


def test_lines_of_the_original_have_the_numbers_that_the_comments_cite() -> None:
    assert list(excerpt("408, 419-420")) == [
        "```c",
        " 408          KKASSERT(pmp != NULL || cluster->nchains == 0);",
        "     ...",
        " 419                  switch (cluster->pmp->pfs_types[i]) {",
        " 420                  case HAMMER2_PFSTYPE_MASTER:",
        "```",
    ]
