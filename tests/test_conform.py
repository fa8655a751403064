"""`hammer2-cluster conform`: a right implementation is green, and every bad one is caught for what it does."""

import json
import re
import shlex
import signal
import subprocess
import sys
import time
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given

from hammer2_cluster.program import program
from hammer2_cluster.resolve import resolve
from hammer2_oracle.conform import campaigns, examination
from hammer2_oracle.conform.implementation import Implementation, Misbehaved
from hammer2_oracle.conform.judging import Judgement, Standing, judge
from hammer2_oracle.conform.messages import Answer, Question, answer, question
from hammer2_oracle.conform.random_questions import life, search
from hammer2_oracle.conform.run import Plan, examine
from hammer2_oracle.status import Status
from hammer2_oracle.testing import configurations, semantics
from hammer2_spec.configuration import ABSENT, FOREIGN, Configuration, Slot, Verdict
from hammer2_spec.semantics import REPAIRED, RESOLVE_REPAIRS, SEED, Semantics
from hammer2_spec.vocabulary import PfsType

ROOT = Path(__file__).resolve().parent.parent
FAKE = [sys.executable, str(Path(__file__).with_name("fake_implementation.py"))]
PROGRAM = Path(sys.executable).with_name("hammer2-cluster")
QUICK = ["--slots", "1", "--lives", "5", "--timeout", "30"]
IMPATIENT = ["--timeout", "3"]
"""For those who say nothing. With the others patience costs nothing, and on a busy machine a start takes seconds."""


@pytest.fixture(autouse=True)
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where divergences are kept."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def conform(*fake: str, options: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    words = [str(PROGRAM), "conform", *QUICK, *(options or []), "--", *FAKE, *fake]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)


def examined(*fake: str, options: list[str] | None = None) -> dict[str, Any]:
    finished = conform(*fake, options=["--json", *(options or [])])
    found: dict[str, Any] = json.loads(finished.stdout)
    assert found["status"] == finished.returncode
    kinds = ("agrees", "differs", "undefined", "skipped", "failed", "misbehaved")
    assert found["decisions"] == sum(found[kind] for kind in kinds)
    return found


@pytest.mark.parametrize("semantics", ["seed", "repaired", "+majority_tid", "-fresh_focus"])
def test_a_right_implementation_is_green(semantics: str) -> None:
    found = examined(semantics)
    assert found["status"] == Status.AGREE
    assert found["agrees"] == found["decisions"] > 300
    assert not found["divergences"]


@pytest.mark.parametrize("missing", RESOLVE_REPAIRS)
def test_claiming_a_repair_that_is_missing_is_found(missing: str) -> None:
    found = examined(f"-{missing}", "repaired")
    assert found["status"] == Status.DIFFER
    first = found["divergences"][0]
    asked = msgspec.convert(first["question"], Question)
    assert first["standing"] == "differs"
    assert first["stable"]
    assert msgspec.convert(first["expected"], Answer).verdict == resolve(*asked.configuration, REPAIRED)
    assert first["got"] != first["expected"]


def test_whose_answers_differ_is_said() -> None:
    found = examined("repaired", "seed")
    assert list(found["like"]) == ["the repaired decision"]
    assert {"like"} <= set(found["divergences"][0])
    assert examined("seed", "repaired")["like"].keys() >= {"the original"}


@pytest.mark.parametrize("semantics", ["seed", "repaired", "+sound_votes,+ranked_roots", "-honest_access"])
def test_what_is_mended_is_inferred_from_the_answers(semantics: str) -> None:
    found = examined(semantics, "seed", options=["--semantics", "auto"])
    assert (found["status"], found["semantics"], found["unexplained"]) == (Status.AGREE, semantics, 0)


def test_an_implementation_that_dies_of_the_assertions_of_the_original_is_spared_them() -> None:
    found = examined("seed", "seed", "assert")
    assert found["status"] == Status.AGREE
    assert found["not_asked"] > 10
    assert found["undefined"] > 2  # of the first questions, which tell that it dies
    assert found["agrees"] == found["decisions"] - found["undefined"] > 200


def test_what_is_undefined_in_the_original_may_be_anything() -> None:
    found = examined("repaired", "seed")
    assert found["undefined"] > 10


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("exit", "ended: exit status 7"),
        ("crash", "ended: killed by SIGSEGV"),
        ("split", "says what is no message"),
        ("garbled", r"says what is no message: '\x00\xff not a message'"),
        ("wrong-number", "answers another question: run "),
        ("one-less", "answers with what is no answer: 0 results for 1 questions"),
        ("a-float", "answers with what is no answer: Expected `int | str | null`, got `float` - at `$.result[0].F`"),
        (
            "two-answers",
            "answers with what is no answer: Expected exactly one of `result`, `call`, `skipped` and `error`",
        ),
        ("key-twice", "says a key twice: 'e' in '{"),
        ("early", "answers before it is asked: '{"),
    ],
)
def test_every_misbehaviour_has_a_verdict_of_its_own(how: str, said: str) -> None:
    found = examined("repaired", "repaired", how, "200")
    assert found["status"] == Status.DIFFER
    assert found["misbehaved"] > 0
    assert found["agrees"] > 200
    details = [it["detail"] for it in found["divergences"] if it["standing"] == "misbehaved"]
    assert any(it.startswith(said) for it in details), details


