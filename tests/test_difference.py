"""What a resynchronization reads at its source and changes at its target, one node at a time."""

import pytest
from tests.cluster_kit import Cluster
from tests.sim_kit import FILES

from hammer2_cluster import difference
from hammer2_cluster.device.device import FullError, ReadError, WriteError
from hammer2_cluster.device.faults import Fault, Kind
from hammer2_cluster.difference import Path
from hammer2_cluster.store import lookup
from hammer2_cluster.store.blockref import Entry
from hammer2_cluster.store.chain import StoredChain
from hammer2_cluster.store.chains import at_once
from hammer2_spec.vocabulary import INODE_BYTES, BrefFlag, BrefType, Lookup

BIG = b"0123456789" * 9000
NOWHERE = 1 << 62
INODE_RADIX = INODE_BYTES.bit_length() - 1


class Pair:
    """Node 0 has a file that node 2 has not."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.cluster.failures.disconnected(2)
        self.cluster.sim.run(0, self.cluster.put(0, b"big", BIG))
        self.cluster.sim.settle()
        self.cluster.mount_again(2)
        self.source, self.target = self.cluster.failures.root(0), self.cluster.failures.root(2)
        self.missing = next(entry for entry in self.below(self.source.entry()) if self.is_missing(entry))

    def content(self, entry: Entry) -> bytes:
        return at_once(difference.content_of(self.source.volume, entry))

    def below(self, entry: Entry) -> list[Entry]:
        return at_once(difference.entries_below(self.source.volume, entry.type, self.content(entry)))

    def is_missing(self, entry: Entry) -> bool:
        return entry.key not in (at_once(difference.elements_at(self.target, ())) or {})

    def copy(self, path: Path, entry: Entry) -> None:
        found = (at_once(difference.elements_at(self.target, path)) or {}).get(entry.key)
        at_once(difference.replace(self.target, path, entry, self.content(entry), found))

    def chain_at(self, path: Path, key: int) -> StoredChain:
        async def find() -> StoredChain:
            async with difference.inode_at(self.target, path) as item:
                chain, _ = await lookup.lookup(item, 0, key, key, Lookup.ALWAYS)
                assert chain is not None
                chain.volume.unlock(chain)
                return chain

        return at_once(find())


def test_what_is_copied_is_as_it_is_at_the_source_and_is_declared_to_be_so_only_afterwards() -> None:
    pair = Pair()
    pair.copy((), pair.missing)
    blocks = pair.below(pair.missing)
    for block in blocks:
        pair.copy((pair.missing.key,), block)
        at_once(difference.declare(pair.target, (pair.missing.key,), block))
    inside = at_once(difference.elements_at(pair.target, (pair.missing.key,)))
    assert inside == {block.key: (difference.element_of(block), block.mirror_tid) for block in blocks}
    before = at_once(difference.elements_at(pair.target, ()))
    assert before is not None
    assert before[pair.missing.key].what == difference.element_of(pair.missing)
    assert before[pair.missing.key].tid != pair.missing.mirror_tid
    at_once(difference.declare(pair.target, (), pair.missing))
    after = at_once(difference.elements_at(pair.target, ()))
    assert after is not None
    assert after[pair.missing.key].tid == pair.missing.mirror_tid
    new = pair.chain_at((), pair.missing.key)
    assert not new.bref.flags & BrefFlag.PFSROOT, "nothing but a root is the root of a PFS"
    assert new.bref.methods == pair.missing.methods


def test_a_copy_is_checked_and_compressed_as_its_source_is() -> None:
    pair = Pair()
    other = pair.missing._replace(methods=pair.missing.methods ^ 1)
    at_once(difference.replace(pair.target, (), other, pair.content(pair.missing), None))
    assert pair.chain_at((), pair.missing.key).bref.methods == other.methods


def test_a_copy_that_is_changed_again_is_no_longer_what_it_was_declared_to_be() -> None:
    pair = Pair()
    pair.copy((), pair.missing)
    at_once(difference.declare(pair.target, (), pair.missing))
    pair.copy((), pair.missing)
    found = at_once(difference.elements_at(pair.target, ()))
    assert found is not None
    assert found[pair.missing.key].tid != pair.missing.mirror_tid


def test_elements_are_listed_without_reading_them() -> None:
    pair = Pair()
    before = pair.cluster.devices[2].count.reads
    assert at_once(difference.elements_at(pair.target, ())) is not None
    assert pair.cluster.devices[2].count.reads <= before + 1, "the root alone"


def test_nothing_is_done_where_there_is_nothing() -> None:
    pair = Pair()
    with pytest.raises(ReadError, match="nothing at"):
        at_once(difference.elements_at(pair.target, (NOWHERE,)))
    with pytest.raises(ReadError, match="nothing at"):
        at_once(difference.declare(pair.target, (), pair.missing))
    assert not at_once(difference.is_readable(pair.target, (), NOWHERE))
    at_once(difference.remove(pair.target, (), NOWHERE))
    assert pair.target.volume.failed is None
    assert not [chain for chain in pair.target.children.all() if chain.locks]
    assert pair.target.locks == 0


def test_what_is_removed_is_gone_with_all_below_it() -> None:
    pair = Pair()
    pair.copy((), pair.missing)
    for block in pair.below(pair.missing):
        pair.copy((pair.missing.key,), block)
    at_once(difference.remove(pair.target, (), pair.missing.key))
    assert pair.is_missing(pair.missing)


@pytest.mark.parametrize(("failed", "wrong"), [(FullError("full"), FullError), (WriteError("broken"), WriteError)])
def test_where_nothing_can_be_written_nothing_is_copied_or_removed(failed: WriteError, wrong: type[WriteError]) -> None:
    pair = Pair()
    found = at_once(difference.elements_at(pair.target, ()))
    assert found is not None
    pair.target.volume.fail(failed)
    with pytest.raises(WriteError, match=str(failed)):
        at_once(difference.remove(pair.target, (), next(iter(found))))
    assert isinstance(pair.target.volume.failed, wrong)


def test_what_does_not_fit_is_not_copied() -> None:
    pair = Pair()
    pair.target.volume.promised = pair.target.volume.freemap.free_bytes
    with pytest.raises(FullError, match="no room for what is to be copied"):
        pair.copy((), pair.missing)
    assert pair.is_missing(pair.missing)


def test_what_is_there_and_has_no_room_to_change_stays_as_it_is() -> None:
    pair = Pair()
    volume = pair.target.volume
    while volume.freemap.allocate(INODE_RADIX) is not None:
        pass
    other = next(entry for entry in pair.below(pair.source.entry()) if entry.key != pair.missing.key)
    with pytest.raises(WriteError, match="what is to be copied cannot be written"):
        pair.copy((), other)
    assert isinstance(volume.failed, FullError)
    assert pair.target.locks == 0
    assert not [chain for chain in pair.target.children.all() if chain.locks]


def test_nothing_is_copied_below_a_directory_that_cannot_be_read() -> None:
    pair = Pair()
    where = pair.target.entry().offset
    pair.cluster.devices[2].faults.append(Fault(Kind.READ_ERROR, range(where, where + 1)))
    with pytest.raises(ReadError, match="what is above it cannot be read"):
        at_once(difference.replace(pair.target, (), pair.missing, pair.content(pair.missing), None))
    assert pair.target.locks == 0


def test_a_block_that_cannot_be_read_is_not_written_over_in_place_but_made_anew() -> None:
    pair = Pair()
    key = next(key for key in at_once(difference.elements_at(pair.target, ())) or {})
    entry = next(entry for entry in pair.below(pair.source.entry()) if entry.key == key)
    device = pair.cluster.devices[2]
    chain = pair.chain_at((), key)
    assert at_once(difference.is_readable(pair.target, (), key))
    device.faults.append(Fault(Kind.READ_ERROR, range(chain.entry().offset, chain.entry().offset + 1)))
    assert not at_once(difference.is_readable(pair.target, (), key))
    pair.copy((), entry)
    assert at_once(difference.is_readable(pair.target, (), key))
    assert bytes(pair.chain_at((), key).content or b"") == pair.content(entry)


def test_a_directory_of_which_not_all_can_be_read_has_no_list() -> None:
    pair = Pair()
    where = pair.target.entry().offset
    pair.cluster.devices[2].faults.append(Fault(Kind.READ_ERROR, range(where, where + 1)))
    assert at_once(difference.elements_at(pair.target, ())) is None


def test_a_block_of_the_source_that_is_not_what_its_entry_says_is_not_copied() -> None:
    pair = Pair()
    device = pair.cluster.devices[0]
    device.faults.append(Fault(Kind.CORRUPTION, range(pair.missing.offset, pair.missing.offset + 1)))
    with pytest.raises(ReadError, match="check code is wrong"):
        pair.content(pair.missing)


def test_the_files_of_a_store_are_the_elements_below_its_root() -> None:
    pair = Pair()
    entries = pair.below(pair.source.entry())
    assert [entry.type for entry in entries] == [BrefType.INODE] * (len(FILES) + 1)
    assert [entry.key for entry in entries] == sorted(entry.key for entry in entries)
