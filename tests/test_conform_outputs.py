"""What `conform` writes besides what it prints: JUnit XML that adds up, and a page that needs nothing else."""

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path

import pytest
from junitparser import JUnitXml
from msgspec import structs
from tests.toolchain_kit import needs

from hammer2_oracle.conform import junit
from hammer2_oracle.conform.divergence import Divergence, file_name
from hammer2_oracle.conform.page import page, picture
from hammer2_oracle.conform.report import Report, records
from hammer2_oracle.conform.run import Plan, examine
from hammer2_oracle.status import Status
from hammer2_spec.configuration import Configuration, Slot
from hammer2_spec.vocabulary import PfsType

FAKE = [sys.executable, str(Path(__file__).with_name("fake_implementation.py"))]
PROGRAM = Path(sys.executable).with_name("hammer2-cluster")
STRANGE = "<b>port</b> & \x00co\x1b"


@cache
def found(*fake: str) -> tuple[Report, list[Divergence]]:
    report = examine([*FAKE, *fake], Plan(slots=1, lives=5, timeout=30))
    divergences = records(report, [*FAKE, *fake], "conform ...")
    return report, [it for it in divergences if isinstance(it, Divergence)]


def suite_of(path: Path, *fake: str) -> ET.Element:
    report, divergences = found(*fake)
    junit.write(path, report, divergences)
    suite = ET.parse(path).getroot().find("testsuite")  # noqa: S314 - written a line above
    assert suite is not None
    cases = suite.findall("testcase")
    assert int(suite.get("tests", "")) == len(cases)
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.get(attribute, "")) == len(suite.findall(f"testcase/{tag}"))
    return suite


def test_a_right_implementation_passes_all_test_cases(tmp_path: Path) -> None:
    suite = suite_of(tmp_path / "junit.xml", "seed")
    assert (suite.get("failures"), suite.get("errors"), suite.get("skipped")) == ("0", "0", "0")
    names = [case.get("name") for case in suite.findall("testcase")]
    assert names == [
        "introduction", "smoke", "all clusters of at most 1 member", "numbers at their edges",
        "members of like worth", "5 random lives", "told to stop",
    ]  # fmt: skip
    said = [case.findtext("system-out", "") for case in suite.findall("testcase")]
    assert (
        sum(int(re.sub(r"\D", "", text.split()[0])) for text in said if "agreed" in text)
        == found("seed")[0].tally.counts.total()
    )


def test_every_divergence_is_a_test_case_that_failed(tmp_path: Path) -> None:
    suite = suite_of(tmp_path / "junit.xml", "repaired", "seed")
    failed = [case for case in suite.findall("testcase") if case.get("classname") == "conform.divergences"]
    assert len(failed) == 20
    for case in failed:
        failure = case.find("failure")
        assert failure is not None
        assert "expected focus" in (failure.text or "")
    assert JUnitXml.fromfile(str(tmp_path / "junit.xml")).failures == 24  # and four campaigns


def test_what_is_skipped_is_skipped_with_its_reason(tmp_path: Path) -> None:
    suite = suite_of(tmp_path / "junit.xml", "seed", "seed", "skip-all")
    assert [it.get("message") for it in suite.iter("skipped")] == ["not written yet"] * 5


def test_what_stopped_it_is_an_error(tmp_path: Path) -> None:
    suite = suite_of(tmp_path / "junit.xml", "repaired", "repaired", "exit", "0")
    assert [it.get("message") for it in suite.iter("error")] == ["it has been started anew 20 times"]
    assert {it.get("message") for it in suite.iter("failure")} >= {"ended: exit status 7"}