@pytest.mark.parametrize(
    ("how", "said"),
    [("silent", "does not answer: no line within 3 s"), ("slow", "does not come to the end of an answer: no line")],
)
def test_who_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, how: str, said: str) -> None:
    monkeypatch.setattr(examination, "RESTARTS", 1)  # each silence takes its seconds
    report = examine([*FAKE, "repaired", "repaired", how, "210"], Plan(slots=1, lives=0, timeout=3))
    assert (report.status, report.stopped) == (Status.DIFFER, "it has been started anew 1 times")
    assert report.tally.counts[Standing.AGREES] > 200
    assert str(report.tally.first[0].reply).startswith(said)


@pytest.mark.parametrize("twice", ['"protocol":1,"protocol":1', '"protocol":1,"\\u0070rotocol":1'])
def test_an_introduction_with_a_key_twice_is_none(twice: str) -> None:
    who = f'{{"started":{{{twice},"name":"x","language":"x","version":"1","parts":["resolve"],"semantics":"seed"}}}}'
    with pytest.raises(Misbehaved, match="says a key twice: 'protocol' in"):
        Implementation([sys.executable, "-c", f"print({who!r}); input()"], 30)


def test_an_implementation_that_always_fails_is_given_up_and_what_it_did_is_told() -> None:
    found = examined("repaired", "repaired", "exit", "0")
    assert found["stopped"] == "it has been started anew 20 times"
    assert (found["status"], found["misbehaved"], found["agrees"]) == (Status.DIFFER, 20, 0)
    assert {it["detail"] for it in found["divergences"]} == {"ended: exit status 7"}
    assert {it["stable"] for it in found["divergences"]} == {None}


def test_a_breach_that_nobody_is_to_blame_for_alone_is_a_breach() -> None:
    found = examined("repaired", "repaired", "dies-of-many", options=["--slots", "1", "--lives", "0"])
    assert (found["status"], found["stopped"]) == (Status.DIFFER, None)
    assert 0 < found["misbehaved"] < 12
    assert found["agrees"] == found["decisions"] - found["misbehaved"] > 200
    for it in found["divergences"]:
        assert re.fullmatch(
            r"ended: exit status 7; in a run of 2\d\d questions, none of which does that alone", it["detail"]
        )
        assert it["stable"] is False


def test_a_reason_that_says_nothing_is_none() -> None:
    found = examined("repaired", "repaired", "empty-reason")
    assert found["status"] == Status.DIFFER
    assert found["skipped"] == 0
    assert found["divergences"][0]["detail"].startswith("answers with what is no answer: Expected `str` matching")


def test_what_is_said_after_the_last_answer_is_noticed() -> None:
    found = examined("repaired", "repaired", "goes-on")
    assert found["status"] == Status.DIFFER
    assert found["stopped"] == r"says what is no message: after its last answer: 'one more thing\n'"


def test_whoever_answers_what_it_never_reads_is_not_believed() -> None:
    who = '{"started":{"protocol":1,"name":"x","language":"x","version":"1","parts":["resolve"],"semantics":"seed"}}'
    said = "\n".join([who, *(f'{{"run":{n},"skipped":"x"}}' for n in range(1, 100)), ""]).encode()
    # one write of less than PIPE_BUF bytes: whoever can read the introduction can read the rest
    port = f"import os, time; os.write(1, {said!r}); time.sleep(60)"
    words = [str(PROGRAM), "conform", "--lives", "0", "--timeout", "20", "--json", "--", sys.executable, "-c", port]
    finished = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    found = json.loads(finished.stdout)
    assert (finished.returncode, found["skipped"], found["agrees"]) == (Status.DIFFER, 0, 0)
    assert found["misbehaved"] > 10
    assert found["divergences"][0]["detail"].startswith('answers before it is asked: \'{"run":1,"skipped"')


