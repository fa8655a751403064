"""The public entry to the decision: arguments refused, contracts checked, assertions raised."""

import icontract

from hammer2_cluster import resolve as kernel
from hammer2_cluster.outcomes import KernelAssert
from hammer2_spec import resolve as specification
from hammer2_spec.configuration import Configuration, Outcome, Verdict, validate
from hammer2_spec.properties import served
from hammer2_spec.semantics import REPAIRED, Semantics


def the_configuration_is_valid(configuration: Configuration) -> bool:
    """Raises ValueError, with the field, the value and the range, instead of being false."""
    validate(configuration)
    return True


def the_verdict_is_the_specified_one(configuration: Configuration, semantics: Semantics, result: Verdict) -> bool:
    """The implementation and the declarative specification agree."""
    return result == specification.resolve(*configuration, semantics)


def resolve_always_ends_when_repaired(configuration: Configuration, semantics: Semantics, result: Verdict) -> bool:
    """With all repairs no assertion fires."""
    return semantics != REPAIRED or served(configuration, result)


@icontract.require(the_configuration_is_valid, enabled=True)
@icontract.ensure(the_verdict_is_the_specified_one, enabled=True)
@icontract.ensure(resolve_always_ends_when_repaired, enabled=True)
def decide(configuration: Configuration, semantics: Semantics = REPAIRED) -> Verdict:
    """Which members may be believed, and which one is the focus (L379-554), with a KKASSERT as the verdict's outcome.

    Args:
        configuration: the members, 0 to 8 Slots; pfs_nmasters, 0..255, None without a PFS; the focus from before: None,
            the index of a slot that is present, or FOREIGN (-1), a chain that is no member any more; the flags from
            before, 0..2^32-1.
        semantics: which of the seed's mistakes are mended.

    Raises:
        ValueError: a field is out of the range of the original's type; the text names field, value and range.
    """
    return kernel.resolve(*configuration, semantics)


def resolve(configuration: Configuration, semantics: Semantics = REPAIRED) -> Verdict:
    """As decide, but a KKASSERT that fires is raised (L379-554).

    Raises:
        ValueError: as decide.
        KernelAssert: with the line of the KKASSERT; only where semantics lacks ranked_soft or no_pfs_root.
    """
    verdict = decide(configuration, semantics)
    if verdict.outcome != Outcome.OK:
        raise KernelAssert(f"L{verdict.outcome.value}")
    return verdict
