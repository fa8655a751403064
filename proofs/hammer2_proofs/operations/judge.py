"""Runs one operation on the model and judges what must hold after any, and what the world's facts are."""

from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import cache
from inspect import signature
from typing import Any, Protocol

from icontract import ViolationError

from hammer2_cluster import lookups
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

    def ends(self) -> None:
        """It has ended, well or not."""


class Nobody:
    """An observer that does not look."""

    def begins(self, operation: str, args: dict[str, object]) -> None:
        """Nothing."""

    def ends(self) -> None:
        """Nothing."""


@cache
def parameters(operation: Callable[..., Any]) -> list[str]:
    """The names of an operation's parameters."""
    return list(signature(operation).parameters)


class Judge:
    """One who performs operations and is told what they broke."""

    def __init__(self, specs: Sequence[NodeSpec], nmasters: int | None, semantics: Semantics, chooser: Chooser) -> None:
        self.model = Model(specs, nmasters, chooser)
        self.nmasters = nmasters
        self.on: Runner = Straight(self.model, semantics)
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
        self.demand(rule(cluster), " ".join((rule.__doc__ or "").split()), f"cluster {cluster.id}")

    def perform(self, operation: Callable[..., Any], *args: object) -> Any:  # noqa: ANN401 - whatever it returns
        """Run one operation, and judge what must hold after any."""
        self.doing = operation.__name__
        names = parameters(operation)
        if names[0] == "on":
            args = (self.on, *args)
        self.model.notes.clear()
        before = self._bad_answers()
        self.observer.begins(self.doing, dict(zip(names, args, strict=True)))
        try:
            result = operation(*args)
            if isinstance(result, Coroutine):
                result = self.run(result)
        except Fatal as fatal:
            self._broken = True
            raise Violation("No operation faults, asserts or panics", self.doing, str(fatal)) from fatal
        except Misuse as misuse:
            self._broken = True
            raise Violation("The layer below is used as it allows", self.doing, str(misuse)) from misuse
        except ViolationError as violation:
            self._broken = True
            raise Violation("Every contract is kept", self.doing, str(violation).splitlines()[0]) from violation
        finally:
            self.observer.ends()
        if self.model.misuses:
            raise Violation("The layer below is used as it allows", self.doing, self.model.misuses[0])
        self.bad = self._bad_answers() - before
        self.judge()
        return result

    def run(self, operation: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - whatever it returns
        """What an operation returns."""
        assert isinstance(self.on, Straight)  # noqa: S101 - others run otherwise
        return self.on.run(operation)

    def had_answered(self, cluster: Cluster, i: int) -> bool:  # noqa: ARG002 - here all do
        """Whether member i had answered when the cluster was decided in the last operation."""
        return True

    def _bad_answers(self) -> int:
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
        refs: Counter[Chain] = Counter()
        locks: Counter[Chain] = Counter()
        for cluster in self.model.clusters.values():
            for chain in self.model.members_of(cluster):
                refs[chain] += cluster.refs
                locks[chain] += rules.is_locked(cluster)
            self.obeys(rules.is_referenced, cluster)
            self.obeys(rules.the_focus_is_none_or_a_member, cluster)
            self.obeys(rules.slots_beyond_nchains_are_empty, cluster)
        for chain in [*self.model.chains]:
            where = f"chain {chain.id} of node {chain.hmp}: {chain.refs} refs, {chain.locks} locks"
            self.demand(chain.refs == refs[chain], "Every reference taken is released exactly once", where)
            self.demand(chain.locks == locks[chain], "Every lock taken is released exactly once", where)

    def is_gone(self, cluster: Cluster, last: bool) -> None:
        """Judge a cluster of which a reference was given back; last: there was no other."""
        freed = cluster.id in self.model.freed
        self.demand(last == freed, "The last reference, and no other, destroys the cluster")
        left = cluster.focus is not None or any(item.chain is not None for item in cluster.array)
        self.demand(not freed or not left, "A destroyed cluster refers to nothing")

    # ---- the world's facts

    def verdict(self, chains: Iterable[Chain | None]) -> Verdict:
        """What the specification of resolve says of a row of chains, by the tids of their inodes."""
        slots = []
        for i, chain in enumerate(chains):
            if chain is None:
                slots.append(ABSENT)
                continue
            inode = chain
            while inode.bref.type == BrefType.INDIRECT and inode.parent is not None:
                inode = inode.parent
            slots.append(Slot(True, self.model.types[i], inode.bref.mirror_tid, chain.error))
        return specification.resolve(slots, self.nmasters, None, 0, REPAIRED)

    def verdict_on(self, cluster: Cluster) -> Verdict:
        """The same of a cluster's members, as far as they have answered."""
        return self.verdict(None if item.owes else item.chain for item in cluster.array[: cluster.nchains])

    def needed(self) -> int:
        """Masters that make a quorum."""
        return majority(self.nmasters)

    def sound_masters(self, cluster: Cluster) -> list[tuple[Node, Chain]]:
        """The members that are masters at the true tid, without error."""
        nodes = self.model.nodes
        return [
            (nodes[i], chain)
            for i, chain in cluster.members()
            if nodes[i].spec.type == PfsType.MASTER and nodes[i].spec.tid == self.model.true_tid() and not chain.error
        ]

    def soft(self) -> bool:
        """There is no quorum to ask: a soft master or soft slave wins, or it is the super-root."""
        return any(pfs_type in SOFT_AND_SUPROOT for pfs_type in self.model.types)

    def standing(self, cluster: Cluster, chain: Chain) -> bool:
        """Whether a member counts by the world's facts: soft, or at the tid of an error-free majority."""
        node = self.model.node_of(chain)
        if self.model.types[node.number] in SOFT_AND_SUPROOT:
            return True
        if node.spec.type not in (PfsType.MASTER, PfsType.SLAVE) or node.spec.tid != self.model.true_tid():
            return False
        return len(self.sound_masters(cluster)) >= self.needed()

    def first_of_quorum(self, cluster: Cluster, beg: int, end: int) -> tuple[bool, Chain | None]:
        """Whether the sound masters agree on a first element of the range, and which."""
        answers: Counter[object] = Counter()
        found: dict[object, Chain | None] = {}
        for node, chain in self.sound_masters(cluster):
            first = self.first_of(node, chain, beg, end)
            what = None if first is None else lookups.element(first)
            answers[what] += 1
            found[what] = first
        agreed = [what for what, n in answers.items() if n >= self.needed()]
        return bool(agreed), found[agreed[0]] if agreed else None

    def first_of(self, node: Node, parent: Chain, beg: int, end: int) -> Chain | None:
        """The first element of a range under a chain of a node; a file with embedded data is its own element."""
        inode = parent
        while inode.bref.type == BrefType.INDIRECT and inode.parent is not None:
            inode = inode.parent
        if inode.data is not None and inode.data[0x051] & 1:
            return inode
        held = node.elements(inode)
        return next((c for c in held if beg < c.bref.key + 2**c.bref.keybits and c.bref.key <= end), None)

    def anywhere(self, key: int) -> bool:
        """Whether any node has an element with this key."""
        return any(chain.bref.key == key for node in self.model.nodes for chain in node.elements())

    def holders(self, key: int) -> int:
        """Masters at the true tid that hold an element with this key."""
        true_tid = self.model.true_tid()
        nodes = [n for n in self.model.nodes if n.spec.type == PfsType.MASTER and n.spec.tid == true_tid]
        return sum(any(c.bref.key == key for c in node.elements()) for node in nodes)

    # ---- what holds of a cluster after certain operations

    def judge_resolved(
        self, cluster: Cluster, follows: int | None = None, *, strictly: bool = True, now: bool = True
    ) -> None:
        """A cluster that was resolved is what the specification says of its members.

        follows: the slot whose member shall be the focus, if it is as good as the one that resolve chooses; may be,
        unless strictly. now: it was decided in this operation; else members may have recovered since, so that it
        allows more than its flags say.
        """
        self.obeys(rules.what_is_locked_holds_its_chains_locked, cluster)
        verdict = self.verdict_on(cluster)
        self.demand(
            cluster.error == verdict.error,
            "A cluster has an error exactly if its members cannot serve it",
            f"error {cluster.error}, expected {verdict.error}",
        )
        flags = cluster.flags | (0 if now else verdict.flags)
        self.demand(
            flags & CLUSTER_ZFLAGS == verdict.flags & CLUSTER_ZFLAGS,
            "A cluster's flags say what its members allow",
            f"{cluster.flags:#x}, expected {verdict.flags:#x}",
        )
        if cluster.error == 0:
            self.obeys(rules.without_an_error_there_is_a_focus_without_error, cluster)
            slot, chosen, types = cluster.slot_of(cluster.focus), verdict.focus, self.model.types
            assert chosen is not None  # noqa: S101 - without an error there is a focus
            if follows is not None and types[follows] == types[chosen]:
                candidate = cluster.array[follows].chain
                fit = candidate is not None and candidate.error == 0 and self.standing(cluster, candidate)
                if fit and self.had_answered(cluster, follows):
                    chosen = follows if strictly or slot == follows else chosen
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

    def judge_new(self, cluster: Cluster, like: Cluster) -> None:
        """A cluster made from another one is for the same PFS and has a slot for each of its members."""
        self.demand(cluster.pmp is like.pmp, "A cluster belongs to the PFS of the one that it is made from")
        self.demand(cluster.nchains == like.nchains, "A cluster has the slots of the one that it is made from")
        self.demand(cluster.refs == 1, "A new cluster has one reference", f"{cluster.refs}")

    def judge_refused(self, cluster: Cluster, error: int, able: int = 0) -> None:
        """A write fails only when it may not be made, and says why. able: the masters that were fit for it."""
        fit = able - self.bad >= self.needed() and not self.soft()
        self.demand(not fit, "A write succeeds where a quorum of nodes is fit for it", f"{able} are")
        self.demand(not rules.can_be_written(cluster), "A write fails only where a quorum cannot be written")
        self.demand(error == (cluster.error or Error.INCOMPLETE), "A write that fails says why", f"error {error}")

    def flags_are_kept(self, before: int, cluster: Cluster, *, locked: bool) -> None:
        """Of the flags that are no verdict, none but LOCKED has changed, and that one as it must."""
        others = ~(CLUSTER_ZFLAGS | ClusterFlag.LOCKED)
        self.demand(rules.is_locked(cluster) == locked, "LOCKED says whether a cluster is locked")
        self.demand(cluster.flags & others == before & others, "Flags that are no verdict stay", f"{cluster.flags:#x}")
