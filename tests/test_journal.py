"""What a write did at each node, as a digest, and the fence against those whose session is over."""

from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest

from hammer2_cluster.chain_layer import ChainLayer
from hammer2_cluster.journal import NOTHING, SPOILED, Journal
from hammer2_cluster.node import Fenced
from hammer2_cluster.objects import Blockref, Chain, ClusterItem
from hammer2_cluster.store.chains import at_once
from hammer2_spec.vocabulary import BrefFlag, BrefType, ChainFlag, Error

EPOCH = 3


class Below:
    """A layer in which every change succeeds, or none does."""

    def __init__(self, error: int = Error.NONE) -> None:
        self.error, self.calls = error, 0

    async def create(self, parent: ClusterItem, item: ClusterItem, *_: object) -> int:
        self.calls += 1
        if not self.error:
            item.chain = chain(parent.chain)
        return self.error

    async def rename(self, parent: ClusterItem, renamed: Chain, *_: object) -> None:
        self.calls += 1
        renamed.parent = None if self.error else parent.chain

    async def delete(self, _: Chain | None, deleted: Chain, *__: object) -> None:
        self.calls += 1
        deleted.flags |= 0 if self.error else ChainFlag.DELETED

    async def modify(self, modified: Chain, *_: object) -> None:
        self.calls += 1
        modified.error = self.error

    async def resize(self, _: object, __: Chain, resized: Chain, *___: object) -> None:
        self.calls += 1
        resized.error = self.error


def chain(parent: Chain | None = None, *, hmp: int = 0, key: int = 7, flags: int = 0) -> Chain:
    return Chain(1, Blockref(BrefType.INODE, key=key, flags=flags), 1024, parent=parent, hmp=hmp)


CHANGES: dict[str, Callable[[Journal, Chain, Chain], Coroutine[Any, Any, Any]]] = {
    "create": lambda journal, parent, it: journal.create(ClusterItem(parent), ClusterItem(it), None, 7, 0, 1, 1024, 0),
    "rename": lambda journal, parent, it: journal.rename(ClusterItem(parent), it, None, 0),
    "delete": lambda journal, parent, it: journal.delete(parent, it, 0),
    "modify": lambda journal, _, it: journal.modify(it, 0),
    "resize": lambda journal, parent, it: journal.resize(None, parent, it, 10, 0),
}


def digest_after(
    what: str, *, error: int = Error.NONE, hmp: int = 0, key: int = 7, flags: int = 0, before: tuple[str, ...] = ()
) -> bytes:
    """Of a node at which this was done last."""
    journal = Journal(cast("ChainLayer", Below(error)))
    journal.begin(hmp, EPOCH)
    for change in (*before, what):
        parent = chain(hmp=hmp, key=1)
        at_once(CHANGES[change](journal, parent, chain(parent, hmp=hmp, key=key, flags=flags)))
    return journal.digest(hmp)


@pytest.mark.parametrize("what", CHANGES)
def test_every_kind_of_change_that_succeeds_is_in_the_digest_and_none_that_fails(what: str) -> None:
    assert digest_after(what) not in (NOTHING, SPOILED, *(digest_after(other) for other in {*CHANGES} - {what}))
    assert digest_after(what, error=Error.IO) == NOTHING


@pytest.mark.parametrize("what", [what for what in CHANGES if what != "create"])
def test_nodes_have_equal_digests_if_they_did_the_same_in_the_same_order(what: str) -> None:
    assert digest_after(what) == digest_after(what, hmp=1)
    assert digest_after(what) != digest_after(what, key=8)
    assert digest_after(what) != digest_after(what, before=(what,))
    assert digest_after("modify", before=("delete",)) != digest_after("delete", before=("modify",))


def test_where_a_node_keeps_the_root_of_a_pfs_is_its_own_affair() -> None:
    assert digest_after("modify", key=8, flags=BrefFlag.PFSROOT) == digest_after("modify", flags=BrefFlag.PFSROOT)


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_by_somebody_whose_session_is_over_is_not_made(what: str) -> None:
    below = Below()
    journal = Journal(cast("ChainLayer", below))
    journal.begin(0, EPOCH)
    asked: list[tuple[int, int]] = []

    def may_change(n: int, epoch: int) -> bool:
        asked.append((n, epoch))
        return False

    journal.may_change = may_change
    parent = chain()
    with pytest.raises(Fenced, match="node 0"):
        at_once(CHANGES[what](journal, parent, chain(parent)))
    assert (below.calls, asked) == (0, [(0, EPOCH)])
    assert journal.digest(0) == NOTHING
    with pytest.raises(Fenced, match="node 1"):
        at_once(CHANGES[what](journal, chain(hmp=1), chain(parent, hmp=1)))
    assert asked[-1] == (1, 0), "no write has begun there"


def test_what_a_node_has_missed_is_not_made_good_by_what_it_does_later_in_the_same_write() -> None:
    journal = Journal(cast("ChainLayer", Below()))
    journal.spoil(0)
    at_once(journal.modify(chain(), 0))
    assert journal.digest(0) == SPOILED
    journal.begin(0, EPOCH)
    assert journal.digest(0) == NOTHING