def test_whatever_an_implementation_says_is_xml_and_no_markup(tmp_path: Path) -> None:
    report, divergences = found("repaired", "seed")
    strange = Report(structs.replace(report.introduction, name=STRANGE), report.semantics, None, report.tally)
    junit.write(tmp_path / "junit.xml", strange, [structs.replace(it, detail=STRANGE) for it in divergences])
    suite = ET.parse(tmp_path / "junit.xml").getroot().find("testsuite")  # noqa: S314 - written a line above
    assert suite is not None
    assert suite.get("name") == r"conform <b>port</b> & \x00co\x1b 1"
    text = page(strange, divergences, [])
    assert "<b>port" not in text
    assert "&lt;b&gt;port&lt;/b&gt; &amp; " in text


def test_the_page_needs_nothing_else_and_draws_every_divergence() -> None:
    report, divergences = found("repaired", "seed")
    text = page(report, divergences, [Path("divergences") / file_name(it) for it in divergences])
    assert not re.search(r"https?:|src=|<link|<script|url\(|@import", text)
    assert text.count("<section>") == text.count("</section>") == len(divergences) == 20
    for divergence in divergences:
        assert f"replay divergences/{file_name(divergence)}" in text
    assert report.sentence in text


def test_a_picture_has_a_column_for_each_node_and_shows_what_differs() -> None:
    _, divergences = found("repaired", "seed")
    for divergence in divergences:
        drawn = picture(divergence, "")
        configuration = divergence.question.configuration
        assert len(drawn.columns) == len(configuration.slots)
        assert all(len(step.cells) == len(drawn.columns) for step in drawn.steps)
        steps = {step.name: step for step in drawn.steps}
        for name, focus in (("expected", divergence.expected.F), ("got", divergence.got and divergence.got.F)):
            marked = [i for i, cell in enumerate(steps[f"focus {name}"].cells) if cell]
            assert marked == ([focus] if isinstance(focus, int) else [])
            assert (steps[f"focus {name}"].remark == "none") == (focus is None)
        assert [value.name for value in drawn.values if value.differs] == divergence.fields
        for value in drawn.values:
            assert (value.expected != value.got) == value.differs


def test_all_is_written_by_one_command(tmp_path: Path) -> None:
    words = ["conform", "--slots", "1", "--lives", "0", "--junit", "j.xml", "--html", "p.html", "--", *FAKE, "seed"]
    finished = subprocess.run([PROGRAM, *words], cwd=tmp_path, capture_output=True, check=False)
    assert finished.returncode == Status.AGREE
    assert {path.name for path in tmp_path.iterdir()} == {"j.xml", "p.html"}


def test_a_page_that_cannot_be_written_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    words = ["conform", "--slots", "0", "--lives", "0", "--html", "no/p.html", "--", *FAKE, "seed"]
    finished = subprocess.run([PROGRAM, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == Status.BAD_INPUT
    assert " agreed" in finished.stdout
    assert finished.stderr.endswith("hammer2-cluster: could not be written: no/p.html: No such file or directory\n")


EIGHT = Configuration(
    tuple(Slot(True, PfsType.SOFT_MASTER, 2**64 - 1 - i, -(2**31)) for i in range(8)), 255, 7, 2**32 - 1
)


@pytest.mark.parametrize("width", [390, 1200])
def test_in_a_real_browser_nothing_is_wider_than_the_window(tmp_path: Path, width: int) -> None:
    needs("chromium")
    report, divergences = found("repaired", "seed")
    from hammer2_oracle.conform.messages import question

    widest = structs.replace(divergences[0], question=question(EIGHT), rules=["a_rule_of_many_words" * 6])
    measure = "<script>document.title = [document.documentElement.scrollWidth, innerWidth].join()</script>"
    file = tmp_path / "page.html"
    file.write_text(page(report, [widest, *divergences], []).replace("</body>", f"{measure}</body>"))
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--window-size={width},900",
        f"--user-data-dir={tmp_path}",
    ]
    command = [str(shutil.which("chromium")), *options, "--dump-dom", file.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    title = re.search(r"<title>(\d+),(\d+)</title>", shown.stdout)
    assert title
    needed, there = map(int, title.groups())
    assert needed <= there
