"""Entries of a directory by name: of a PFS's root, or of the super-root of one node."""

from hammer2_cluster.data import rdata, wdata
from hammer2_cluster.locking import unlock
from hammer2_cluster.lookups import lookup, lookup_init, next  # noqa: A004 - the original's name
from hammer2_cluster.modifying import modify, modsync
from hammer2_cluster.objects import Cluster, Pfs
from hammer2_cluster.outcomes import deref
from hammer2_cluster.runner import Runner
from hammer2_cluster.store.chains import dirhash, own
from hammer2_cluster.store.inode_data import NAME_MAX, TABLE_AT, InodeData
from hammer2_cluster.store.insertion import NO_SPACE
from hammer2_cluster.store.volume import Volume
from hammer2_cluster.topology import create
from hammer2_spec.vocabulary import DIRHASH_LOMASK, EMBEDDED_BYTES, INODE_BYTES, BrefType, Error, Lookup


class FilesystemError(Exception):
    """Something cannot be done; the text says what and why. Nothing was changed."""


class NotFoundError(FilesystemError):
    """There is no such name."""


class ExistsError(FilesystemError):
    """The name is taken."""


class NoSpaceError(FilesystemError):
    """It does not fit, on this or that node."""


class UnavailableError(FilesystemError):
    """No quorum, or no readable copy: which blocks of which nodes."""


def check_name(name: bytes) -> None:
    """Raises FilesystemError unless an entry may be called so."""
    if not 0 < len(name) <= NAME_MAX:
        raise FilesystemError(f"a name has 1 to {NAME_MAX} bytes, this one {len(name)}")
    if b"\0" in name:
        raise FilesystemError("a name cannot contain a zero byte")


def printable(name: bytes) -> str:
    r"""A name on one line, from which it can be had back: what cannot be printed is a \xNN for each byte, \ is \\."""

    def escaped(character: str) -> str:
        if character == "\\":
            return 2 * character
        if character.isprintable():
            return character
        return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))

    return "".join(map(escaped, name.decode("utf-8", "surrogateescape")))


def shown(name: bytes) -> str:
    """A name in a sentence."""
    return f"'{printable(name)}'"


def about(volume: Volume, error: Exception) -> str:
    """What an error says, where it is clear that it is about this node."""
    return str(error).removeprefix(f"{volume.name}: ")


def trusted(cluster: Cluster) -> Cluster:
    """The cluster, if it has a focus that may be read. Raises UnavailableError, naming what is wrong with it."""
    if cluster.focus is None or cluster.focus.error:
        raise UnavailableError(wrong_with(cluster))
    return cluster


def wrong_with(cluster: Cluster) -> str:
    """Why a cluster cannot be read or written, as far as its members say."""
    wrong = [f"{own(chain).name}: {Error(chain.error).name} error" for _, chain in cluster.members() if chain.error]
    return "; ".join(wrong) or "no quorum"


def check(error: int | None, cluster: Cluster) -> None:
    """Raises NoSpaceError or UnavailableError, for the cluster, unless an operation returned no error."""
    if error == NO_SPACE:
        raise NoSpaceError("no room on too many nodes")
    if error:
        raise UnavailableError(wrong_with(cluster))


def inode_of(cluster: Cluster) -> InodeData:
    """The fields of an inode. Raises UnavailableError."""
    return InodeData.read(deref(rdata(trusted(cluster)).data))


async def lock_again(on: Runner, cluster: Cluster, flags: int) -> Cluster:
    """Another cluster over the same chains, locked. Raises UnavailableError."""
    again = await lookup_init(on, cluster, flags)
    if again is None:
        raise UnavailableError(wrong_with(cluster))
    return trusted(again)


async def find(on: Runner, cparent: Cluster, name: bytes) -> tuple[Cluster | None, int]:
    """The locked inode of that name below a locked directory, or None, and the first key that is free for the name.

    Raises UnavailableError, FilesystemError if all keys of its hash are taken.
    """
    first = key = dirhash(name)
    free: int | None = None
    cluster, _ = await lookup(on, cparent, 0, first, first | DIRHASH_LOMASK, Lookup.ALWAYS)
    while cluster is not None:
        if inode_of(cluster).name == name:
            return cluster, deref(cluster.focus).bref.key
        if free is None and deref(cluster.focus).bref.key != key:
            free = key
        key = deref(cluster.focus).bref.key + 1
        cluster, _ = await next(on, cparent, cluster, 0, first, first | DIRHASH_LOMASK, Lookup.ALWAYS)
    must_have_answered(cparent)
    if free is None and key > first | DIRHASH_LOMASK:
        raise FilesystemError(f"too many names have the hash of {shown(name)}")
    return None, key if free is None else free


def must_have_answered(cparent: Cluster) -> None:
    """Nothing was found: enough members must have been able to look, and agreed. Raises UnavailableError."""
    if cparent.error or all(chain.error for _, chain in cparent.members()):
        raise UnavailableError(wrong_with(cparent))


async def stand_at(on: Runner, cparent: Cluster, key: int) -> None:
    """Let each parent be the one below which a free key belongs."""
    found, _ = await lookup(on, cparent, 0, key, key, Lookup.NODATA)
    if found is not None:
        await unlock(on, found)
        raise ExistsError(f"key {key:#x} is taken")
    must_have_answered(cparent)


async def create_inode(
    on: Runner, cparent: Cluster, pmp: Pfs | None, key: int, inode: InodeData, flags: int = 0
) -> Cluster:
    """A new locked inode below a directory, at a free key."""
    await stand_at(on, cparent, key)
    error, cluster = await create(on, pmp, cparent, None, key, 0, BrefType.INODE, INODE_BYTES, flags)
    check(error, cparent)
    await edit_inode(on, deref(cluster), inode)
    return deref(cluster)


async def edit_inode(on: Runner, cluster: Cluster, inode: InodeData, embedded: bytes | None = None) -> None:
    """Write an inode's fields, and its embedded data if any is given, and carry that to all members."""
    check(await modify(on, cluster, 0), cluster)
    data = deref(wdata(trusted(cluster)).data)
    inode.write(data)
    if embedded is not None:
        data[TABLE_AT : TABLE_AT + EMBEDDED_BYTES] = embedded.ljust(EMBEDDED_BYTES, b"\0")
    check(await modsync(on, cluster), cluster)
