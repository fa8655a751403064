"""Reading as of a moment: what a quorum has validated is read from one node from then on (L333-342)."""

from collections.abc import Callable

from hammer2_cluster.life_cycle import copy
from hammer2_cluster.locking import lock, unlock
from hammer2_cluster.objects import Cluster, Pfs
from hammer2_cluster.outcomes import deref
from hammer2_cluster.runner import Runner
from hammer2_cluster.standing import believed
from hammer2_spec.vocabulary import PfsType, Resolve


async def narrowed(
    on: Runner, cluster: Cluster, is_intact: Callable[[int], bool], prefer: int | None = None
) -> Cluster | None:
    """The cluster narrowed to one validated member, referenced, for reading only; None if there is no such member.

    To the operations it is a directly mounted soft slave: it is believed alone, whatever becomes of the quorum, and
    never written. A CACHE is never believed, so what is narrowed never stands on one (L337-338).

    Args:
        on: the runner.
        cluster: unlocked, such as a PFS's root.
        is_intact: whether everything below a member is known to be there: its node is in step.
        prefer: the slot to narrow to if it qualifies, a fast slave for instance; otherwise the focus, or any.
    """
    if await lock(on, cluster, Resolve.ALWAYS | Resolve.SHARED):
        return None

    async def look(_: int) -> None:
        """Only to hear from it."""

    def good_ones() -> list[int]:
        return [i for i in believed(on, cluster) if is_intact(i)]

    if not good_ones():
        late = [i for i in cluster.late() if is_intact(i)]
        async for _ in on.ask(cluster, look, slots=late, until=lambda _answered: bool(good_ones())):
            pass
    good = good_ones()
    focus = cluster.slot_of(cluster.focus)
    chosen = next((i for i in (prefer, focus, *good) if i in good), None)
    view = None if chosen is None else await copy(on, cluster)
    await unlock(on, cluster)
    if view is None or chosen is None:
        return None

    async def leave(i: int) -> None:
        on.chains.drop(deref(view.array[i].chain))
        view.array[i].chain = None

    await on.tell(view, leave, slots=[i for i in range(view.nchains) if i != chosen], fills=view)
    types = [PfsType.NONE] * len(view.array)
    types[chosen] = PfsType.SOFT_SLAVE
    view.pmp = Pfs(deref(cluster.pmp).id, types, 0)
    return view
