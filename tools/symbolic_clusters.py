"""Clusters, chains and flag words as CrossHair is given them.

By itself CrossHair would make chains without end, each the parent of the next, and try the values of a flag word one by
one. Here a cluster has up to MEMBERS members, which have no parents, a chain alone has up to ANCESTORS above it, and a
flag word has a truth value for each bit. All are registered with CrossHair by importing this module.
"""

from collections.abc import Callable, Sequence
from inspect import Signature
from typing import Any

import z3
from crosshair.core import SymbolicFactory, realize, register_type
from crosshair.libimpl.builtinslib import SymbolicInt
from crosshair.tracers import NoTracing
from crosshair.util import CrosshairUnsupported

from hammer2_cluster.objects import Blockref, Chain, Cluster, Pfs
from hammer2_cluster.runner import Runner
from hammer2_cluster.straight import Straight
from hammer2_spec.semantics import REPAIRED, SEED
from hammer2_spec.vocabulary import KEY_MAX, MAXCLUSTER, NMASTERS_MAX, TID_MAX, ChainFlag

MEMBERS = 2
ANCESTORS = 2
WORDS = frozenset({"flags", "check_algo"})
"""Arguments that are given as words of WORD_BITS, and not as any integers."""
WORD_BITS = 32
CHAIN_FLAG_BITS = max(ChainFlag).bit_length() + 1
CLUSTER_FLAG_BITS = 15
"""The flags that there are, and one more that nobody knows and that must be kept."""


class FlagWord(SymbolicInt):
    """A number bit by bit, lowest first; ``&``, ``|``, ``^``, ``~`` and ``<<`` keep it so."""

    def __init__(self, bits: Sequence[Any], negative: bool = False) -> None:
        self.bits = tuple(bits)
        self.negative = negative
        """All bits above those are set, as in two's complement."""
        above = -(1 << len(bits)) if negative else 0
        super().__init__(z3.Sum([z3.IntVal(above), *(z3.If(bit, 1 << k, 0) for k, bit in enumerate(bits))]))

    def __copy__(self) -> "FlagWord":
        return self

    def __deepcopy__(self, _memo: object) -> "FlagWord":
        return self

    def padded(self, width: int) -> list[Any]:
        """So many bits."""
        return [*self.bits, *[z3.BoolVal(self.negative)] * (width - len(self.bits))]

    def _with(self, other: object, operator: Callable[[Any, Any], Any]) -> Any:  # noqa: ANN401 - CrossHair has no types
        """Combined bit by bit with another number; the values of one that is no FlagWord are tried one by one."""
        with NoTracing():  # type: ignore[no-untyped-call] # CrossHair's
            word = other if isinstance(other, FlagWord) else constant(int(realize(other)))
            width = max(len(self.bits), len(word.bits)) + 1
            pairs = zip(self.padded(width), word.padded(width), strict=True)
            *bits, sign = [z3.simplify(operator(mine, its)) for mine, its in pairs]
            return FlagWord(bits, z3.is_true(sign))

    def __and__(self, other: object) -> Any:  # noqa: ANN401 - as above
        return self._with(other, z3.And)

    def __or__(self, other: object) -> Any:  # noqa: ANN401 - as above
        return self._with(other, z3.Or)

    def __xor__(self, other: object) -> Any:  # noqa: ANN401 - as above
        return self._with(other, z3.Xor)

    def __invert__(self) -> Any:  # noqa: ANN401 - as above
        with NoTracing():  # type: ignore[no-untyped-call] # CrossHair's
            return FlagWord([z3.Not(bit) for bit in self.bits], not self.negative)

    def __lshift__(self, other: object) -> Any:  # noqa: ANN401 - as above
        with NoTracing():  # type: ignore[no-untyped-call] # CrossHair's
            return FlagWord([*[z3.BoolVal(False)] * int(realize(other)), *self.bits], self.negative)

    __rand__ = __and__
    __ror__ = __or__
    __rxor__ = __xor__


def constant(number: int) -> FlagWord:
    """A number that is known."""
    return FlagWord([z3.BoolVal(number >> k & 1 == 1) for k in range(number.bit_length())], number < 0)


