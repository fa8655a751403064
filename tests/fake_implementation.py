"""An implementation of resolve to be examined: a right one, or one that misbehaves in the way that it is told to.

    python fake_implementation.py SEMANTICS [CLAIMED [HOW [AFTER]]]

AFTER so many decisions it misbehaves once, in each of its lives.
"""

import os
import signal
import sys
import time
from typing import Any

import msgspec

from hammer2_cluster.resolve import resolve
from hammer2_oracle.conform.messages import (
    PROTOCOL,
    Answered,
    Introduction,
    Question,
    RunResolve,
    Started,
    answer,
)
from hammer2_spec.configuration import FOREIGN, Outcome
from hammer2_spec.semantics import parse

semantics_text, claimed, how, after = [*sys.argv[1:], *["seed", "", "", "0"][len(sys.argv) - 1 :]]
SEMANTICS = parse(semantics_text)
WRONG: dict[str, Any] = {"outcome": Outcome.KKASSERT_L520, "focus": FOREIGN, "error": 99, "flags": 2**20}
"""What one field is always said to be."""
decided = 0


def say(message: msgspec.Struct) -> None:
    say_bytes(msgspec.json.encode(message) + b"\n")


def say_bytes(text: bytes) -> None:
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()


def decide(question: Question) -> msgspec.Struct:
    global decided  # noqa: PLW0603 - one count
    decided += 1
    verdict = resolve(*question.configuration, SEMANTICS)
    if how == "assert" and verdict.outcome is not Outcome.OK:
        os.kill(os.getpid(), signal.SIGABRT)
    if how == "unstable" and decided > int(after):
        verdict = verdict._replace(error=decided)
    if how in WRONG and verdict.outcome is Outcome.OK:
        verdict = verdict._replace(**{how: WRONG[how]})
    if how == "high-tids" and any(slot.tid > 2**63 for slot in question.configuration.slots[2:]):
        verdict = verdict._replace(error=77)
    return answer(verdict)


def right(run: int, results: list[msgspec.Struct]) -> bytes:
    return msgspec.json.encode(Answered(run, results)) + b"\n"  # type: ignore[arg-type]  # a list of answers


def misbehave(run: int, results: list[msgspec.Struct]) -> bytes:
    text = right(run, results)
    if how == "slow":
        say_bytes(text[:5])
    if how in ("silent", "slow"):
        time.sleep(60)
    if how == "exit" or (how == "dies-of-many" and len(results) > 200):
        sys.exit(7)
    if how == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    said = {
        "split": text[:9] + b"\n" + text[9:],
        "garbled": b"\x00\xff not a message\n",
        "wrong-number": right(run + 1, results),
        "one-less": right(run, results[1:]),
        "a-float": b'{"run":%d,"result":[{"o":"ok","F":0.5,"e":0,"g":0}]}\n' % run,
        "two-answers": b'{"run":%d,"skipped":"x","error":"y"}\n' % run,
        "key-twice": b'{"run":%d,"result":[{"o":"ok","F":0,"e":5,"e":0,"g":0}]}\n' % run,
        "early": text + right(run + 1, results),
        "skip-all": b'{"run":%d,"skipped":"not written yet"}\n' % run,
        "skip": b'{"run":%d,"skipped":"not written yet"}\n' % run,
        "empty-reason": b'{"run":%d,"skipped":" "}\n' % run,
        "fail-always": b'{"run":%d,"error":"out of memory"}\n' % run,
        "fail": b'{"run":%d,"error":"out of memory"}\n' % run,
    }
    return said.get(how, text)


def main() -> None:
    for line in sys.stdin.buffer:
        if line.startswith(b'{"start"'):
            protocol = 2 if how == "version" else PROTOCOL
            if how == "mute":
                time.sleep(60)
            say(Started(Introduction(protocol, "fake", "Python", "1", ["resolve"], claimed or semantics_text)))
        elif line.startswith(b'{"stop"'):
            if how == "never-stops":
                time.sleep(60)
            if how == "goes-on":
                say_bytes(b"one more thing\n")
            sys.exit(3 if how == "ends-badly" else 0)
        else:
            asked = msgspec.json.decode(line, type=RunResolve)
            before = decided
            results = [decide(question) for question in asked.resolve]
            always = how in ("skip-all", "fail-always", "empty-reason", "dies-of-many")
            strange = before <= int(after) < decided or always
            say_bytes(misbehave(asked.run, results) if strange else right(asked.run, results))


if __name__ == "__main__":
    print("what an implementation says on standard error is its own affair", file=sys.stderr)
    main()
