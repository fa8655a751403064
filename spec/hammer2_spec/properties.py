"""What the claims C33-C43 demand of resolve, as sentences about configurations and verdicts.

A ``Property`` speaks of one configuration and its verdict. A ``PairProperty`` speaks of two configurations, the second
built from the first, an arbitrary other one and a case number, and of both verdicts. Both are plain functions in the
dialect that proofs lifts to z3; the decision itself is never called from here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hammer2_spec.configuration import ABSENT, Configuration, Outcome, Slot, Verdict
from hammer2_spec.resolve import majority, member_type, members, outranks, votes_at
from hammer2_spec.vocabulary import CLUSTER_RDOK, CLUSTER_WROK, CLUSTER_ZFLAGS, MAXCLUSTER, ClusterFlag, Error, PfsType


@dataclass(frozen=True)
class Property:
    """A sentence about one configuration and its verdict, true wherever its hypothesis is."""

    name: str
    sentence: str
    claims: tuple[str, ...]
    lines: str
    """Where the seed promises it."""
    given: Callable[[Configuration, Verdict], bool]
    holds: Callable[[Configuration, Verdict], bool]


@dataclass(frozen=True)
class PairProperty:
    """A sentence about two configurations and their verdicts, for every case number."""

    name: str
    sentence: str
    claims: tuple[str, ...]
    lines: str
    cases: Sequence[int]
    second: Callable[[Configuration, Verdict, Configuration, int], Configuration]
    """The second configuration, made of the first, its verdict, another one with as many slots, and the case."""
    given: Callable[[Configuration, Verdict, Configuration, Verdict], bool]
    holds: Callable[[Configuration, Verdict, Configuration, Verdict], bool]


AnyProperty = Property | PairProperty
PROPERTIES: list[AnyProperty] = []


def served(configuration: Configuration, verdict: Verdict) -> bool:
    """The usual hypothesis: resolve came to an end (that it always does is a property of its own)."""
    return verdict.outcome == Outcome.OK


def both_served(first: Configuration, verdict: Verdict, second: Configuration, then: Verdict) -> bool:
    """Resolve came to an end twice."""
    return verdict.outcome == Outcome.OK and then.outcome == Outcome.OK


def sentence_of(function: Callable[..., object]) -> str:
    """The first paragraph of a docstring. Raises ValueError where there is none."""
    text = " ".join((function.__doc__ or "").partition("\n\n")[0].split())
    if not text:
        raise ValueError(f"{function.__name__} has no docstring to say in a sentence what it promises")
    return text


def hypothesis_of(prop: AnyProperty) -> str | None:
    """What a property assumes, in a sentence; None where it assumes no more than that resolve comes to an end."""
    return None if prop.given in (served, both_served, always, any_two) else sentence_of(prop.given)


def _register(prop: AnyProperty) -> None:
    if any(prop.name == other.name for other in PROPERTIES):
        raise ValueError(f"there are two properties called {prop.name}")
    PROPERTIES.append(prop)


def claim(
    *claims: str, lines: str, given: Callable[[Configuration, Verdict], bool] = served
) -> Callable[[Callable[[Configuration, Verdict], bool]], Callable[[Configuration, Verdict], bool]]:
    """Register a property of one configuration under the claims that it formalizes."""

    def register(holds: Callable[[Configuration, Verdict], bool]) -> Callable[[Configuration, Verdict], bool]:
        _register(Property(holds.__name__, sentence_of(holds), claims, lines, given, holds))
        return holds

    return register


def pair_claim(
    *claims: str,
    lines: str,
    second: Callable[[Configuration, Verdict, Configuration, int], Configuration],
    cases: Sequence[int] = (0,),
    given: Callable[[Configuration, Verdict, Configuration, Verdict], bool] = both_served,
) -> Callable[
    [Callable[[Configuration, Verdict, Configuration, Verdict], bool]],
    Callable[[Configuration, Verdict, Configuration, Verdict], bool],
]:
    """Register a property of two configurations under the claims that it formalizes."""

    def register(
        holds: Callable[[Configuration, Verdict, Configuration, Verdict], bool],
    ) -> Callable[[Configuration, Verdict, Configuration, Verdict], bool]:
        _register(PairProperty(holds.__name__, sentence_of(holds), claims, lines, cases, second, given, holds))
        return holds

    return register


# What the sentences speak of.


def having(configuration: Configuration, pfs_type: int) -> set[int]:
    """The present members of one type."""
    return members(configuration.slots, configuration.pfs_nmasters, pfs_type)


def may_read(verdict: Verdict) -> bool:
    """hammer2_cluster_rdok()."""
    return verdict.flags & CLUSTER_RDOK != 0


def may_write(verdict: Verdict) -> bool:
    """hammer2_cluster_wrok()."""
    return verdict.flags & CLUSTER_WROK != 0


def may_write_hard(verdict: Verdict) -> bool:
    """Writing goes through a quorum (or is the super-root's)."""
    return verdict.flags & ClusterFlag.WRHARD != 0


def may_read_hard(verdict: Verdict) -> bool:
    """Reading goes through a quorum (or is the super-root's)."""
    return verdict.flags & ClusterFlag.RDHARD != 0


def masters_agree_on(configuration: Configuration, tid: int) -> bool:
    """More than half of the masters that the PFS has are here, without error, at this tid."""
    slots = configuration.slots
    sound = {i for i in having(configuration, PfsType.MASTER) if slots[i].error == 0}
    return votes_at(slots, sound, tid) >= majority(configuration.pfs_nmasters)


def at_the_quorum(configuration: Configuration, i: int) -> bool:
    """Slot i is without error at the highest tid that a majority of masters agrees on."""
    slots = configuration.slots
    return (
        slots[i].error == 0
        and masters_agree_on(configuration, slots[i].tid)
        and not any(
            slots[j].tid > slots[i].tid and masters_agree_on(configuration, slots[j].tid)
            for j in having(configuration, PfsType.MASTER)
        )
    )


def plain(configuration: Configuration) -> bool:
    """A view of a PFS through masters and slaves alone: no super-root, nothing soft."""
    return not (
        having(configuration, PfsType.SUPROOT)
        or having(configuration, PfsType.SOFT_MASTER)
        or having(configuration, PfsType.SOFT_SLAVE)
    )


def masters_in_existence(configuration: Configuration) -> int:
    """The masters among the nodes of the PFS, present or not."""
    return len({i for i, slot in enumerate(configuration.slots) if slot.type == PfsType.MASTER})


def no_more_masters_than_promised(configuration: Configuration) -> bool:
    """The PFS has at most pfs_nmasters masters, so that no two majorities are disjoint."""
    return configuration.pfs_nmasters is not None and masters_in_existence(configuration) <= configuration.pfs_nmasters


def access_of(verdict: Verdict) -> int:
    """The four flags that say what the cluster can do."""
    return verdict.flags & (CLUSTER_RDOK | CLUSTER_WROK)


def is_focus(configuration: Configuration, verdict: Verdict, pfs_type: int) -> bool:
    """The focus is a member of this type."""
    return any(verdict.focus == i for i in having(configuration, pfs_type))


def is_sound_focus(configuration: Configuration, verdict: Verdict, pfs_type: int) -> bool:
    """The focus is a member of this type, without error."""
    return any(verdict.focus == i and configuration.slots[i].error == 0 for i in having(configuration, pfs_type))


# One configuration.


def always(configuration: Configuration, verdict: Verdict) -> bool:
    """No hypothesis."""
    return True


@claim("C37", "C38", "C43", lines="408, 505-526", given=always)
def no_configuration_ends_in_an_assertion(configuration: Configuration, verdict: Verdict) -> bool:
    """Whatever the members are, resolve comes to an end."""
    return verdict.outcome == Outcome.OK


def without_a_pfs(configuration: Configuration, verdict: Verdict) -> bool:
    """The cluster has no PFS, but an error-free chain."""
    return configuration.pfs_nmasters is None and any(slot.present and slot.error == 0 for slot in configuration.slots)


@claim("C43", "C39", lines="408, 632, 767, 813", given=without_a_pfs)
def a_cluster_without_a_pfs_is_readable_and_writable(configuration: Configuration, verdict: Verdict) -> bool:
    """A cluster's PFS may be NULL: its chains belong to the super-root topology of one device."""
    return verdict.outcome == Outcome.OK and may_read(verdict) and may_write(verdict)


def a_majority_agrees(configuration: Configuration) -> bool:
    """There is a tid that a majority of masters holds without error."""
    return any(
        masters_agree_on(configuration, configuration.slots[i].tid) for i in having(configuration, PfsType.MASTER)
    )


@claim("C34", lines="404-430, 463-470")
def hard_access_needs_a_majority_of_sound_masters_at_one_tid(configuration: Configuration, verdict: Verdict) -> bool:
    """Reading or writing hard takes more than half of pfs_nmasters, all without error and at one tid."""
    return (
        not (may_read_hard(verdict) or may_write_hard(verdict))
        or bool(having(configuration, PfsType.SUPROOT))
        or a_majority_agrees(configuration)
    )


def a_plain_majority(configuration: Configuration, verdict: Verdict) -> bool:
    """A view through masters and slaves, in which a majority of masters agrees."""
    return plain(configuration) and a_majority_agrees(configuration)


@claim("C02", "C05", "C34", lines="50-51, 86-88, 463-470", given=a_plain_majority)
def a_majority_of_sound_masters_at_one_tid_is_enough(configuration: Configuration, verdict: Verdict) -> bool:
    """What a majority of masters holds can be read and written, whatever the other members show."""
    return may_read_hard(verdict) and may_write_hard(verdict) and verdict.error == 0


@claim("C35", lines="470-474")
def an_errored_master_is_never_the_focus(configuration: Configuration, verdict: Verdict) -> bool:
    """No errored master is selected."""
    return not is_focus(configuration, verdict, PfsType.MASTER) or is_sound_focus(
        configuration, verdict, PfsType.MASTER
    )


@claim("C35", lines="491-495")
def an_errored_slave_is_never_the_focus(configuration: Configuration, verdict: Verdict) -> bool:
    """No errored slave is selected."""
    return not is_focus(configuration, verdict, PfsType.SLAVE) or is_sound_focus(configuration, verdict, PfsType.SLAVE)


@claim("C34", "C35", lines="463-474, 485-495")
def a_focused_master_or_slave_is_at_the_tid_of_the_quorum(configuration: Configuration, verdict: Verdict) -> bool:
    """A selected master or slave is at the highest tid that a majority of masters agrees on."""
    return not any(
        verdict.focus == i and not at_the_quorum(configuration, i)
        for i in having(configuration, PfsType.MASTER) | having(configuration, PfsType.SLAVE)
    )


@claim("C36", lines="477-482, 498-502")
def a_slave_is_the_focus_only_where_no_master_will_do(configuration: Configuration, verdict: Verdict) -> bool:
    """No slave is selected while an error-free master is at the same tid, in whatever order they stand."""
    slots = configuration.slots
    return not any(
        verdict.focus == i and slots[j].error == 0 and slots[j].tid == slots[i].tid
        for i in having(configuration, PfsType.SLAVE)
        for j in having(configuration, PfsType.MASTER)
    )


@claim("C37", lines="505-513")
def a_soft_master_always_wins(configuration: Configuration, verdict: Verdict) -> bool:
    """Where a soft master is mounted, the focus is a soft master."""
    return not having(configuration, PfsType.SOFT_MASTER) or is_focus(configuration, verdict, PfsType.SOFT_MASTER)


@claim("C38", lines="515-525")
def a_soft_slave_wins_over_all_but_a_soft_master(configuration: Configuration, verdict: Verdict) -> bool:
    """Where a soft slave is mounted and no soft master, the focus is a soft slave."""
    return (
        not having(configuration, PfsType.SOFT_SLAVE)
        or bool(having(configuration, PfsType.SOFT_MASTER))
        or is_focus(configuration, verdict, PfsType.SOFT_SLAVE)
    )


@claim("C37", "C38", "C39", lines="440-448, 505-526")
def no_like_member_outranks_the_focus(configuration: Configuration, verdict: Verdict) -> bool:
    """Of several super-roots, soft masters or soft slaves the best is the focus: no error, then the highest tid."""
    slots = configuration.slots
    return not any(
        verdict.focus == i and outranks(slots[j], slots[i])
        for kind in (PfsType.SUPROOT, PfsType.SOFT_MASTER, PfsType.SOFT_SLAVE)
        for i in having(configuration, kind)
        for j in having(configuration, kind)
    )


def a_sound_super_root(configuration: Configuration, verdict: Verdict) -> bool:
    """A super-root without error, and nothing soft."""
    return (
        verdict.outcome == Outcome.OK
        and any(configuration.slots[i].error == 0 for i in having(configuration, PfsType.SUPROOT))
        and not having(configuration, PfsType.SOFT_MASTER)
        and not having(configuration, PfsType.SOFT_SLAVE)
    )


@claim("C39", lines="440-449", given=a_sound_super_root)
def the_super_root_is_readable_and_writable(configuration: Configuration, verdict: Verdict) -> bool:
    """A degenerate one-device cluster can be read and written, and its focus is the super-root."""
    return (
        may_read_hard(verdict)
        and may_write_hard(verdict)
        and verdict.error == 0
        and is_focus(configuration, verdict, PfsType.SUPROOT)
    )


@claim("C40", lines="532-541")
def msynced_means_that_all_masters_are_at_the_quorum(configuration: Configuration, verdict: Verdict) -> bool:
    """MSYNCED is set iff every master here, even if there is none, is without error at the quorum's tid."""
    return (verdict.flags & ClusterFlag.MSYNCED != 0) == all(
        at_the_quorum(configuration, i) for i in having(configuration, PfsType.MASTER)
    )


@claim("C40", lines="532-541")
def ssynced_means_that_all_slaves_are_at_the_quorum(configuration: Configuration, verdict: Verdict) -> bool:
    """SSYNCED is set iff every slave here, even if there is none, is without error at the quorum's tid."""
    return (verdict.flags & ClusterFlag.SSYNCED != 0) == all(
        at_the_quorum(configuration, i) for i in having(configuration, PfsType.SLAVE)
    )


@claim("C41", lines="548-549")
def reading_goes_through_a_sound_focus(configuration: Configuration, verdict: Verdict) -> bool:
    """Where rdok holds, the focus is a member without error."""
    return not may_read(verdict) or any(
        verdict.focus == i and slot.present and slot.error == 0 for i, slot in enumerate(configuration.slots)
    )


@claim("C41", lines="548-550")
def writing_goes_through_a_focus_that_may_be_written(configuration: Configuration, verdict: Verdict) -> bool:
    """Where wrok holds, the focus is a master, a soft master or a super-root, without error."""
    return (
        not may_write(verdict)
        or is_sound_focus(configuration, verdict, PfsType.MASTER)
        or is_sound_focus(configuration, verdict, PfsType.SOFT_MASTER)
        or is_sound_focus(configuration, verdict, PfsType.SUPROOT)
    )


@claim("C33", "C41", lines="344-345, 543-549")
def what_cannot_be_read_is_an_error(configuration: Configuration, verdict: Verdict) -> bool:
    """A configuration that cannot be served yields an error code."""
    return may_read(verdict) or verdict.error != 0


@claim("C33", "C41", lines="543-549")
def an_error_grants_no_access(configuration: Configuration, verdict: Verdict) -> bool:
    """Where there is an error code, neither reading nor writing is declared possible."""
    return verdict.error == 0 or not (may_read(verdict) or may_write(verdict))


@claim("C33", lines="448, 481, 501, 512, 523")
def the_error_is_that_of_the_focus(configuration: Configuration, verdict: Verdict) -> bool:
    """The cluster's error is its focus's."""
    return all(verdict.focus != i or verdict.error == slot.error for i, slot in enumerate(configuration.slots))


@claim("C30", "C42", lines="331")
def the_focus_is_none_or_a_member(configuration: Configuration, verdict: Verdict) -> bool:
    """Resolve sets the focus: it is never a chain that the cluster does not hold."""
    return verdict.focus is None or any(
        verdict.focus == i and slot.present for i, slot in enumerate(configuration.slots)
    )


@claim("C40", "C41", lines="552-553", given=always)
def no_other_flag_changes(configuration: Configuration, verdict: Verdict) -> bool:
    """Only the six flags WRHARD to SSYNCED are set or cleared."""
    return verdict.flags & ~CLUSTER_ZFLAGS == configuration.flags & ~CLUSTER_ZFLAGS


@claim("C35", "C37", "C38", "C39", lines="430-452, 458-530")
def the_focus_has_a_part_in_the_cluster(configuration: Configuration, verdict: Verdict) -> bool:
    """A focus is a master, a slave, a soft master, a soft slave or a super-root, and nothing else."""
    return (
        verdict.focus is None
        or is_focus(configuration, verdict, PfsType.MASTER)
        or is_focus(configuration, verdict, PfsType.SLAVE)
        or is_focus(configuration, verdict, PfsType.SOFT_MASTER)
        or is_focus(configuration, verdict, PfsType.SOFT_SLAVE)
        or is_focus(configuration, verdict, PfsType.SUPROOT)
    )


@claim("C39", lines="440-449")
def the_super_root_wins_over_all_that_is_not_soft(configuration: Configuration, verdict: Verdict) -> bool:
    """Where a super-root is mounted and nothing soft, the focus is a super-root."""
    return (
        not having(configuration, PfsType.SUPROOT)
        or bool(having(configuration, PfsType.SOFT_MASTER))
        or bool(having(configuration, PfsType.SOFT_SLAVE))
        or is_focus(configuration, verdict, PfsType.SUPROOT)
    )


@claim("C37", "C41", lines="433-436, 505-514")
def writing_softly_is_for_a_sound_soft_master(configuration: Configuration, verdict: Verdict) -> bool:
    """WRSOFT is set iff the focus is a soft master without error."""
    return (verdict.flags & ClusterFlag.WRSOFT != 0) == is_sound_focus(configuration, verdict, PfsType.SOFT_MASTER)


@claim("C37", "C38", "C41", lines="433-439, 505-526")
def reading_softly_is_for_a_sound_soft_focus(configuration: Configuration, verdict: Verdict) -> bool:
    """RDSOFT is set iff the focus is a soft master or a soft slave without error."""
    return (verdict.flags & ClusterFlag.RDSOFT != 0) == (
        is_sound_focus(configuration, verdict, PfsType.SOFT_MASTER)
        or is_sound_focus(configuration, verdict, PfsType.SOFT_SLAVE)
    )


@claim("C34", "C39", "C41", lines="440-446, 463-470, 548-550")
def reading_hard_is_for_a_sound_master_slave_or_super_root(configuration: Configuration, verdict: Verdict) -> bool:
    """RDHARD is set iff the focus is a master, a slave or a super-root without error: never through a soft focus."""
    return may_read_hard(verdict) == (
        is_sound_focus(configuration, verdict, PfsType.MASTER)
        or is_sound_focus(configuration, verdict, PfsType.SLAVE)
        or is_sound_focus(configuration, verdict, PfsType.SUPROOT)
    )


@claim("C34", "C39", "C41", lines="440-446, 463-470, 548-550")
def writing_hard_is_for_a_sound_master_or_super_root(configuration: Configuration, verdict: Verdict) -> bool:
    """WRHARD is set iff the focus is a master or a super-root without error."""
    return may_write_hard(verdict) == (
        is_sound_focus(configuration, verdict, PfsType.MASTER)
        or is_sound_focus(configuration, verdict, PfsType.SUPROOT)
    )


@claim("C33", lines="344-345, 543-551")
def where_there_is_no_focus_the_error_says_so(configuration: Configuration, verdict: Verdict) -> bool:
    """Where no member may be believed, the error is INCOMPLETE."""
    return verdict.focus is not None or verdict.error == Error.INCOMPLETE


# Two configurations.


def another_view(first: Configuration, verdict: Verdict, other: Configuration, case: int) -> Configuration:
    """The same PFS seen by somebody else: other members present, with other tids and errors."""
    return Configuration(
        tuple(
            Slot(there.present, here.type, there.tid, there.error)
            for here, there in zip(first.slots, other.slots, strict=True)
        ),
        first.pfs_nmasters,
        other.prior,
        other.flags,
    )


def two_views_of_one_pfs(first: Configuration, verdict: Verdict, second: Configuration, then: Verdict) -> bool:
    """Two views of one PFS, with at most pfs_nmasters masters in existence, without super-roots."""
    return (
        both_served(first, verdict, second, then)
        and no_more_masters_than_promised(first)
        and not having(first, PfsType.SUPROOT)
        and not having(second, PfsType.SUPROOT)
    )


@pair_claim("C05", "C34", lines="86-88, 463-470", second=another_view, given=two_views_of_one_pfs)
def two_views_that_may_both_write_share_a_sound_master(
    first: Configuration, verdict: Verdict, second: Configuration, then: Verdict
) -> bool:
    """Two views that may both write hard have a master in common, without error in both."""
    return not (may_write_hard(verdict) and may_write_hard(then)) or any(
        first.slots[i].error == 0 and second.slots[i].error == 0
        for i in having(first, PfsType.MASTER) & having(second, PfsType.MASTER)
    )


def the_same_moment(first: Configuration, verdict: Verdict, other: Configuration, case: int) -> Configuration:
    """The same PFS at the same moment: other members present, with the tids and errors that they have."""
    return Configuration(
        tuple(
            Slot(there.present, here.type, here.tid, here.error)
            for here, there in zip(first.slots, other.slots, strict=True)
        ),
        first.pfs_nmasters,
        other.prior,
        other.flags,
    )


def hard_focus(configuration: Configuration, verdict: Verdict) -> set[int]:
    """The focus, where it is a master or a slave."""
    return {
        i for i in having(configuration, PfsType.MASTER) | having(configuration, PfsType.SLAVE) if verdict.focus == i
    }


@pair_claim("C34", "C35", lines="404-430, 463-470", second=the_same_moment, given=two_views_of_one_pfs)
def two_views_of_one_moment_focus_one_tid(
    first: Configuration, verdict: Verdict, second: Configuration, then: Verdict
) -> bool:
    """Two views of one PFS at one moment, whose focuses are masters or slaves, see the same tid."""
    return all(
        first.slots[i].tid == second.slots[j].tid for i in hard_focus(first, verdict) for j in hard_focus(second, then)
    )


def with_a_member_added(first: Configuration, other: Configuration, case: int, pfs_type: int) -> Configuration:
    """Slot ``case`` gets a member of this type, with the other configuration's tid and error."""
    return Configuration(
        tuple(
            Slot(True, pfs_type, other.slots[i].tid, other.slots[i].error) if i == case else first.slots[i]
            for i in range(len(first.slots))
        ),
        first.pfs_nmasters,
        first.prior,
        first.flags,
    )


def with_a_master_added(first: Configuration, verdict: Verdict, other: Configuration, case: int) -> Configuration:
    """Slot ``case`` gets a master."""
    return with_a_member_added(first, other, case, PfsType.MASTER)


def with_a_slave_added(first: Configuration, verdict: Verdict, other: Configuration, case: int) -> Configuration:
    """Slot ``case`` gets a slave."""
    return with_a_member_added(first, other, case, PfsType.SLAVE)


def a_member_came(first: Configuration, verdict: Verdict, second: Configuration, then: Verdict) -> bool:
    """A slot that was empty is taken, and there are at most pfs_nmasters masters all the same."""
    return (
        verdict.outcome == Outcome.OK
        and no_more_masters_than_promised(second)
        and any(not before.present and after.present for before, after in zip(first.slots, second.slots, strict=True))
        and all(before == after or not before.present for before, after in zip(first.slots, second.slots, strict=True))
    )


def nothing_is_taken_away(verdict: Verdict, then: Verdict) -> bool:
    """What could be done can still be done."""
    return then.outcome == Outcome.OK and access_of(verdict) & ~access_of(then) == 0


@pair_claim(
    "C02", "C05", lines="50-51, 86-88", second=with_a_master_added, cases=range(MAXCLUSTER), given=a_member_came
)
def an_added_master_takes_nothing_away(
    first: Configuration, verdict: Verdict, second: Configuration, then: Verdict
) -> bool:
    """A master that joins a view, whatever its tid and even if it is broken, takes away nothing that could be done."""
    return nothing_is_taken_away(verdict, then)


@pair_claim("C02", lines="50-51", second=with_a_slave_added, cases=range(MAXCLUSTER), given=a_member_came)
def an_added_slave_takes_nothing_away(
    first: Configuration, verdict: Verdict, second: Configuration, then: Verdict
) -> bool:
    """A slave that joins a view, whatever its tid and even if it is broken, takes away nothing that could be done."""
    return nothing_is_taken_away(verdict, then)


def exchanged(i: int, case: int, count: int) -> int:
    """Where slot i goes when slots ``case`` and ``case + 1`` change places."""
    if case + 1 >= count:
        return i
    if i == case:
        return case + 1
    if i == case + 1:
        return case
    return i


def with_neighbours_exchanged(first: Configuration, verdict: Verdict, other: Configuration, case: int) -> Configuration:
    """Slots ``case`` and ``case + 1`` change places, and the prior focus goes with them."""
    count = len(first.slots)
    prior = first.prior
    if prior is not None:
        prior = exchanged(prior, case, count)
    return Configuration(
        tuple(first.slots[exchanged(i, case, count)] for i in range(count)), first.pfs_nmasters, prior, first.flags
    )


def any_two(first: Configuration, verdict: Verdict, second: Configuration, then: Verdict) -> bool:
    """No hypothesis."""
    return True


def focused(configuration: Configuration, verdict: Verdict) -> Slot:
    """The member in focus; ABSENT for none and for a chain that is no member."""
    if verdict.focus is None or verdict.focus < 0:
        return ABSENT
    slot = configuration.slots[verdict.focus]
    return Slot(slot.present, member_type(slot, configuration.pfs_nmasters), slot.tid, slot.error)


@pair_claim(
    "C36",
    "C42",
    lines="379-554",
    second=with_neighbours_exchanged,
    cases=range(MAXCLUSTER - 1),
    given=any_two,
)
def the_order_of_slots_decides_only_between_equals(
    first: Configuration, verdict: Verdict, second: Configuration, then: Verdict
) -> bool:
    """Two neighbours that change places change at most which of several equal members is the focus.

    Every other order is reached by such exchanges, so that it changes no more than that either.
    """
    return (
        verdict.outcome == then.outcome
        and verdict.error == then.error
        and verdict.flags == then.flags
        and focused(first, verdict) == focused(second, then)
    )


def with_another_past(first: Configuration, verdict: Verdict, other: Configuration, case: int) -> Configuration:
    """The same members, but another focus and other flags from before."""
    return Configuration(first.slots, first.pfs_nmasters, other.prior, other.flags)


def a_past_of_these_members(first: Configuration, verdict: Verdict, second: Configuration, then: Verdict) -> bool:
    """A focus from before is a member that is present, or foreign."""
    return (
        second.prior is None
        or second.prior < 0
        or any(second.prior == i and slot.present for i, slot in enumerate(second.slots))
    )


@pair_claim("C42", lines="379-554", second=with_another_past, given=a_past_of_these_members)
def the_past_plays_no_part(first: Configuration, verdict: Verdict, second: Configuration, then: Verdict) -> bool:
    """Resolve is a function of the members: neither the focus nor the six flags from before decide anything."""
    return (
        verdict.outcome == then.outcome
        and verdict.focus == then.focus
        and verdict.error == then.error
        and verdict.flags & CLUSTER_ZFLAGS == then.flags & CLUSTER_ZFLAGS
    )


def as_it_was_left(first: Configuration, verdict: Verdict, other: Configuration, case: int) -> Configuration:
    """The same members, with the focus and the flags that resolve has left."""
    return Configuration(first.slots, first.pfs_nmasters, verdict.focus, verdict.flags)


@pair_claim("C42", lines="379-554", second=as_it_was_left)
def resolving_twice_gives_the_same(
    first: Configuration, verdict: Verdict, second: Configuration, then: Verdict
) -> bool:
    """A second resolve changes nothing."""
    return verdict == then