def flag_word(make: SymbolicFactory, bits: int, name: str) -> Any:  # noqa: ANN401 - as number
    """Any number of so many bits."""
    return FlagWord([z3.Bool(f"{make.get_suffixed_varname(name)}.{k}") for k in range(bits)])


def number(make: SymbolicFactory, high: int, name: str) -> Any:  # noqa: ANN401 - an int to whoever computes with it
    """Any number from 0 to ``high``."""
    value = SymbolicInt(make.get_suffixed_varname(name))
    make.space.add(value.var >= 0)
    make.space.add(value.var <= high)
    return value


def make_member(make: SymbolicFactory, name: str) -> Chain:
    """Any chain without a parent."""
    bref = Blockref(
        type=number(make, 255, f"{name}.type"),
        methods=flag_word(make, 8, f"{name}.methods"),
        keybits=number(make, 64, f"{name}.keybits"),
        key=number(make, KEY_MAX, f"{name}.key"),
        mirror_tid=number(make, TID_MAX, f"{name}.mirror_tid"),
        data_off=number(make, 2**64 - 1, f"{name}.data_off"),
    )
    chain = Chain(0, bref, refs=1, locks=1)
    chain.bytes = number(make, 65536, f"{name}.bytes")
    chain.flags = flag_word(make, CHAIN_FLAG_BITS, f"{name}.flags")
    chain.error = number(make, 3, f"{name}.error")
    return chain


def make_chain(make: SymbolicFactory) -> Chain:
    """Any chain with up to ANCESTORS chains above it."""
    top = chain = make_member(make, "chain")
    for n in range(ANCESTORS):
        if not make.space.smt_fork(desc=f"has_parent{n}"):
            break
        top.parent = make_member(make, f"parent{n}")
        top = top.parent
    return chain


def make_cluster(make: SymbolicFactory) -> Cluster:
    """Any cluster of 0 to MEMBERS slots, empty or not, focused on a member or on none."""
    cluster = Cluster(0, refs=1)
    cluster.flags = flag_word(make, CLUSTER_FLAG_BITS, "cluster.flags")
    cluster.error = number(make, 3, "cluster.error")
    if make.space.smt_fork(desc="has_pmp"):
        types = [number(make, 255, f"type{i}") for i in range(MAXCLUSTER)]
        cluster.pmp = Pfs(0, types, number(make, NMASTERS_MAX, "nmasters"))
    while cluster.nchains < MEMBERS and make.space.smt_fork(desc=f"has_slot{cluster.nchains}"):
        if make.space.smt_fork(desc=f"has_chain{cluster.nchains}"):
            chain = make_member(make, f"chain{cluster.nchains}")
            cluster.array[cluster.nchains].chain = chain
            if cluster.focus is None and make.space.smt_fork(desc=f"has_focus{cluster.nchains}"):
                cluster.focus = chain
        cluster.nchains += 1
    return cluster


class _NoNodes:
    """A layer below that knows memory and sleep only; a path on which a node is needed is not looked at."""

    def kmalloc(self) -> Cluster:
        return Cluster(0)

    def tsleep(self, ident: Chain | None, ticks: int) -> None:
        pass

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - all the rest
        if name.startswith("__"):  # what copying asks for
            raise AttributeError(name)
        raise CrosshairUnsupported(name)  # type: ignore[no-untyped-call] # CrossHair's


def make_runner(make: SymbolicFactory) -> Straight:
    """A straight runner without nodes, with all repairs or none."""
    layer: Any = _NoNodes()
    return Straight(layer, REPAIRED if make.space.smt_fork(desc="is_repaired") else SEED)


def with_words(signature: Signature) -> Signature:
    """The signature of a function, those arguments marked as words."""
    return signature.replace(
        parameters=[
            parameter.replace(annotation=FlagWord) if name in WORDS and parameter.annotation is int else parameter
            for name, parameter in signature.parameters.items()
        ]
    )


register_type(Chain, make_chain)
register_type(Cluster, make_cluster)
register_type(FlagWord, lambda make: flag_word(make, WORD_BITS, "word"))
register_type(Runner, make_runner)
