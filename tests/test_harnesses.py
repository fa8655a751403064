"""Ports in C, Perl and Python, behind the harnesses for them: right ones are green, wrong ones are caught."""

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from tests import toolchain_kit
from tests.toolchain_kit import needs

import hammer2_cluster.resolve
from hammer2_oracle.commands.harness import DIRECTORY, FILES
from hammer2_oracle.conform import campaigns, examination
from hammer2_oracle.conform.judging import Standing
from hammer2_oracle.conform.report import Report
from hammer2_oracle.conform.run import Plan, examine
from hammer2_oracle.conform.scenario_questions import smoke
from hammer2_oracle.status import Status
from hammer2_proofs.mutants import Mutant, load, mutate
from hammer2_spec.configuration import Configuration
from hammer2_spec.semantics import REPAIRED, SEED

PORTS = Path(__file__).with_name("ports")
PROGRAM = Path(sys.executable).with_name("hammer2-cluster")
PYTHON_PORT = [sys.executable, str(PORTS / "port.py")]
QUICK = Plan(slots=1, lives=20, timeout=30)
MISTAKES = range(1, 16)
OF_BITS = range(11, 16)
"""Those that show where numbers are at their edges."""


def built(source: str, directory: Path) -> str:
    needs("a C compiler with json-c")
    program = directory / "port"
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "json-c"], capture_output=True, text=True, check=True)  # noqa: S607 - where it was installed
    strict = ["-std=c11", "-O2", "-Wall", "-Wextra", "-pedantic", "-Werror"]
    command = ["cc", *strict, f"-I{DIRECTORY}", "-o", str(program), str(PORTS / source), *flags.stdout.split()]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return str(program)


@pytest.fixture(scope="module")
def c_port(tmp_path_factory: pytest.TempPathFactory) -> str:
    return built("port.c", tmp_path_factory.mktemp("port"))


@pytest.fixture
def perl_port() -> list[str]:
    needs("perl with JSON::PP")
    return ["perl", str(PORTS / "port.pl")]


def assert_green(report: Report) -> None:
    assert report.status == Status.AGREE, report.tally.first
    assert report.tally.counts[Standing.AGREES] == report.tally.counts.total() > 300
    assert not report.tally.reasons


# ---- right ones


def test_a_right_port_in_c_is_green_in_all_modes(c_port: str) -> None:
    for plan in (QUICK, QUICK._replace(slots=2, lives=0), QUICK._replace(semantics=SEED), QUICK._replace(infer=True)):
        report = examine([c_port], plan)
        assert_green(report)
        assert report.semantics == SEED


def test_a_right_port_in_perl_is_green(perl_port: list[str]) -> None:
    assert_green(examine(perl_port, QUICK))


@pytest.mark.parametrize("semantics", ["seed", "repaired"])
def test_a_right_port_in_python_is_green(semantics: str) -> None:
    assert_green(examine([*PYTHON_PORT, semantics], QUICK))


CLUSTERS = ("cluster.c", "cluster.pl")


