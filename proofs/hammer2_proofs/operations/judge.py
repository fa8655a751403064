"""Runs one operation on the model and judges what must hold after any, and what the world's facts are."""

from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache, lru_cache
from inspect import signature
from typing import Any, Final, NamedTuple, Protocol, TypeGuard

from icontract import ViolationError

from hammer2_cluster import lookups
from hammer2_cluster.chain_layer import ChainLayer
from hammer2_cluster.model import QUESTIONS, Chooser, Misuse, Model, Node, NodeSpec
from hammer2_cluster.objects import Chain, Cluster
from hammer2_cluster.outcomes import Fatal
from hammer2_cluster.runner import Runner
from hammer2_cluster.standing import SOFT_AND_SUPROOT
from hammer2_cluster.straight import Straight
from hammer2_spec import cluster_rules as rules
from hammer2_spec import resolve as specification
from hammer2_spec.configuration import ABSENT, Slot, Verdict
from hammer2_spec.resolve import majority
from hammer2_spec.semantics import REPAIRED, Semantics
from hammer2_spec.vocabulary import CLUSTER_ZFLAGS, BrefType, ClusterFlag, Error, PfsType


class Violation(AssertionError):
    """Something that the claims do not allow: the sentence that is broken, and where it was seen."""

    def __init__(self, rule: str, operation: str, detail: str = "") -> None:
        super().__init__(f"{rule} - but not after {operation}{': ' if detail else ''}{detail}")
        self.rule = rule
        self.operation = operation


class Observer(Protocol):
    """Whoever wants to know what a client does."""

    def begins(self, operation: str, args: dict[str, object]) -> None:
        """An operation begins."""

    def ends(self, result: object) -> None:
        """It has returned this."""

    def fails(self, end: Exception) -> None:
        """It has come to no good end."""


class Nobody:
    """An observer that does not look."""

    def begins(self, operation: str, args: dict[str, object]) -> None:
        """Nothing."""

    def ends(self, result: object) -> None:
        """Nothing."""

    def fails(self, end: Exception) -> None:
        """Nothing."""


def is_cluster(result: object) -> TypeGuard[Cluster]:
    """Whether something is a cluster."""
    return isinstance(result, Cluster)


@cache
def parameters(operation: Callable[..., Any]) -> list[str]:
    """The names of an operation's parameters."""
    return list(signature(operation).parameters)


ALONE: Final = (PfsType.SOFT_MASTER, PfsType.SOFT_SLAVE, PfsType.SUPROOT)
"""Whose word holds alone (C37-C39), the first one before the others."""


ALWAYS: Final = (
    rules.is_referenced,
    rules.the_focus_is_none_or_a_member,
    rules.slots_beyond_nchains_are_empty,
    rules.no_slot_holds_a_released_chain,
)
"""What every cluster obeys at any time."""


class Write(NamedTuple):
    """A write that is about to be made."""

    decides: int
    """The PfsType of those whose word holds."""
    granted: int
    """The bits of WROK that all clusters have which it needs."""
    able: int
    """How many members that decide are fit for it."""
    others: Mapping[Chain, tuple[tuple[object, ...], bytes | None]]
    """The members that may not be written, as they are."""


@lru_cache(maxsize=4096)
def specified(slots: tuple[Slot, ...], nmasters: int | None) -> Verdict:
    """What the specification of resolve says."""
    return specification.resolve(slots, nmasters, None, 0, REPAIRED)


class Heard(Straight):
    """The straight runner, and a note of who leaves a cluster."""

    def __init__(self, chains: ChainLayer, semantics: Semantics, notes: list[tuple[object, ...]]) -> None:
        super().__init__(chains, semantics)
        self._notes = notes

    def left(self, chain: Chain) -> None:
        """As Runner.left."""
        self._notes.append(("left", chain))


