"""Hypothesis strategies and a state machine for whoever tests an implementation of the decision from Python.

Small tids, few errors, types that mean something: wide ranges hide the interesting cases.
"""

from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from hammer2_cluster.resolve import resolve
from hammer2_oracle.conform.rules import rules
from hammer2_spec.configuration import ABSENT, FOREIGN, Configuration, Outcome, Slot, Verdict
from hammer2_spec.notation import draw as draw_slots
from hammer2_spec.notation import format_flags, format_focus, format_nmasters
from hammer2_spec.semantics import SEED, Semantics
from hammer2_spec.vocabulary import MAXCLUSTER, NMASTERS_MAX, TID_MAX, PfsType

NEAR_TIDS = st.integers(0, 3)
EDGE_TIDS = st.sampled_from([0, 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**63 + 1, TID_MAX - 1, TID_MAX])
MASTERS_AND_SLAVES = (PfsType.MASTER, PfsType.MASTER, PfsType.MASTER, PfsType.SLAVE)
WITH_A_PART = (*MASTERS_AND_SLAVES, PfsType.SOFT_MASTER, PfsType.SOFT_SLAVE, PfsType.SUPROOT, PfsType.CACHE)


def errors() -> st.SearchStrategy[int]:
    """Errors of a chain: mostly none, sometimes any signed 32-bit number."""
    return st.one_of(st.just(0), st.just(0), st.sampled_from([1, 2, 3]), st.integers(-(2**31), 2**31 - 1))


@st.composite
def configurations(draw: st.DrawFn, max_slots: int = MAXCLUSTER) -> Configuration:
    """Draw a valid configuration of at most ``max_slots`` slots (0..8).

    Half of them are plain views of a PFS, masters and slaves alone, because anything soft, and a super-root, outshines
    those.
    """
    parts = draw(st.sampled_from([MASTERS_AND_SLAVES, WITH_A_PART, tuple(range(256))]))
    tids = draw(st.sampled_from([NEAR_TIDS, EDGE_TIDS]))
    member = st.builds(Slot, st.just(True), st.sampled_from(parts), tids, errors())
    size = draw(st.integers(0, max_slots))  # a list of any length would mostly be short
    one = st.one_of(member, member, member, st.just(ABSENT))
    slots = tuple(draw(st.lists(one, min_size=size, max_size=size)))
    masters = sum(slot.present and slot.type == PfsType.MASTER for slot in slots)
    pfs_nmasters = draw(
        st.one_of(st.integers(max(0, masters - 1), masters + 2), st.none(), st.integers(0, NMASTERS_MAX))
    )
    prior = draw(st.sampled_from([None, FOREIGN, *(i for i, slot in enumerate(slots) if slot.present)]))
    flags = draw(st.one_of(st.sampled_from([0, 4, 0x3F04]), st.integers(0, 2**32 - 1)))
    return Configuration(slots, pfs_nmasters, prior, flags)


def members() -> st.SearchStrategy[Slot]:
    """Members of a cluster: mostly masters and slaves, at tids near each other."""
    parts = st.one_of(st.sampled_from(MASTERS_AND_SLAVES), st.sampled_from(WITH_A_PART))
    return st.builds(Slot, st.just(True), parts, st.one_of(NEAR_TIDS, NEAR_TIDS, EDGE_TIDS), errors())


class DecisionMachine(RuleBasedStateMachine):
    """The life of a cluster, whose members come, change and go, and which is resolved in between.

    Subclass it with an adapter to your implementation, and give its ``TestCase`` to pytest or unittest:

        class MyMachine(DecisionMachine):
            def decide(self, configuration):
                return Verdict(...)  # what your implementation answers

        TestMine = MyMachine.TestCase
    """

    semantics: ClassVar[Semantics] = SEED
    """What the implementation is judged by."""
    where_it_asserts: ClassVar[bool] = True
    """Whether it is asked there, too; False for one that ends its process as a kernel does."""

    def __init__(self) -> None:
        super().__init__()
        self.slots = [ABSENT] * MAXCLUSTER
        self.pfs_nmasters: int | None = None
        self.focus: int | None = None
        self.flags = 0

    def decide(self, configuration: Configuration) -> Verdict:
        """What your implementation answers: to be written."""
        raise NotImplementedError("a subclass answers here, with its implementation")

    @initialize(configuration=configurations())
    def begins(self, configuration: Configuration) -> None:
        """Any cluster, with room for more members."""
        slots, self.pfs_nmasters, self.focus, self.flags = configuration
        self.slots = [*slots, *[ABSENT] * (MAXCLUSTER - len(slots))]

    @rule(i=st.integers(0, MAXCLUSTER - 1), member=members(), resolved=st.booleans())
    def comes(self, i: int, member: Slot, resolved: bool) -> None:
        """A member comes, in the place of another if there is one."""
        self.goes(i, resolved=False)
        self.slots[i] = member
        if resolved:
            self.is_resolved()

    @rule(i=st.integers(0, MAXCLUSTER - 1), resolved=st.booleans())
    def goes(self, i: int, resolved: bool) -> None:
        """A member goes; the focus may be left a chain that is no member."""
        self.slots[i] = ABSENT
        if self.focus == i:
            self.focus = FOREIGN
        if resolved:
            self.is_resolved()

    @rule(i=st.integers(0, MAXCLUSTER - 1), tid=NEAR_TIDS, error=errors(), resolved=st.booleans())
    def changes(self, i: int, tid: int, error: int, resolved: bool) -> None:
        """A member that is there is flushed, or gets an error, or loses it."""
        if self.slots[i].present:
            self.slots[i] = self.slots[i]._replace(tid=tid, error=error)
        if resolved:
            self.is_resolved()

    @rule()
    def is_resolved(self) -> None:
        """The implementation decides as it should, and the cluster lives on with what it decided."""
        configuration = Configuration(tuple(self.slots), self.pfs_nmasters, self.focus, self.flags)
        expected = resolve(*configuration, self.semantics)
        if expected.outcome != Outcome.OK and not self.where_it_asserts:
            return
        got = self.decide(configuration)
        assert got == expected, differing(configuration, self.semantics, expected, got)  # noqa: S101 - what a test is
        if got.outcome == Outcome.OK:
            self.focus, self.flags = got.focus, got.flags


def differing(configuration: Configuration, chosen: Semantics, expected: Verdict, got: Verdict) -> str:
    """In what two verdicts differ, and which rules decide it."""
    pairs = zip(Verdict._fields, expected, got, strict=True)
    fields = [name for name, right, wrong in pairs if right != wrong]
    marks = {"focus before": configuration.prior, "expected focus": expected.focus, "got focus": got.focus}
    lines = [*draw_slots(configuration.slots, marks), format_nmasters(configuration.pfs_nmasters)]
    lines += [f"{name}: expected {shown(name, expected)}, got {shown(name, got)}" for name in fields]
    return "\n".join(["", *lines, *rules(configuration, chosen, fields, got)])


def shown(field: str, verdict: Verdict) -> str:
    """One field of a verdict for people; what is none of its values as it is."""
    value = getattr(verdict, field)
    if isinstance(value, Outcome):
        return value.text
    if field == "flags" and isinstance(value, int):
        return format_flags(value)
    return format_focus(value) if field == "focus" and isinstance(value, int | None) else repr(value)


def semantics() -> st.SearchStrategy[Semantics]:
    """Any selection of repairs; shrinks towards the seed."""
    return st.builds(Semantics, *(st.booleans() for _ in Semantics._fields))