def test_the_numbers_of_runs_cannot_be_foretold() -> None:
    echo = (
        r"[print(json.dumps({'run': json.loads(line)['run'], 'error': line[:30]}), flush=True) for line in sys.stdin]"
    )
    who = '{"started":{"protocol":1,"name":"x","language":"x","version":"1","parts":["resolve"],"semantics":"seed"}}'
    port = f"import json, sys; input(); print({who!r}, flush=True); {echo}"
    numbers = []
    for _ in range(2):
        with closing(examination.Examination([sys.executable, "-c", port], 30)) as asked:
            numbers.append([getattr(asked.ask([Configuration((), 1, None, 0)])[0], "reason", "") for _ in range(3)])
    assert numbers[0] != numbers[1]
    assert len({*numbers[0], *numbers[1]}) == 6


def test_one_that_has_ended_is_told_from_one_that_is_silent_whoever_holds_its_pipe() -> None:
    port = "import os, sys, time; os.fork() or time.sleep(60); sys.exit(3)"
    words = [str(PROGRAM), "conform", "--timeout", "2", "--", sys.executable, "-c", port]
    finished = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
    assert finished.stderr.endswith("ended: exit status 3\n")


@pytest.mark.parametrize("option", ["--json", "--semantics=seed", "--seed=1", "--html=x"])
def test_what_says_nothing_of_vectors_is_refused_beside_them(option: str) -> None:
    finished = conform("seed", options=["--vectors", ".", option])
    assert finished.returncode == Status.BAD_INPUT
    assert "--vectors exclude each other" in finished.stderr


@pytest.mark.parametrize(("how", "standing"), [("skip", "skipped"), ("fail", "failed")])
def test_skipping_and_failing_are_counted_with_their_reasons(how: str, standing: str) -> None:
    found = examined("repaired", "repaired", how, "0")
    assert found[standing] > 0
    if how == "skip":
        assert found["skipped_because"] == {"not written yet": found["skipped"]}
    else:
        assert found["status"] == Status.DIFFER
        assert found["divergences"][0]["detail"] == "out of memory"


def test_what_only_random_questions_find_is_shrunk() -> None:
    found = examined("repaired", "repaired", "high-tids", options=["--seed", "3", "--lives", "300"])
    [divergence] = found["divergences"]
    assert divergence["fields"] == ["error"]
    assert len(divergence["question"]["s"]) == 3
    assert divergence["question"]["s"][2][1] > 2**63


@pytest.mark.parametrize("field", Verdict._fields)
def test_an_answer_that_is_wrong_in_one_field_alone_is_found(field: str) -> None:
    found = examined("repaired", "repaired", field)
    assert found["status"] == Status.DIFFER
    assert found["divergences"][0]["fields"] == [field]


def test_answers_that_fit_no_semantics_are_not_explained_away() -> None:
    found = examined("seed", "seed", "error", options=["--semantics", "auto"])
    assert found["status"] == Status.DIFFER
    assert found["unexplained"] > 0


def test_the_semantics_that_are_asked_for_decide_not_the_claimed_ones() -> None:
    found = examined("seed", "seed", options=["--semantics", "repaired"])
    assert (found["status"], found["semantics"]) == (Status.DIFFER, "repaired")


def test_an_implementation_that_skips_everything_has_passed_nothing() -> None:
    found = examined("seed", "seed", "skip-all")
    assert (found["status"], found["agrees"]) == (Status.UNDECIDED, 0)


