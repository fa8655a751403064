"""The real resolve and its specification, lifted, give what CPython gives: point by point, on more than 5,000."""

import random
from collections import Counter
from collections.abc import Iterator

import pytest
import z3

import hammer2_cluster.resolve
import hammer2_spec.resolve
from hammer2_proofs.lift import Lifter
from hammer2_proofs.values import Bits, Optional, Value, concrete, concrete_truth, disjunction
from hammer2_spec.configuration import FOREIGN, Configuration, Outcome, Slot, validate
from hammer2_spec.semantics import Semantics
from hammer2_spec.vocabulary import MAXCLUSTER, TID_MAX, PfsType

SEED = 20150330
POINTS = {0: 100, 1: 600, 2: 800, 3: 900, 4: 800, 5: 700, 6: 500, 7: 400, 8: 400}
"""How many for each number of slots."""
EXTREME_TIDS = (0, 1, 2**32, 2**63, TID_MAX)
TYPES = (PfsType.MASTER, PfsType.SLAVE, PfsType.SOFT_MASTER, PfsType.SOFT_SLAVE, PfsType.SUPROOT, PfsType.CACHE)


def symbolic(n: int) -> tuple[tuple[Value, ...], Value]:
    """A configuration of n slots and a Semantics, all of it symbolic."""
    slots = tuple(
        Slot(z3.Bool(f"present{i}"), z3.Int(f"type{i}"), z3.Int(f"tid{i}"), z3.Int(f"error{i}")) for i in range(n)
    )
    nmasters = Optional(z3.Bool("no_pfs"), z3.Int("nmasters"))
    prior = Optional(z3.Bool("no_prior"), z3.Int("prior"))
    flags = Bits({k: z3.Bool(f"flag{k}") for k in range(32)})
    return (slots, nmasters, prior, flags), Semantics(*map(z3.Bool, Semantics._fields))


def substitution(configuration: Configuration, semantics: Semantics) -> list[tuple[z3.ExprRef, z3.ExprRef]]:
    """What each variable of ``symbolic`` stands for."""
    slots, nmasters, prior, flags = configuration
    pairs = [(z3.Bool(name), z3.BoolVal(on)) for name, on in zip(Semantics._fields, semantics, strict=True)]
    for i, slot in enumerate(slots):
        pairs.append((z3.Bool(f"present{i}"), z3.BoolVal(slot.present)))
        pairs += [(z3.Int(f"{name}{i}"), z3.IntVal(int(getattr(slot, name)))) for name in ("type", "tid", "error")]
    pairs += [(z3.Bool("no_pfs"), z3.BoolVal(nmasters is None)), (z3.Int("nmasters"), z3.IntVal(nmasters or 0))]
    pairs += [(z3.Bool("no_prior"), z3.BoolVal(prior is None)), (z3.Int("prior"), z3.IntVal(prior or 0))]
    pairs += [(z3.Bool(f"flag{k}"), z3.BoolVal(bool(flags >> k & 1))) for k in range(32)]
    return pairs


def configurations(n: int) -> Iterator[tuple[Configuration, Semantics]]:
    """Configurations of n slots: few tids beside the extreme ones, so that quorums form; each under some Semantics."""
    draw = random.Random(SEED + n)
    for _ in range(POINTS[n]):
        tids = [*draw.sample(EXTREME_TIDS, 2), draw.randrange(TID_MAX)]
        kinds = draw.choice([TYPES, (PfsType.MASTER,), (PfsType.MASTER, PfsType.SLAVE), TYPES[2:4], range(256)])
        slots = tuple(
            Slot(
                draw.random() < 0.85,
                draw.choice(kinds),
                draw.choice(tids),
                draw.choice((0, 0, 0, 1, -1, 2**31 - 1, -(2**31))),
            )
            for _ in range(n)
        )
        nmasters = draw.choice((None, 0, 1, 2, 3, n, 255))
        prior = draw.choice([None, FOREIGN, *(i for i, slot in enumerate(slots) if slot.present)])
        semantics = Semantics(*(draw.random() < draw.choice((0, 0.5, 1)) for _ in Semantics._fields))
        yield Configuration(slots, nmasters, prior, draw.getrandbits(32)), semantics


def leaves(x: Value) -> list[z3.ExprRef]:
    """The z3 terms that a value is made of."""
    found: list[z3.ExprRef] = []

    def note(term: z3.ExprRef) -> z3.ExprRef:
        found.append(term)
        return z3.BoolVal(False) if z3.is_bool(term) else z3.IntVal(0)  # False: not None, so that the value is seen

    concrete(x, note)
    return found


@pytest.mark.parametrize("n", range(MAXCLUSTER + 1))
def test_resolve_lifted_decides_as_cpython_does(n: int) -> None:
    arguments, semantics = symbolic(n)
    decisions = [hammer2_cluster.resolve.resolve, hammer2_spec.resolve.resolve]
    lifter = Lifter()
    lifted = [lifter.lift(decide, *arguments, semantics) for decide in decisions]
    undefined = disjunction(*(demanded.when for demanded in lifter.demanded))
    parts = leaves((*lifted, undefined))
    # One term of all parts, so that a point is put in once for all of them.
    whole = z3.Function("whole", *(part.sort() for part in parts), z3.BoolSort())(*parts)
    for configuration, chosen in configurations(n):
        validate(configuration)
        literals = z3.simplify(z3.substitute(whole, *substitution(configuration, chosen))).children()
        literal_of = {part.get_id(): literal for part, literal in zip(parts, literals, strict=True)}

        def evaluate(part: z3.ExprRef, literal_of: dict[int, z3.ExprRef] = literal_of) -> z3.ExprRef:
            return literal_of[part.get_id()]

        for decide, value in zip(decisions, lifted, strict=True):
            assert concrete(value, evaluate) == decide(*configuration, chosen), (configuration, chosen)
        assert not concrete_truth(undefined, evaluate)


def test_the_points_cover_all_outcomes_and_all_extreme_tids() -> None:
    points = [point for n in range(MAXCLUSTER + 1) for point in configurations(n)]
    assert len(set(points)) >= 5_000
    decided = [hammer2_cluster.resolve.resolve(*configuration, chosen) for configuration, chosen in points]
    outcomes = Counter(verdict.outcome for verdict in decided)
    assert all(outcomes[outcome] >= 50 for outcome in Outcome), outcomes
    tids = Counter(slot.tid for configuration, _ in points for slot in configuration.slots if slot.present)
    assert all(tids[tid] >= 500 for tid in EXTREME_TIDS), tids
