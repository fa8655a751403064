"""The sentences of the specification by which scenarios are judged, each with the original's lines that it rests on."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from hammer2_spec.claims import CLAIMS
from hammer2_spec.protocol import invariants


class Rule(NamedTuple):
    """A sentence."""

    name: str
    """Of a predicate of the specification, or of a claim."""
    sentence: str
    claims: tuple[str, ...]

    def __str__(self) -> str:
        """With its claims, and the lines that make them."""
        lines = [CLAIMS[claim].lines.replace(", ", ", L") for claim in self.claims if CLAIMS[claim].lines]
        places = ", ".join([*self.claims, *(f"L{place}" for place in lines)])
        if self.name in self.claims:
            return f"{self.sentence} ({places})"
        return f"{self.name}: {self.sentence} ({places})"


def _of(predicate: Callable[..., Any], *claims: str) -> Rule:
    """The sentence of a predicate of the protocol, without the claims that it ends with."""
    sentence = " ".join((predicate.__doc__ or "").split("\n\n", maxsplit=1)[0].split())
    return Rule(predicate.__name__, sentence.partition(" (C")[0].rstrip("."), claims)


def _promised(claim: str) -> Rule:
    return Rule(claim, CLAIMS[claim].promise.rstrip("."), (claim,))


QUORUM: Final = _promised("C34")
CHANGES_GO_ON: Final = _promised("C05")
READS_GO_ON: Final = _promised("C02")
RETRIED: Final = Rule("C33", "What failed was not done, and can be retried", ("C33",))
CURRENT: Final = _of(invariants.a_hard_read_returns_everything_acknowledged, "C32", "C34")
SURVIVES: Final = _of(invariants.every_majority_of_intact_media_yields_what_was_acknowledged, "C97")
NESTED: Final = _of(invariants.acknowledged_versions_are_nested, "C97")
ONE_CONTENT: Final = _of(invariants.a_tid_has_one_content, "C01")
NO_MIXTURE: Final = _of(invariants.a_mixture_of_versions_never_looks_synchronized, "C95")
DECLARED: Final = _of(invariants.a_node_declared_synchronized_is, "C40", "C97")
ENDS_WELL: Final = _promised("C97")