class Judge:
    """One who performs operations and is told what they broke."""

    slot_by_slot = True
    """Whether a node begins with what it is asked when the one in the slot before has ended."""
    unread_leave = False
    """Whether members that cannot be read leave their cluster at the next decision."""

    def __init__(self, specs: Sequence[NodeSpec], nmasters: int | None, semantics: Semantics, chooser: Chooser) -> None:
        self.model = Model(specs, nmasters, chooser)
        self.nmasters = nmasters
        self.on: Runner = Heard(self.model, semantics, self.model.notes)
        self.observer: Observer = Nobody()
        self.doing = "nothing"
        self._broken = False
        self.bad = 0
        """How many answers of the layer below in the last operation were not the good day's."""

    # ---- performing

    def demand(self, holds: object, rule: str, detail: str = "") -> None:
        """Raises Violation, with the rule as a sentence, unless it holds."""
        if not holds:
            self._broken = True
            raise Violation(rule, self.doing, detail)

    def obeys(self, rule: Callable[[Any], bool], cluster: Cluster) -> None:
        """The rule, a sentence of the specification, holds for the cluster."""
        if not rule(cluster):
            self.demand(False, " ".join((rule.__doc__ or "").split()), f"cluster {cluster.id}")

    def perform(self, operation: Callable[..., Any], *args: object) -> Any:  # noqa: ANN401 - whatever it returns
        """Run one operation, and judge what must hold after any."""
        before, clusters = self.bad_answers(), {*self.model.clusters}
        given = [arg for arg in args if is_cluster(arg)]
        members = [(cluster, [item.chain for item in cluster.array]) for cluster in given]
        result = self.do(operation, *args)
        for cluster, chains in members[:1] if operation is lookups.next else members:  # which is given another element
            self._judge_who_is_reported(cluster, chains)
        self.bad = self.bad_answers() - before
        made = {cluster.id for cluster in (result if isinstance(result, tuple) else (result,)) if is_cluster(cluster)}
        left = {*self.model.clusters} - clusters - made
        self.demand(not left, "Every cluster that is made is given to the caller or given back", f"{sorted(left)}")
        self.judge()
        return result

    def _judge_who_is_reported(self, cluster: Cluster, before: Sequence[Chain | None]) -> None:
        """Whoever fails is removed from the cluster, and queued for resynchronization (C81)."""
        if cluster.refs == 0:
            return
        for i, was in enumerate(before):
            if was is not None and cluster.array[i].chain is None:
                reported = {chain.hmp for (chain,) in self.noted("left") if isinstance(chain, Chain)}
                self.demand(was.hmp in reported, "Who leaves a cluster is reported, to be resynchronized", f"{i}")

    def do(self, operation: Callable[..., Any], *args: object) -> Any:  # noqa: ANN401 - whatever it returns
        """Run one operation, and judge only how it ends."""
        self.doing = operation.__name__
        names = parameters(operation)
        if names[0] == "on":
            args = (self.on, *args)
        self.model.notes.clear()
        self.observer.begins(self.doing, dict(zip(names, args, strict=True)))
        try:
            result = operation(*args)
            if isinstance(result, Coroutine):
                result = self.run(result)
        except Fatal as end:
            raise self._failed("No operation faults, asserts or panics", end) from end
        except Misuse as end:
            raise self._failed("The layer below is used as it allows", end) from end
        except ViolationError as end:
            raise self._failed("Every contract is kept", end) from end
        self.observer.ends(result)
        if self.model.misuses:
            raise Violation("The layer below is used as it allows", self.doing, self.model.misuses[0])
        return result

    def _failed(self, rule: str, end: Exception) -> Violation:
        self._broken = True
        self.observer.fails(end)
        return Violation(rule, self.doing, str(end).splitlines()[0])

    def behind(self) -> AbstractContextManager[None]:
        """While this lasts, who is late stays late from operation to operation; afterwards all are judged."""
        return nullcontext()

    def run(self, operation: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - whatever it returns
        """What an operation returns."""
        assert isinstance(self.on, Straight)  # noqa: S101 - others run otherwise
        return self.on.run(operation)

    def had_answered(self, cluster: Cluster, i: int) -> bool:  # noqa: ARG002 - here all do
        """Whether member i had answered when the cluster was decided in the last operation."""
        return True

    def was_late(self, i: int) -> bool:  # noqa: ARG002 - here nobody is
        """Whether member i of any cluster had not answered when that was decided in the last operation."""
        return False

    def bad_answers(self) -> int:
        """How many answers of the layer below were not the good day's so far."""
        return sum(n for (question, answer), n in self.model.given.items() if answer != QUESTIONS[question][0])

    def noted(self, what: str) -> list[tuple[object, ...]]:
        """What the layer below has noted of that kind in the last operation: the arguments."""
        return [tuple(arguments) for kind, *arguments in self.model.notes if kind == what]

    def passes_on(self, what: str, *arguments: object) -> None:
        """The calls of that kind in the last operation were made with these arguments, which the caller gave."""
        noted = self.noted(what)
        self.demand(
            all(each == arguments for each in noted), "What the caller asks for is passed on", f"{what}: {noted}"
        )

    @property
    def sound(self) -> bool:
        """Nothing was wrong so far."""
        return not self._broken

    def judge(self) -> None:
        """Every reference and lock belongs to exactly one cluster; every cluster is sound."""
        refs: dict[Chain, int] = {}
        locks: dict[Chain, int] = {}
        for cluster in self.model.clusters.values():
            locked = rules.is_locked(cluster)
            for chain in self.model.members_of(cluster):
                refs[chain] = refs.get(chain, 0) + cluster.refs
                locks[chain] = locks.get(chain, 0) + locked
            for rule in ALWAYS:
                self.obeys(rule, cluster)
        for chain in self.model.chains:
            if chain.refs != refs.get(chain, 0) or chain.locks != locks.get(chain, 0):
                where = f"chain {chain.id} of node {chain.hmp}: {chain.refs} refs, {chain.locks} locks"
                self.demand(chain.refs == refs.get(chain, 0), "Every reference taken is released exactly once", where)
                self.demand(False, "Every lock taken is released exactly once", where)

    def is_gone(self, cluster: Cluster, last: bool) -> None:
        """Judge a cluster of which a reference was given back; last: there was no other."""
        freed = cluster.id in self.model.freed
        self.demand(last == freed, "The last reference, and no other, destroys the cluster")
        left = cluster.focus is not None or any(item.chain is not None for item in cluster.array)
        self.demand(not freed or not left, "A destroyed cluster refers to nothing")

    # ---- the world's facts

    def type_in(self, cluster: Cluster, i: int) -> int:
        """The PfsType of a member: without a PFS, a super-root."""
        return PfsType.SUPROOT if cluster.pmp is None else self.model.types[i]

    def verdict_on(self, cluster: Cluster) -> Verdict:
        """What the specification of resolve says of the members that have answered, by the tids of their inodes."""
        slots = [ABSENT] * cluster.nchains
        for i, chain in cluster.members():
            slots[i] = Slot(True, self.type_in(cluster, i), self.tid(chain), chain.error)
        return specified(tuple(slots), None if cluster.pmp is None else self.nmasters)

    def who_decides(self, cluster: Cluster) -> int:
        """The PfsType of those whose word holds: soft masters, else soft slaves, super-roots, masters."""
        there = {self.model.types[i] for i, _ in cluster.members()}
        return next((pfs_type for pfs_type in ALONE if pfs_type in there), PfsType.MASTER)

    def needed(self, pfs_type: int = PfsType.MASTER) -> int:
        """How many members of the type that decides are enough: a quorum of masters, one of any other type."""
        return majority(self.nmasters) if pfs_type == PfsType.MASTER and self.nmasters is not None else 1

    def deciding(self, cluster: Cluster, pfs_type: int | None = None) -> list[tuple[Node, Chain]]:
        """The members whose word holds: of the type that decides, without error, masters at the tid of a quorum."""
        wanted = self.who_decides(cluster) if pfs_type is None else pfs_type
        nodes, types = self.model.nodes, self.model.types
        sound = [(nodes[i], c) for i, c in cluster.members() if types[i] == wanted and not c.error]
        if wanted != PfsType.MASTER:
            return sound
        tids = Counter(self.tid(chain) for _, chain in sound)
        agreed = max((tid for tid, n in tids.items() if n >= self.needed()), default=None)
        return [(node, chain) for node, chain in sound if self.tid(chain) == agreed]

    def tid(self, chain: Chain) -> int:
        """The tid of the inode that a chain is, or is a block table of."""
        return self.inode_of(chain).bref.mirror_tid

    def is_out_of_the_pfs(self, chain: Chain | None) -> bool:
        """Whether a chain belongs to the super-root topology, and the world's PFS is below it."""
        return chain is not None and chain.pmp is self.model.spmp

    def inode_of(self, chain: Chain) -> Chain:
        """The inode that a chain is, or is a block table of."""
        while chain.bref.type == BrefType.INDIRECT and chain.parent is not None:
            chain = chain.parent
        return chain

    def enough(self, cluster: Cluster) -> bool:
        """Whether enough members are there whose word holds."""
        return len(self.deciding(cluster)) >= self.needed(self.who_decides(cluster))

    def speaks(self, cluster: Cluster, chain: Chain) -> bool:
        """Whether a member's word counts: of those that decide alone, the focus's does."""
        return self.who_decides(cluster) == PfsType.MASTER or chain is cluster.focus

    def may_be_read(self, cluster: Cluster) -> list[int]:
        """The members that a decision on the cluster lets be read."""
        flags, types = self.verdict_on(cluster).flags, self.model.types
        hard = (PfsType.MASTER, PfsType.SLAVE, PfsType.SUPROOT) if flags & ClusterFlag.RDHARD else ()
        soft = (PfsType.SOFT_MASTER, PfsType.SOFT_SLAVE) if flags & ClusterFlag.RDSOFT else ()
        return [i for i, c in cluster.members() if types[i] in (*hard, *soft) and self.standing(cluster, c)]

    def may_be_written(self, cluster: Cluster) -> list[Chain]:
        """The members that a decision on the cluster lets be written."""
        flags = self.verdict_on(cluster).flags
        types: set[int] = {PfsType.MASTER, PfsType.SUPROOT} if flags & ClusterFlag.WRHARD else set()
        types |= {PfsType.SOFT_MASTER} if flags & ClusterFlag.WRSOFT else set()
        return [chain for pfs_type in sorted(types) for _, chain in self.deciding(cluster, pfs_type)]

    def standing(self, cluster: Cluster, chain: Chain) -> bool:
        """Whether a member counts by the world's facts: no error, and soft, or at the tid of an error-free majority."""
        pfs_type = self.type_in(cluster, self.model.node_of(chain).number)
        if chain.error or pfs_type in SOFT_AND_SUPROOT:
            return not chain.error
        masters = self.deciding(cluster, PfsType.MASTER)
        tids = {self.tid(master) for _, master in masters}
        return pfs_type in (PfsType.MASTER, PfsType.SLAVE) and len(masters) >= self.needed() and self.tid(chain) in tids

    def first_of_quorum(self, cluster: Cluster, beg: int, end: int) -> tuple[bool, Chain | None]:
        """Whether it is agreed what the first element of the range is, and which: a quorum's, or the focus's own."""
        answers: Counter[object] = Counter()
        found: dict[object, Chain | None] = {}
        decides = self.who_decides(cluster)
        for node, chain in self.deciding(cluster):
            if not self.speaks(cluster, chain):
                continue
            first = self.first_of(node, chain, beg, end)
            what = None if first is None else lookups.element(first)
            answers[what] += 1
            found[what] = first
        agreed = [what for what, n in answers.items() if n >= self.needed(decides)]
        return bool(agreed), found[agreed[0]] if agreed else None

    def first_of(self, node: Node, parent: Chain, beg: int, end: int) -> Chain | None:
        """The first element of a range under a chain of a node; a file with embedded data is its own element."""
        inode = self.inode_of(parent)
        if inode.data is not None and inode.data[0x051] & 1:
            return inode
        held = node.elements(inode)
        return next((c for c in held if beg < c.bref.key + 2**c.bref.keybits and c.bref.key <= end), None)

    def anywhere(self, key: int) -> bool:
        """Whether any node has an element with this key."""
        return any(chain.bref.key == key for node in self.model.nodes for chain in node.elements())

    def holders(self, key: int, pfs_type: int) -> int:
        """Nodes of that type, masters at the true tid, that hold an element with this key."""
        true_tid, types = self.model.true_tid(), self.model.types
        nodes = [n for n in self.model.nodes if types[n.number] == pfs_type]
        nodes = [n for n in nodes if pfs_type != PfsType.MASTER or n.spec.tid == true_tid]
        return sum(any(c.bref.key == key for c in node.elements()) for node in nodes)

    # ---- what holds of a cluster after certain operations

    def judge_resolved(self, cluster: Cluster, follows: int | None = None) -> None:
        """A cluster that was resolved is what the specification says of its members.

        follows: the slot whose member shall be the focus, if it is as good as the one that resolve chooses.
        """
        self.obeys(rules.what_is_locked_holds_its_chains_locked, cluster)
        verdict = self.verdict_on(cluster)
        self.demand(
            cluster.error == verdict.error,
            "A cluster has an error exactly if its members cannot serve it",
            f"error {cluster.error}, expected {verdict.error}",
        )
        self.demand(
            cluster.flags & CLUSTER_ZFLAGS == verdict.flags & CLUSTER_ZFLAGS,
            "A cluster's flags say what its members allow",
            f"{cluster.flags:#x}, expected {verdict.flags:#x}",
        )
        if cluster.error:
            could = Judge.verdict_on(self, cluster).error == 0
            self.demand(not could, "Nobody is given up who would only have been late")
        else:
            self.obeys(rules.without_an_error_there_is_a_focus_without_error, cluster)
            slot, chosen = cluster.slot_of(cluster.focus), verdict.focus
            assert chosen is not None  # noqa: S101 - without an error there is a focus
            if follows is not None and self.type_in(cluster, follows) == self.type_in(cluster, chosen):
                candidate = cluster.array[follows].chain
                fit = candidate is not None and candidate.error == 0 and self.standing(cluster, candidate)
                if fit and self.had_answered(cluster, follows):
                    chosen = follows
            self.demand(
                slot == chosen,
                "The focus is the member that resolve chooses, or follows another cluster's",
                f"member {slot}, expected {chosen}",
            )

    def judge_unservable(self, cluster: Cluster) -> None:
        """A cluster that was refused could not be served."""
        self.demand(self.verdict_on(cluster).error, "A cluster whose quorum, or soft member, responds can be locked")

    def judge_usable(self, cluster: Cluster) -> None:
        """Its chains are locked, and if it has no error it has a focus."""
        self.obeys(rules.what_is_locked_holds_its_chains_locked, cluster)
        self.obeys(rules.without_an_error_there_is_a_focus_without_error, cluster)
        self.obeys(rules.an_error_grants_no_access, cluster)

    def judge_new(self, cluster: Cluster, like: Cluster, refs: int = 1, *, is_above: bool = False) -> None:
        """A cluster made from another one is for the same PFS and has a slot for each of its members.

        is_above: it may be that of a super-root instead, which is above the PFS.
        """
        above = is_above and any(self.is_out_of_the_pfs(chain) for _, chain in cluster.members())
        rule = "A cluster belongs to the PFS of the one that it is made from, or to none above it"
        self.demand(cluster.pmp is (None if above else like.pmp), rule)
        self.demand(cluster.nchains == like.nchains, "A cluster has the slots of the one that it is made from")
        self.demand(
            cluster.refs == refs, "A new cluster has one reference, others those that were taken", f"{cluster.refs}"
        )

    def judge_refused(self, cluster: Cluster, error: int, write: "Write") -> None:
        """A write fails only when it may not be made, and says why."""
        fit = write.able - self.bad >= self.needed(write.decides)
        self.demand(not fit, "A write succeeds where a quorum of nodes is fit for it", f"{write.able} are")
        self.demand(not cluster.flags & write.granted, "A write fails only where a quorum cannot be written")
        self.demand(error == (cluster.error or Error.INCOMPLETE), "A write that fails says why", f"error {error}")

    def flags_are_kept(self, before: int, cluster: Cluster, *, locked: bool) -> None:
        """Of the flags that are no verdict, none but LOCKED has changed, and that one as it must."""
        others = ~(CLUSTER_ZFLAGS | ClusterFlag.LOCKED)
        self.demand(rules.is_locked(cluster) == locked, "LOCKED says whether a cluster is locked")
        self.demand(cluster.flags & others == before & others, "Flags that are no verdict stay", f"{cluster.flags:#x}")