@pytest.fixture(scope="module", params=CLUSTERS)
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A cluster in C and one in Perl."""
    if request.param.endswith(".c"):
        return [built(request.param, tmp_path_factory.mktemp("cluster"))]
    needs("perl with JSON::PP")
    return ["perl", str(PORTS / request.param)]


def test_a_right_cluster_in_c_or_perl_is_green(cluster: list[str]) -> None:
    report = examine(cluster, QUICK._replace(lives=40))
    assert (report.status, report.introduction.parts) == (Status.AGREE, ["scenarios"])
    assert report.introduction.capabilities == ["clients", "replace"]
    assert (
        report.tally.counts[Standing.AGREES] == report.tally.counts.total() == len(smoke(["clients", "replace"])) + 40
    )


# ---- wrong ones


@pytest.mark.parametrize("how", ["early", "forgets", "cached", "empty-votes"])
def test_a_wrong_cluster_in_c_or_perl_is_found(cluster: list[str], how: str) -> None:
    report = examine([*cluster, how], QUICK._replace(lives=0))
    assert report.tally.counts[Standing.DIFFERS] > 0
    assert report.tally.counts[Standing.MISBEHAVED] == 0


def test_each_client_is_told_from_the_other_by_every_harness(cluster: list[str]) -> None:
    steps = [
        '{"do":"put","name":"a","content":"a1"}',
        '{"do":"put","name":"a","content":"a2","client":1}',
        '{"do":"get","name":"a"}',
        '{"do":"get","name":"a","client":1}',
    ]
    begin = '{"run":1,"scenario":{"nodes":["master"],"pfs_nmasters":1}}'
    for port in (cluster, [sys.executable, str(PORTS / "small_cluster.py")]):
        asked = [f'{{"run":{n},"step":{step}}}' for n, step in enumerate(steps, 2)]
        *_, first, second = talked([*port, "cached"], begin, *asked, '{"stop":true}')
        assert first == {"run": 4, "result": {"ended": "read", "content": "a1"}}
        assert second == {"run": 5, "result": {"ended": "read", "content": "a2"}}


def test_a_cluster_in_c_is_asked_what_it_declares_and_skips_what_it_does_not_do(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    program = built("cluster.c", tmp_path_factory.mktemp("cluster"))
    report = examine([program, "one-client"], QUICK._replace(lives=0))
    assert (report.status, report.introduction.capabilities) == (Status.AGREE, [])
    assert report.tally.counts.total() == len(smoke([]))
    assert "this port does not do that: remove" in examine([program, "skips"], QUICK._replace(lives=0)).tally.reasons
    who, decided = talked([program], '{"start":{}}', '{"run":1,"resolve":[]}', '{"stop":true}')
    assert decided == {"run": 1, "skipped": "this harness knows scenarios alone"}
    assert who["started"]["language"] == "C"  # type: ignore[index]  # an object


@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_mistake_of_the_port_in_c_is_found(c_port: str, mistake: int) -> None:
    report = examine([c_port, str(mistake)], QUICK._replace(slots=2, lives=100))
    assert report.status == Status.DIFFER
    assert report.tally.counts[Standing.MISBEHAVED] == 0
    assert report.tally.counts[Standing.DIFFERS] > 0
    assert not report.unstable


@pytest.mark.parametrize("mistake", OF_BITS)
def test_what_is_lost_at_the_edge_of_a_number_is_found_without_luck(c_port: str, mistake: int) -> None:
    report = examine([c_port, str(mistake)], QUICK._replace(slots=0, lives=0))
    assert report.tally.campaigns["numbers at their edges"][Standing.DIFFERS] > 0


def test_all_mistakes_of_the_port_in_c_are_tried() -> None:
    text = (PORTS / "port.c").read_text()
    assert {n for n in range(1, 100) if re.search(rf"WRONG\({n}, |wrong == {n}\b", text)} == set(MISTAKES)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("crash", "ended: killed by SIGSEGV"),
        ("garbled", "says what is no message: "),
    ],
)
def test_a_port_in_c_that_breaks_the_protocol_is_told_how(c_port: str, how: str, said: str) -> None:
    report = examine([c_port, how], QUICK._replace(lives=0))
    assert report.status == Status.DIFFER
    assert report.tally.counts[Standing.MISBEHAVED] > 0
    assert report.tally.counts[Standing.AGREES] > 200
    assert str(report.tally.first[0].reply).startswith(said)


@pytest.mark.parametrize(
    ("how", "said"),
    [("silent", "does not answer: "), ("slow", "does not come to the end of an answer: ")],
)
def test_a_port_in_c_that_says_nothing_is_told_how(
    c_port: str, monkeypatch: pytest.MonkeyPatch, how: str, said: str
) -> None:
    monkeypatch.setattr(examination, "RESTARTS", 1)  # each silence takes its seconds
    report = examine([c_port, how], QUICK._replace(lives=0, timeout=2))
    assert report.status == Status.DIFFER
    assert report.tally.counts[Standing.AGREES] > 90
    assert str(report.tally.first[0].reply).startswith(said)


def test_a_port_in_c_that_lies_about_what_it_has_mended_is_found(c_port: str) -> None:
    report = examine([c_port, "repaired"], QUICK)
    assert report.status == Status.DIFFER
    assert {"the original"} <= set(report.tally.like)
    assert examine([c_port, "repaired"], QUICK._replace(infer=True)).semantics == SEED


def test_a_port_in_c_that_speaks_another_version_is_not_examined(c_port: str) -> None:
    finished = subprocess.run(
        [PROGRAM, "conform", "--", c_port, "version"], capture_output=True, text=True, check=False
    )
    assert finished.returncode == Status.BAD_INPUT
    assert finished.stderr.endswith("speaks another version of the protocol: 2, expected 1\n")


def test_a_port_in_c_that_aborts_where_the_original_asserts_is_spared_that(c_port: str) -> None:
    report = examine([c_port, "abort"], QUICK)
    assert report.status == Status.AGREE
    assert report.tally.not_asked > 10


@cache
def mutants() -> dict[str, list[Mutant]]:
    """The mutants of the decision by family."""
    families: dict[str, list[Mutant]] = {}
    for mutant in mutate(hammer2_cluster.resolve).mutants:
        families.setdefault(mutant.operator, []).append(mutant)
    return families


def differs(mutant: Mutant, asked: list[Configuration]) -> bool:
    """Whether a mutant decides otherwise on a question, and comes to an end on all."""
    wrong = load(mutant).resolve
    right = hammer2_cluster.resolve.resolve
    try:
        return any([tuple(wrong(*it, REPAIRED)) != right(*it, REPAIRED) for it in asked])  # noqa: C419 - all of them
    except Exception:  # noqa: BLE001 - a mutant that crashes is another test's
        return False


def test_one_mutant_of_every_family_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaigns, "edges", lambda: iter(()))
    asked = [*campaigns.smoke(), *campaigns.small(1)]
    assert len(mutants()) >= 18
    for family, members in mutants().items():
        mutant = next(it for it in members if differs(it, asked))
        file = tmp_path / f"{family}.py"
        file.write_text(mutant.text)
        report = examine([*PYTHON_PORT, "repaired", str(file)], QUICK._replace(lives=0))
        assert report.tally.counts[Standing.DIFFERS] > 0, mutant.description
        assert report.tally.counts[Standing.MISBEHAVED] == 0, mutant.description


OF_SLAVES = ("if focus is None:", "if focus is None or focus_type == PfsType.SLAVE:")
OF_MASTERS = ("if focus is None or focus_type == PfsType.SLAVE:", "if True:")
"""A member that takes the focus over from an equal one that stands before it (L484-502)."""


@pytest.mark.parametrize(
    ("semantics", "right", "wrong"),
    [("seed", *OF_SLAVES), ("seed", *OF_MASTERS), ("repaired", *OF_MASTERS)],
    ids=["seed slaves", "seed masters", "repaired masters"],  # with all repairs no slave is the focus beside another
)
def test_the_last_of_equal_members_as_the_focus_is_found(
    semantics: str, right: str, wrong: str, tmp_path: Path
) -> None:
    text = inspect.getsource(hammer2_cluster.resolve)
    assert text.count(f" {right}\n") == 1
    (tmp_path / "port.py").write_text(text.replace(f" {right}\n", f" {wrong}\n"))
    report = examine([*PYTHON_PORT, semantics, str(tmp_path / "port.py")], QUICK._replace(lives=0))
    assert report.tally.campaigns["members of like worth"][Standing.DIFFERS] > 0


# ---- the command


@pytest.mark.parametrize("language", FILES)
def test_the_command_writes_the_file_that_is_tested(language: str, tmp_path: Path) -> None:
    said = subprocess.run([PROGRAM, "harness", language], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert said.stdout == f"{FILES[language]}: its first lines tell how to use it\n"
    assert (tmp_path / FILES[language]).read_text() == (DIRECTORY / FILES[language]).read_text()


def test_every_harness_is_one_of_a_language() -> None:
    assert {path.name for path in DIRECTORY.iterdir() if path.is_file()} == set(FILES.values())


def talked(command: list[str], *messages: str) -> Iterator[dict[str, object]]:
    finished = subprocess.run(command, input="\n".join(messages) + "\n", capture_output=True, text=True, check=True)
    return map(json.loads, finished.stdout.splitlines())


def test_numbers_of_64_bits_and_what_is_unknown_pass_through_every_harness(c_port: str, perl_port: list[str]) -> None:
    top = 2**64 - 1
    members = f"[[6,{top},0],[6,{top - 1},0],[6,{2**63},-2147483648]]"
    question = f'{{"m":3,"f":4294967295,"p":"foreign","s":{members}}}'
    run, other = f'{{"run":{2**53},"resolve":[{question}]}}', '{"run":7,"operation":{}}'
    for command in ([c_port], perl_port, [*PYTHON_PORT, "seed"]):
        decided, skipped = talked(command, run, other, '{"stop":true}')
        assert decided == {"run": 2**53, "result": [{"o": "ok", "F": "foreign", "e": 0, "g": 0xFFFFC0FF | 0x2000}]}
        assert skipped == {"run": 7, "skipped": "this harness knows resolve alone"}


# ---- what is missing


def test_what_is_missing_is_skipped_with_a_reason_or_fails_where_it_must_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain_kit, "here", lambda _: False)
    monkeypatch.delenv("REQUIRE_TOOLS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="chromium is missing: apt-get install chromium"):
        needs("chromium")
    monkeypatch.setenv("REQUIRE_TOOLS", "1")
    with pytest.raises(pytest.fail.Exception, match="nothing is skipped"):
        needs("chromium")


def test_ci_installs_what_would_be_missing() -> None:
    script = (PORTS.parent.parent / ".ci" / "run").read_text()
    for packages in toolchain_kit.PACKAGES.values():
        assert packages in script
