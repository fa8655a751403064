"""How strong traces of the protocol are: which wrong versions of it they tell from the right one."""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import islice
from types import FunctionType
from typing import Final

from hammer2_oracle.protocol.following import WIDE_NUMBERS, Index, Rules, follow, steps
from hammer2_oracle.protocol.record import ProtocolTrace
from hammer2_oracle.strength import Late, Strength, limited
from hammer2_proofs.explorer.equivalents import MODULES
from hammer2_proofs.explorer.teeth import mutants_of
from hammer2_proofs.mutants import Mutant, load
from hammer2_proofs.rebinding import Name
from hammer2_spec.protocol.state import State
from hammer2_spec.transition_system import sentence

CPU_SECONDS: Final = 10.0
"""For all traces; a mutant that takes longer is inconclusive."""
LOOKED_AT: Final = 3
"""Traces on which a mutant differs that are held against the invariants."""


@cache
def mutants() -> list[Mutant]:
    """Every mutant of what the protocol runs with all ingredients in."""
    return [fate.mutant for module in MODULES for fate in mutants_of(module)]


class _Mutated:
    """The protocol as it is when it calls a mutant's function."""

    def __init__(self, mutant: Mutant) -> None:
        changed: Mapping[Name, FunctionType] = {
            (mutant.module, mutant.function): getattr(load(mutant), mutant.function)
        }
        self._wide, self._narrow = steps(changed, WIDE_NUMBERS), steps(changed, {})

    def rules(self, trace: ProtocolTrace) -> Rules:
        """Those of a trace's cluster."""
        return Rules(trace.cluster, self._narrow if trace.cluster.rank_tids else self._wide)

    def judged_wrong(self, legal: Sequence[ProtocolTrace], illegal: Sequence[ProtocolTrace]) -> list[ProtocolTrace]:
        """The first few traces that it judges otherwise; one illegal trace is enough."""
        found = list(islice((it for it in legal if follow(self.rules(it), it) is not None), LOOKED_AT))
        return found or list(islice((it for it in illegal if follow(self.rules(it), it) is None), 1))

    def broken(self, trace: ProtocolTrace) -> set[str]:
        """The invariants that it breaks where it does what a trace does."""
        rules, found = self.rules(trace), set[str]()
        now: State | None = rules.initial
        for event in trace.events:
            index: Index = tuple(i for i in event.index or () if i is not None)
            now = rules.take(now, event.action or "", index) if now else None
            if now is None:
                break
            found |= {sentence(holds) for holds in rules.model.invariants if not holds(rules.setup, now)}
        return found


def strength(legal: Sequence[ProtocolTrace], illegal: Sequence[ProtocolTrace], chosen: Sequence[Mutant]) -> Strength:
    """Let mutants of the protocol judge all traces.

    A mutant is killed if it rejects a legal trace, or does not reject an illegal one.
    """
    found = Strength()
    for mutant in chosen:
        found.mutants += 1
        try:
            with limited(CPU_SECONDS):
                mutated = _Mutated(mutant)
                wrong = mutated.judged_wrong(legal, illegal)
                broken = {name for trace in wrong for name in mutated.broken(trace)}
        except Late:
            found.inconclusive.append(mutant.description)
        except Exception:  # noqa: BLE001 - whatever a mutant does
            found.killed += 1
            found.functions[mutant.function] += 1
        else:
            if not wrong:
                found.survivors.append(mutant.description)
                continue
            found.killed += 1
            found.functions[mutant.function] += 1
            found.properties.update(broken)
    return found
