"""The report of an examination as JUnit XML, which CI servers read."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from hammer2_oracle.conform.divergence import AnyDivergence, Divergence, OperationDivergence, write_whole
from hammer2_oracle.conform.judging import Standing, bad
from hammer2_oracle.conform.page import title
from hammer2_oracle.conform.report import Report, drawn, in_counts


def write(path: Path, report: Report, divergences: Sequence[AnyDivergence]) -> None:
    """Write a test case for each campaign, then one for each divergence. Raises OSError."""
    who = report.introduction
    suite = TestSuite(printable(f"conform {who.name} {who.version}"))
    for name, value in (("semantics", report.described), ("language", who.language)):
        suite.add_property(name, printable(value))
    suite.add_testcases(_campaigns(report))
    for judgement, divergence in zip(report.tally.first, divergences, strict=True):
        case = TestCase(title(divergence), "conform.divergences")
        failure = Failure(printable(divergence.detail or _what_differs(divergence)), divergence.standing)
        failure.text = printable("\n".join(drawn(judgement, report.semantics)))
        case.result = [failure]
        suite.add_testcase(case)
    xml = JUnitXml("hammer2-cluster conform")
    xml.add_testsuite(suite)
    xml.update_statistics()
    text = BytesIO()
    xml.write(text, pretty=True)
    write_whole(path, text.getvalue())


def _what_differs(divergence: AnyDivergence) -> str:
    if isinstance(divergence, Divergence):
        return f"{', '.join(divergence.fields)} differ"
    if isinstance(divergence, OperationDivergence):
        return f"{divergence.field} differ"
    return f"expected {divergence.expected}, got {divergence.got}"


def printable(text: str) -> str:
    """What an implementation says may hold what no XML may: that is written as Python would."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def _campaigns(report: Report) -> list[TestCase]:
    cases = []
    for name, counts in report.tally.campaigns.items():
        case = TestCase(name, "conform.campaigns")
        case.system_out = in_counts(counts) or "nothing to judge"
        if bad(counts):
            case.result = [Failure(in_counts(counts), "campaign")]
        elif counts[Standing.SKIPPED] and not counts[Standing.AGREES]:
            case.result = [Skipped(printable("; ".join(report.tally.reasons)))]
        cases.append(case)
    if report.stopped:
        case = TestCase("everything that was planned is asked", "conform.campaigns")
        case.result = [Error(printable(report.stopped), "stopped")]
        cases.append(case)
    return cases
