"""Which rules decide where an answer differs: why the expected one is right, and which sentences the other breaks."""

from collections.abc import Iterator, Sequence
from typing import Final

from hammer2_oracle.explanation import KKASSERTS, Explanation, explain
from hammer2_oracle.resolve_report import access_in_words, error_in_words
from hammer2_spec.configuration import FOREIGN, Configuration, Verdict
from hammer2_spec.notation import format_flags, format_focus
from hammer2_spec.properties import PROPERTIES, Property
from hammer2_spec.semantics import Semantics

SENTENCES: Final = [prop for prop in PROPERTIES if isinstance(prop, Property)]
"""Those of one configuration and its verdict."""


def rules(
    configuration: Configuration, semantics: Semantics, fields: Sequence[str], got: Verdict | None
) -> Iterator[str]:
    """Why the fields that differ should be otherwise, then every sentence of the specification that the answer breaks.

    A sentence that the expected answer breaks too (the original breaks many) is no reason. None as got: nothing that
    the decision ever says.
    """
    explanation = explain(configuration, semantics)
    for field in fields:
        yield f"why {field}: {_why(field, explanation)}"
    for prop in broken(configuration, explanation.verdict, got) if got else ():
        yield f"broken: {prop.sentence} ({', '.join(prop.claims)}, L{prop.lines.replace(', ', ', L')})"


def _why(field: str, explanation: Explanation) -> str:
    verdict = explanation.verdict
    match field:
        case "outcome":
            return "; ".join(KKASSERTS.get(verdict.outcome, ("no assertion of the original fires",)))
        case "focus":
            return f"{format_focus(verdict.focus)}, {explanation.focus_why}"
        case "error":
            return error_in_words(explanation)
        case _:
            quorum, access = explanation.quorum_why, access_in_words(explanation)
            return f"{format_flags(verdict.flags)}; quorum {quorum}; access {access}"


def broken(configuration: Configuration, expected: Verdict, got: Verdict) -> list[Property]:
    """The sentences that a verdict breaks, and the expected one does not."""
    slots = configuration.slots
    if got.focus is not None and not (0 <= got.focus < len(slots) and slots[got.focus].present):
        got = got._replace(focus=FOREIGN)  # whatever slot it names, it is no member
    return [
        prop
        for prop in SENTENCES
        if prop.given(configuration, got)
        and not prop.holds(configuration, got)
        and not (prop.given(configuration, expected) and not prop.holds(configuration, expected))
    ]
