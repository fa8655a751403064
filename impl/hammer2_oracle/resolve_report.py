"""What ``hammer2-cluster resolve`` prints."""

import json
from typing import Any

import click

from hammer2_cluster.decisions import Decision
from hammer2_oracle.explanation import KKASSERTS, Explanation, explain
from hammer2_oracle.screen import Screen
from hammer2_spec.configuration import FOREIGN, Configuration
from hammer2_spec.notation import draw, format_flags, format_focus
from hammer2_spec.semantics import Semantics, describe
from hammer2_spec.vocabulary import CLUSTER_RDOK, CLUSTER_WROK


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
    verdict, _, _, parts, focus_why = explanation
    for line in draw(configuration.slots, {"focus before": configuration.prior, "focus after": verdict.focus}):
        screen.line(line)
    screen.line()
    screen.line(f"decision  {decision.name} ({decision.function}, {decision.lines}), semantics {describe(semantics)}")
    screen.line(f"quorum    {quorum_in_words(configuration, explanation)}")
    for i, part in enumerate(parts):
        word = "counted " if part.counted else "left out"
        screen.line(f"slot {i}    {word}  {part.why}", "" if part.counted else "dim")
    screen.line(f"outcome   {verdict.outcome.text}", "bold red" if verdict.outcome else "")
    for text in KKASSERTS.get(verdict.outcome, ()):
        screen.line(f"          {text}")
    screen.line(f"focus     {format_focus(verdict.focus)}: {focus_why}", "bold")
    screen.line(f"error     {verdict.error}")
    screen.line(f"flags     {format_flags(verdict.flags)}")
    if not verdict.outcome:
        allowed = {"readable": verdict.flags & CLUSTER_RDOK, "writable": verdict.flags & CLUSTER_WROK}
        screen.line(f"access    {' and '.join(word for word, bits in allowed.items() if bits) or 'none'}")


def quorum_in_words(configuration: Configuration, explanation: Explanation) -> str:
    """The arithmetic of the quorum."""
    agreed, needed = explanation.agreed, explanation.needed
    if configuration.pfs_nmasters is None:
        return "none: there is no PFS, and no master"
    rule = f"{needed} needed ({configuration.pfs_nmasters} / 2 + 1), {agreed.ttlmasters} masters present"
    if agreed.nmasters == 0:
        return f"not reached: no vote counts, {rule}"
    return f"{'reached' if agreed.reached else 'not reached'}: {agreed.nmasters} for tid {agreed.tid}, {rule}"


def summary(
    configuration: Configuration, explanation: Explanation, decision: Decision, semantics: Semantics
) -> dict[str, Any]:
    """The object that ``--json`` prints."""
    slots, pfs_nmasters, prior, flags = configuration
    verdict, agreed, needed, parts, focus_why = explanation
    return {
        "command": "resolve",
        "decision": decision.name,
        "semantics": describe(semantics),
        "pfs_nmasters": pfs_nmasters,
        "prior": focus_as_json(prior),
        "flags_before": flags,
        "quorum": {"reached": agreed.reached, "tid": agreed.tid, "votes": agreed.nmasters, "needed": needed}
        | {"masters_present": agreed.ttlmasters},
        "slots": [
            (slot._asdict() if slot.present else {"present": False}) | part._asdict()
            for slot, part in zip(slots, parts, strict=True)
        ],
        "outcome": verdict.outcome.text,
        "focus": focus_as_json(verdict.focus),
        "focus_why": focus_why,
        "error": verdict.error,
        "flags": verdict.flags,
        "readable": bool(verdict.flags & CLUSTER_RDOK),
        "writable": bool(verdict.flags & CLUSTER_WROK),
    }


def focus_as_json(focus: int | None) -> int | str | None:
    """null, a slot's index, or "foreign"."""
    return "foreign" if focus == FOREIGN else focus
