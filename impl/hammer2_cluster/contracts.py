"""The operations' contracts: sentences of hammer2_spec.cluster_rules, asserted where all repairs are in force.

The seed breaks many of them, which is what the recorded traces show, so they are not asserted under other semantics.
They stay on under ``python -O``. A violation is icontract.ViolationError, with the sentence.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import icontract

from hammer2_cluster.objects import Cluster
from hammer2_cluster.runner import Runner
from hammer2_spec.cluster_rules import ClusterView
from hammer2_spec.semantics import REPAIRED, SEED

Operation = TypeVar("Operation", bound=Callable[..., Any])
Rule = Callable[[ClusterView], bool]


def _sentence(rule: Callable[..., bool]) -> str:
    return " ".join((rule.__doc__ or rule.__name__).split())


def cluster_must_be(*rules: Rule) -> Callable[[Operation], Operation]:
    """The caller sees to it that the cluster obeys these rules."""

    def decorate(operation: Operation) -> Operation:
        for rule in reversed(rules):

            def holds(on: Runner, cluster: Cluster | None, rule: Rule = rule) -> bool:
                return on.semantics != REPAIRED or cluster is None or rule(cluster)

            operation = icontract.require(holds, description=_sentence(rule), enabled=True)(operation)
        return operation

    return decorate


def ocluster_must_be(*rules: Rule) -> Callable[[Operation], Operation]:
    """The caller sees to it that the original cluster obeys these rules."""

    def decorate(operation: Operation) -> Operation:
        for rule in reversed(rules):

            def holds(on: Runner, ocluster: Cluster | None, rule: Rule = rule) -> bool:
                return on.semantics != REPAIRED or ocluster is None or rule(ocluster)

            operation = icontract.require(holds, description=_sentence(rule), enabled=True)(operation)
        return operation

    return decorate


def cparent_must_be(*rules: Rule) -> Callable[[Operation], Operation]:
    """The caller sees to it that the parent obeys these rules."""

    def decorate(operation: Operation) -> Operation:
        for rule in reversed(rules):

            def holds(on: Runner, cparent: Cluster | None, rule: Rule = rule) -> bool:
                return on.semantics != REPAIRED or cparent is None or rule(cparent)

            operation = icontract.require(holds, description=_sentence(rule), enabled=True)(operation)
        return operation

    return decorate


def success_means(*rules: Rule) -> Callable[[Operation], Operation]:
    """Where the operation returns 0 the cluster obeys these rules."""

    def decorate(operation: Operation) -> Operation:
        for rule in reversed(rules):

            def holds(on: Runner, cluster: Cluster | None, result: int, rule: Rule = rule) -> bool:
                return on.semantics != REPAIRED or result != 0 or cluster is None or rule(cluster)

            operation = icontract.ensure(holds, description=_sentence(rule), enabled=True)(operation)
        return operation

    return decorate


def failure_means(*rules: Rule) -> Callable[[Operation], Operation]:
    """Where the operation returns an Error the cluster obeys these rules."""

    def decorate(operation: Operation) -> Operation:
        for rule in reversed(rules):

            def holds(on: Runner, cluster: Cluster | None, result: int, rule: Rule = rule) -> bool:
                return on.semantics != REPAIRED or result == 0 or cluster is None or rule(cluster)

            operation = icontract.ensure(holds, description=_sentence(rule), enabled=True)(operation)
        return operation

    return decorate


def a_chain_means(*rules: Rule) -> Callable[[Operation], Operation]:
    """Where the operation returns a chain, and not None, the cluster obeys these rules."""

    def decorate(operation: Operation) -> Operation:
        for rule in reversed(rules):

            def holds(on: Runner, cluster: Cluster | None, result: object, rule: Rule = rule) -> bool:
                return on.semantics != REPAIRED or result is None or cluster is None or rule(cluster)

            operation = icontract.ensure(holds, description=_sentence(rule), enabled=True)(operation)
        return operation

    return decorate


def leaves_a_cluster_that(*rules: Rule) -> Callable[[Operation], Operation]:
    """Whenever the operation returns, the cluster obeys these rules."""

    def decorate(operation: Operation) -> Operation:
        for rule in reversed(rules):

            def holds(on: Runner, cluster: Cluster | None, rule: Rule = rule) -> bool:
                return on.semantics != REPAIRED or cluster is None or rule(cluster)

            operation = icontract.ensure(holds, description=_sentence(rule), enabled=True)(operation)
        return operation

    return decorate


def void_in_the_seed(operation: Operation) -> Operation:
    """The original's function returns nothing: there is no Error to be seen in the seed."""

    def holds(on: Runner, result: int) -> bool:
        return on.semantics != SEED or (result == 0 and type(result) is int)

    return icontract.ensure(holds, description="0 in the seed, whose function returns nothing", enabled=True)(operation)


def always(condition: Callable[..., bool], sentence: str) -> Callable[[Operation], Operation]:
    """Whenever the operation returns, the condition holds, under the seed's semantics too."""
    return icontract.ensure(condition, description=sentence, enabled=True)


def before(name: str, value: Callable[..., Any]) -> Callable[[Operation], Operation]:
    """Let the conditions of ``always`` know as ``OLD.name`` what this was when the operation began."""
    return icontract.snapshot(value, name=name, enabled=True)


def returns_a_cluster_that(*rules: Rule) -> Callable[[Operation], Operation]:
    """The cluster returned, alone or first of several values, obeys these rules."""

    def decorate(operation: Operation) -> Operation:
        for rule in reversed(rules):

            def holds(on: Runner, result: Any, rule: Rule = rule) -> bool:  # noqa: ANN401 - a cluster, or a tuple
                cluster = result[0] if isinstance(result, tuple) else result
                return on.semantics != REPAIRED or cluster is None or rule(cluster)

            operation = icontract.ensure(holds, description=_sentence(rule), enabled=True)(operation)
        return operation

    return decorate
