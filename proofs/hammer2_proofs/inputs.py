"""Every valid configuration at once: the arguments of resolve as z3 variables, and the ranges that hold of them."""

from collections.abc import Collection
from typing import NamedTuple

import z3

from hammer2_proofs.values import Bits, Number, Optional, Truth, conjunction, disjunction, equal
from hammer2_spec.configuration import FOREIGN, Configuration, Quorum, Slot, Verdict
from hammer2_spec.semantics import RESOLVE_REPAIRS, SEED, Semantics
from hammer2_spec.vocabulary import NMASTERS_MAX, TID_MAX

FLAG_BITS = 32


class Inputs(NamedTuple):
    """A configuration whose fields are z3 variables, and what makes it valid (``configuration.validate``)."""

    configuration: Configuration
    domain: tuple[Truth, ...]


def within(x: Number, low: int, high: int) -> Truth:
    """low <= x <= high."""
    return conjunction(low <= x, x <= high)


def any_configuration(count: int, name: str = "") -> Inputs:
    """Any configuration of so many slots; ``name`` goes before the names of its variables."""
    slots = []
    domain: list[Truth] = []
    for i in range(count):
        pfs_type, tid, error = z3.Ints(f"{name}type{i} {name}tid{i} {name}error{i}")
        slots.append(Slot._make([z3.Bool(f"{name}present{i}"), pfs_type, tid, error]))
        domain += [within(pfs_type, 0, 255), within(tid, 0, TID_MAX), within(error, -(2**31), 2**31 - 1)]
    nmasters, prior = z3.Ints(f"{name}nmasters {name}prior")
    no_pfs, no_prior = z3.Bools(f"{name}no_pfs {name}no_prior")
    members = [conjunction(equal(prior, i), slot.present) for i, slot in enumerate(slots)]
    domain += [within(nmasters, 0, NMASTERS_MAX), disjunction(no_prior, equal(prior, FOREIGN), *members)]
    flags = Bits({k: z3.Bool(f"{name}flag{k}") for k in range(FLAG_BITS)})
    fields = [tuple(slots), Optional(no_pfs, nmasters), Optional(no_prior, prior), flags]
    return Inputs(Configuration._make(fields), tuple(domain))


def any_quorum() -> Quorum:
    """Any result of pass 1, with numbers as large or small as one likes."""
    return Quorum._make([*z3.Ints("agreed_tid nmasters_at_it ttlmasters"), z3.Bool("reached")])


def any_verdict(name: str) -> Verdict:
    """Any verdict, whoever may have come to it; ``name`` goes before the names of its variables."""
    focus = Optional(z3.Bool(f"{name}no_focus"), z3.Int(f"{name}focus"))
    flags = Bits({k: z3.Bool(f"{name}flag{k}") for k in range(FLAG_BITS)})
    return Verdict._make([z3.Int(f"{name}outcome"), focus, z3.Int(f"{name}error"), flags])


def any_semantics(least: Collection[str] = ()) -> Semantics:
    """Any switches of the decision, but with at least these repairs; those of the operations are off."""
    return SEED._replace(**{name: name in least or z3.Bool(name) for name in RESOLVE_REPAIRS})
