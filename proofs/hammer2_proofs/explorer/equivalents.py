"""Mutants of the protocol that are none: no action does anything else, in any state that keeps the inductive sentences.

The actions that run the changed function are lifted twice, as they are and with the change, and z3 is asked for a state
with two clients and three masters, any tids, promises and partitions, no media lost, in which they differ. All of
``INDUCTIVE`` may be assumed there: ``hammer2-cluster prove protocol`` proves that no state without them is reached.
"""

import ast
import inspect
from collections.abc import Callable, Iterator
from inspect import isfunction
from itertools import starmap
from types import FunctionType
from typing import Any, Final

from hammer2_proofs.explorer.folding import called
from hammer2_proofs.lift import Refused
from hammer2_proofs.mutants import Mutant, load
from hammer2_proofs.obligations import Obligation, Status, discharge
from hammer2_proofs.protocol_induction import ACTIONS, SETUP, Induction, Step, indices, lifted
from hammer2_proofs.rebinding import Name, rebound
from hammer2_proofs.values import Truth, conjunction, disjunction, equal, negation, same_truth
from hammer2_spec.protocol import failures, reading, resynchronization, sessions, soft, state, writing
from hammer2_spec.transition_system import Action

MODULES: Final = (sessions, writing, failures, resynchronization, reading, state, soft)
TIMEOUT_SECONDS: Final = 20.0
"""Real time for each action."""


def changed_by(mutant: Mutant) -> dict[Name, FunctionType]:
    """All functions of the protocol, by module and name, as they are when they call the mutant's function."""
    return rebound(MODULES, {(mutant.module, mutant.function): getattr(load(mutant), mutant.function)})


def runs(action: Action[Any, Any], function: Callable[..., Any]) -> bool:
    """Whether an action calls a function, itself or through others."""
    waiting, seen = [action.step], set()
    while waiting:
        one = waiting.pop()
        if one is function:
            return True
        if one not in seen:
            seen.add(one)
            known, names = one.__globals__, called(ast.parse(inspect.getsource(one)))
            waiting.extend(known[name] for name in names if isfunction(known.get(name)))
    return False


def same(one: Step, other: Step) -> Truth:
    """Whether two steps happen alike, and lead to the same state."""
    happens = same_truth(one.happens, other.happens)
    alike = disjunction(negation(one.happens), equal(one.after, other.after))
    return conjunction(happens, alike, negation(other.raises))


def obligations(mutant: Mutant, function: Callable[..., Any]) -> Iterator[Obligation]:
    """That each action that runs the function does the same with the change."""
    induction = Induction(SETUP)
    functions = changed_by(mutant)
    for action in ACTIONS:
        if runs(action, function):
            step = functions[action.step.__module__, action.step.__name__]
            mutated: Action[Any, Any] = Action(action.name, step, action.over)
            pairs = [
                (lifted(SETUP, action, induction.state, at), lifted(SETUP, mutated, induction.state, at))
                for at in indices(action)
            ]
            yield Obligation(
                f"{action.name}: {mutant.description}", induction.before, conjunction(*starmap(same, pairs))
            )


def proved_equivalent(mutant: Mutant, function: Callable[..., Any]) -> bool:
    """Whether the mutant is proved to be no other protocol; False where some action differs, or nothing is proved."""
    try:
        asked = list(obligations(mutant, function))
    except (Refused, TypeError):
        return False
    return bool(asked) and all(discharge(it, timeout=TIMEOUT_SECONDS).status is Status.PROVED for it in asked)
