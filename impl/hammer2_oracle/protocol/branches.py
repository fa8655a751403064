"""The branches of the protocol's actions, with all ingredients in."""

import inspect
from collections.abc import Iterable, Mapping
from functools import cached_property
from inspect import isfunction
from types import FunctionType
from typing import Any, Final

from hammer2_oracle.conditions import HOOK, Branch, Conditions
from hammer2_oracle.protocol.following import MODULES, WIDE_NUMBERS, Index, Rules, Step, steps
from hammer2_oracle.protocol.record import Cluster
from hammer2_proofs.explorer.folding import called, folded
from hammer2_spec.protocol.state import State


class Branches:
    """The actions of some clusters, noting which branches they take."""

    def __init__(self, clusters: Iterable[Cluster]) -> None:
        self.conditions: Final = Conditions()
        self._steps: Final[list[Any]] = [action.step for cluster in clusters for action in cluster.model.actions]
        self._watched: Final = {
            (it.__module__, it.__name__): self.conditions.watched(it, folded(inspect.getsource(it)))
            for it in self._functions()
        }

    def _functions(self) -> list[FunctionType]:
        """What the actions run, themselves and through others, in the order of the text."""
        modules = [module.__name__ for module in MODULES]
        waiting, seen = list(self._steps), set[FunctionType]()
        while waiting:
            function = waiting.pop()
            if function not in seen and function.__module__ in modules:
                seen.add(function)
                names = called(folded(inspect.getsource(function)))
                waiting += [function.__globals__[name] for name in names if isfunction(function.__globals__.get(name))]
        return sorted(seen, key=lambda it: (modules.index(it.__module__), it.__code__.co_firstlineno))

    @cached_property
    def _narrow(self) -> Mapping[Step, Step]:
        return steps(self._watched, {HOOK: self.conditions.note})

    @cached_property
    def _wide(self) -> Mapping[Step, Step]:
        return steps(self._watched, {HOOK: self.conditions.note, **WIDE_NUMBERS})

    def rules(self, cluster: Cluster) -> Rules:
        """The protocol of a cluster, noting its branches."""
        return Rules(cluster, self._narrow if cluster.rank_tids else self._wide)

    def of(self, rules: Rules, before: State, action: str, index: Index) -> frozenset[Branch]:
        """The branches that one action takes."""
        self.conditions.taken.clear()
        rules.steps[action](rules.setup, before, *index)
        return frozenset(self.conditions.taken)
