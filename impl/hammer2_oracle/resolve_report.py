"""What ``hammer2-cluster resolve`` prints."""

import json
from typing import Any

import click

from hammer2_cluster.decisions import Decision
from hammer2_oracle.explanation import KKASSERTS, Explanation, explain, quorum_tid
from hammer2_oracle.screen import Screen
from hammer2_spec.configuration import FOREIGN, Configuration
from hammer2_spec.notation import draw, format_flags, format_focus
from hammer2_spec.semantics import Semantics, describe
from hammer2_spec.vocabulary import CLUSTER_RDOK, CLUSTER_WROK, Error


def report(configuration: Configuration, decision: Decision, semantics: Semantics, as_json: bool) -> None:
    """Decide and explain a valid configuration, for machines or for people."""
    explanation = explain(configuration, semantics)
    if as_json:
        click.echo(json.dumps(summary(configuration, explanation, decision, semantics)))
    else:
        show(configuration, explanation, decision, semantics)


def show(configuration: Configuration, explanation: Explanation, decision: Decision, semantics: Semantics) -> None:
    """Print an explanation for people."""
    screen = Screen()
    verdict, parts = explanation.verdict, explanation.parts
    for line in draw(configuration.slots, {"focus before": configuration.prior, "focus after": verdict.focus}):
        screen.line(line)
    screen.line()
    screen.line(f"decision  {decision.name} ({decision.function}, {decision.lines}), semantics {describe(semantics)}")
    screen.line(f"quorum    {explanation.quorum_why}")
    for i, part in enumerate(parts):
        word = "counted " if part.counted else "left out"
        screen.line(f"slot {i}    {word}  {part.why}", "" if part.counted else "dim")
    screen.line(f"outcome   {verdict.outcome.text}", "bold red" if verdict.outcome else "")
    for text in KKASSERTS.get(verdict.outcome, ()):
        screen.line(f"          {text}")
    screen.line(f"focus     {format_focus(verdict.focus)}: {explanation.focus_why}", "bold")
    screen.line(f"error     {error_in_words(explanation)}")
    screen.line(f"flags     {format_flags(verdict.flags)}")
    if not verdict.outcome:
        screen.line(f"access    {access_in_words(explanation)}")


def access_in_words(explanation: Explanation) -> str:
    """What the cluster can do, and why no more."""
    flags, why = explanation.verdict.flags, explanation.access_why
    allowed = {"readable": flags & CLUSTER_RDOK, "writable": flags & CLUSTER_WROK}
    text = " and ".join(word for word, bits in allowed.items() if bits) or "none"
    return f"{text}: {why}" if why else text


def error_in_words(explanation: Explanation) -> str:
    """The cluster's error by number and name, and whose it is."""
    error, why = explanation.verdict.error, explanation.error_why
    name = f" {Error(error).name}" if error and error in set(Error) else ""
    return f"{error}{name}: {why}" if why else f"{error}{name}"


def summary(
    configuration: Configuration, explanation: Explanation, decision: Decision, semantics: Semantics
) -> dict[str, Any]:
    """The object that ``--json`` prints."""
    slots, pfs_nmasters, prior, flags = configuration
    verdict, agreed, needed, parts, focus_why, _, error_why, access_why = explanation
    return {
        "command": "resolve",
        "decision": decision.name,
        "semantics": describe(semantics),
        "pfs_nmasters": pfs_nmasters,
        "prior": focus_as_json(prior),
        "flags_before": flags,
        "quorum": None
        if pfs_nmasters is None
        else {
            "reached": agreed.reached,
            "tid": quorum_tid(agreed, semantics),
            "votes": agreed.nmasters,
            "needed": needed,
            "masters_present": agreed.ttlmasters,
        },
        "slots": [
            (slot._asdict() if slot.present else {"present": False}) | part._asdict()
            for slot, part in zip(slots, parts, strict=True)
        ],
        "outcome": verdict.outcome.text,
        "focus": focus_as_json(verdict.focus),
        "focus_why": focus_why,
        "error": verdict.error,
        "error_why": error_why or None,
        "flags": verdict.flags,
        "readable": bool(verdict.flags & CLUSTER_RDOK),
        "writable": bool(verdict.flags & CLUSTER_WROK),
        "access_why": access_why or None,
    }


def focus_as_json(focus: int | None) -> int | str | None:
    """null, a slot's index, or "foreign"."""
    return "foreign" if focus == FOREIGN else focus
