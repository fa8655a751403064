"""Clusters drawn for a person: one line for each, its members in a row, the focus with a star."""

from collections.abc import Iterable

from hammer2_cluster.objects import Chain, Cluster
from hammer2_oracle.words import counted
from hammer2_spec.vocabulary import BrefType, ChainFlag, ClusterFlag, PfsType, names_of


def name_of(number: int, vocabulary: type[BrefType] | type[PfsType]) -> str:
    """The constant's name in lower case, or the number."""
    return vocabulary(number).name.lower() if number in set(vocabulary) else str(number)


def draw_member(cluster: Cluster, i: int) -> str:
    """One slot: ``*1 master chain 4 tid 7 error 2``, ``-`` if it is empty."""
    chain = cluster.array[i].chain
    if chain is None:
        return f"{i} -"
    kind = "" if cluster.pmp is None else name_of(cluster.pmp.pfs_types[i], PfsType) + " "
    error = f" error {chain.error}" if chain.error else ""
    star = "*" if chain is cluster.focus else ""
    return f"{star}{i} {kind}chain {chain.id} tid {chain.bref.mirror_tid}{error}"


def draw_cluster(cluster: Cluster) -> str:
    """One cluster in one line."""
    focus = cluster.focus
    strange = focus is not None and all(focus is not item.chain for item in cluster.array)
    head = (
        f"cluster {cluster.id}: refs {cluster.refs}, {' '.join(names_of(cluster.flags, ClusterFlag)) or 'no flags'}"
        f", {counted(cluster.pmp.pfs_nmasters, 'master') if cluster.pmp else 'no pfs'}"
        f"{f', error {cluster.error}' if cluster.error else ''}"
        f"{f', focus on chain {focus.id} (no member)' if focus is not None and strange else ''}"
    )
    return head + "".join(f" | {draw_member(cluster, i)}" for i in range(cluster.nchains))


def draw_chain(chain: Chain) -> str:
    """One chain in one line."""
    bref = chain.bref
    return (
        f"chain {chain.id}: {name_of(bref.type, BrefType)} key {bref.key:#x}/{bref.keybits}, {chain.bytes} bytes, "
        f"tid {bref.mirror_tid}, refs {chain.refs}, locks {chain.locks}, error {chain.error}, "
        f"{' '.join(names_of(chain.flags, ChainFlag)) or 'no flags'}, "
        f"{'no data' if chain.data is None else 'data'}, parent {None if chain.parent is None else chain.parent.id}"
    )


def draw(clusters: Iterable[Cluster]) -> list[str]:
    """The clusters, then the chains that they hold."""
    clusters = list(clusters)
    chains = {item.chain.id: item.chain for cluster in clusters for item in cluster.array if item.chain is not None}
    return [draw_cluster(cluster) for cluster in clusters] + [draw_chain(chains[n]) for n in sorted(chains)]