def test_ctrl_c_ends_the_examination_and_says_so() -> None:
    words = [str(PROGRAM), "conform", "--slots", "3", "--json", "--", *FAKE, "seed"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "its own affair" in process.stderr.readline()  # the implementation runs
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == Status.UNDECIDED
    assert json.loads(output)["stopped"] == "interrupted"


def test_small_questions_are_all_there_are() -> None:
    for most, members in ((0, []), (1, [1]), (2, [1, 2])):
        asked = list(campaigns.small(most))
        assert len({it._replace(flags=0) for it in asked}) == len(asked)
        for count in members:
            of_that_size = [it for it in asked if len(it.slots) == count]
            assert {it.slots for it in of_that_size} == set(product(campaigns.MEMBERS, repeat=count))
        assert {it.pfs_nmasters for it in asked} == {None, 0, 1, 2, 3}
        assert {it.prior for it in asked} == {None, FOREIGN, *range(most)}
    kinds = {(slot.type, slot.error != 0) for slot in campaigns.MEMBERS if slot.present}
    votes = (PfsType.MASTER, PfsType.SLAVE, PfsType.SOFT_MASTER, PfsType.SOFT_SLAVE, PfsType.SUPROOT)
    assert kinds >= set(product(votes, (False, True)))


def test_a_life_goes_on_with_what_was_left() -> None:
    asked: list[Configuration] = []
    master = Slot(True, PfsType.MASTER, 5, 0)

    def ask(configuration: Configuration) -> Judgement:
        asked.append(configuration)
        return judge(configuration, answer(resolve(*configuration, SEED)), SEED)

    one = Configuration((ABSENT, master), 1, None, 4)
    life([(one, False), (one, True), (one._replace(slots=(master, ABSENT)), True), (one, False)], ask)
    flags = resolve(*one, SEED).flags
    assert [it.prior for it in asked] == [None, 1, FOREIGN, None]
    assert [it.flags for it in asked] == [4, flags, flags, 4]


def test_the_seed_decides_what_is_asked() -> None:
    def lives(seed: int) -> list[Configuration]:
        asked: list[Configuration] = []

        class Listens:
            def ask(self, batch: list[Configuration]) -> list[Answer]:
                asked.extend(batch)
                return [answer(resolve(*it, REPAIRED)) for it in batch]

        search(Listens(), REPAIRED, 10, seed, False, lambda _: None)  # type: ignore[arg-type]  # it only asks
        return asked

    assert lives(1) == lives(1) != lives(2)


def test_an_unstable_answer_is_called_so() -> None:
    found = examined("seed", "seed", "unstable", "50")
    assert not found["divergences"][0]["stable"]


@pytest.mark.parametrize(
    ("fake", "said"),
    [
        (["seed", "seed", "version"], "speaks another version of the protocol: 2, expected 1"),
        (["seed", "seed", "mute"], "does not answer: no line within 3 s"),
        (["seed", "nonsense"], "introduces itself with semantics 'nonsense'"),
    ],
)
def test_who_does_not_introduce_himself_is_not_examined(fake: list[str], said: str) -> None:
    finished = conform(*fake, options=IMPATIENT if "mute" in fake else [])
    assert finished.returncode == Status.BAD_INPUT
    [complaint] = [line for line in finished.stderr.splitlines() if line.startswith("hammer2-cluster: ")]
    assert said in complaint
    assert finished.stdout == ""


def test_a_command_that_is_not_there_is_one_line() -> None:
    finished = subprocess.run(
        [PROGRAM, "conform", "--", "/no/such/program"], capture_output=True, text=True, check=False
    )
    assert finished.returncode == Status.BAD_INPUT
    assert finished.stderr == (
        "hammer2-cluster: /no/such/program: could not be started: /no/such/program: No such file or directory\n"
    )


def test_one_that_does_not_stop_has_not_passed() -> None:
    found = examined("seed", "seed", "never-stops", options=IMPATIENT)
    assert found["status"] == Status.DIFFER
    assert found["stopped"] == "does not answer: told to stop, it runs on after 3 s"


def test_one_that_ends_badly_has_not_passed() -> None:
    found = examined("seed", "seed", "ends-badly")
    assert found["status"] == Status.DIFFER
    assert found["stopped"] == "ended: told to stop: exit status 3"


def test_standard_error_passes_through() -> None:
    assert "is its own affair" in conform("seed").stderr


def test_a_person_sees_the_slots_and_the_rules_and_can_do_it_again() -> None:
    finished = conform("repaired", "seed")
    text = finished.stdout
    assert "expected focus" in text
    assert "that is the answer of the repaired decision" in text
    assert f"    $ {program()} resolve --semantics seed " in text
    *_, sentence, last = text.splitlines()
    assert " differed" in sentence
    assert last.startswith(f"Reproduce with: {program()} conform --slots 1 --lives 5 --timeout 30 -- ")
    again = subprocess.run([PROGRAM, *shlex.split(last)[3:]], capture_output=True, text=True, check=False)
    assert again.returncode == Status.DIFFER
    assert again.stdout == text


@given(configurations())
def test_a_question_is_read_as_it_was_written(configuration: Configuration) -> None:
    assert (
        msgspec.json.decode(msgspec.json.encode(question(configuration)), type=Question).configuration == configuration
    )


@given(configurations(), semantics())
def test_an_answer_is_read_as_it_was_written(configuration: Configuration, chosen: Semantics) -> None:
    verdict = resolve(*configuration, chosen)
    assert msgspec.json.decode(msgspec.json.encode(answer(verdict)), type=Answer).verdict == verdict


def test_the_page_shows_messages_that_are_some() -> None:
    page = (ROOT / "docs" / "reference" / "conform.md").read_text()
    schema = json.loads((ROOT / "docs" / "reference" / "conform.schema.json").read_text())
    shown = [line.strip() for line in page.splitlines() if line.startswith('    {"')]
    assert len(shown) == 25
    published = jsonschema.Draft202012Validator(schema)
    for line in shown:
        published.validate(json.loads(line))


def test_the_page_describes_every_key_of_the_object() -> None:
    page = (ROOT / "docs" / "reference" / "conform.md").read_text()
    found = examined("repaired", "seed")
    assert [key for key in {**found, **found["divergences"][0]} if f"`{key}`" not in page] == []
