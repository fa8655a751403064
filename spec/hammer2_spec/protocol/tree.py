"""Resynchronization below the root: one target's tree is made equal to a snapshot of the others', subtree by subtree.

The tree is a root, directories and leaves. The tid of an element is that of the last write below it, so that equal tids
certify equal subtrees, and a pass need not look below them (L1411-1413). But a flush moves the tids above whatever was
copied (the chain layer does that), and a pass may be cut short: then the tid of a directory is that of the snapshot
while one of its leaves is old. Therefore an element whose copying has begun carries a mark, on the media, until all
below it is done; a marked element certifies nothing.

The front end goes on writing meanwhile; a write may touch several leaves. The content of a leaf is the number of the
write that made it; the history says which write touched which leaf, so that every version is known.
"""

from typing import NamedTuple

from hammer2_spec.transition_system import replaced


class Element(NamedTuple):
    """An element of the target's tree, in memory and on its media.

    Attributes:
        tid: that of the last write in it or below it.
        content: of a leaf: the write whose data it has, or MIXED.
        mark: its copying has begun, and is not complete.
        durable_tid: the same on the media.
        durable_content: the same on the media.
        durable_mark: the same on the media.
    """

    tid: int = 0
    content: int = 0
    mark: bool = False
    durable_tid: int = 0
    durable_content: int = 0
    durable_mark: bool = False


class Tree(NamedTuple):
    """The target, and what is known of the others.

    Attributes:
        elements: the target's tree: the root, the directories, the leaves.
        tids: how many tids were given out; the version that the others have.
        history: for each tid, one bit for each leaf that it wrote, lowest tid first.
        astray: a tid that a recovery left behind: that of a write of the target alone, or of the source; 0: none.
        eligible: the target takes new writes.
        pending: the leaves, one bit each, that the write under way has still to change on the target.
        syncing: a pass is running.
        snapshot: the version that it copies (L1440-1443).
        copying: the leaf that is being copied, 0: none.
    """

    elements: tuple[Element, ...]
    tids: int = 0
    history: int = 0
    astray: int = 0
    eligible: bool = True
    pending: int = 0
    syncing: bool = False
    snapshot: int = 0
    copying: int = 0


class TreeSetup(NamedTuple):
    """The shape, the bounds, and the ingredients, each of which can be taken away.

    Attributes:
        parents: the parent of each element; the root is its own.
        elements: how many there are.
        first_leaf: the elements from here on are leaves.
        most_tids: how many tids there are.
    """

    parents: tuple[int, ...]
    elements: int
    first_leaf: int
    most_tids: int
    # What follows are the ingredients.
    durable_mark: bool = True
    compare_equal: bool = True
    children_first: bool = True
    whole_flush: bool = True
    flush_between_writes: bool = True
    mark_leaf: bool = True
    stamp_last: bool = True
    lower_tids: bool = True


INGREDIENTS = TreeSetup._fields[TreeSetup._fields.index("durable_mark") :]
"""The names of the ingredients."""

MIXED = 15
"""The content of a leaf that is neither one version nor another."""


# ---------------------------------------------------------------- what the others have


def is_leaf(m: TreeSetup, e: int) -> bool:
    """Whether an element is a leaf."""
    return e >= m.first_leaf


def below(m: TreeSetup, leaf: int, e: int) -> bool:
    """Whether a leaf is this element or below it."""
    return e in (0, leaf) or m.parents[leaf] == e


def wrote(m: TreeSetup, s: Tree, tid: int, leaf: int) -> bool:
    """Whether a write touched a leaf."""
    leaves = m.elements - m.first_leaf
    return (s.history >> ((tid - 1) * leaves + leaf - m.first_leaf)) & 1 == 1


def last_write(m: TreeSetup, s: Tree, leaf: int, version: int) -> int:
    """The write whose data a leaf has in a version. What went astray is in no version but its own."""
    found = 0
    for tid in range(1, version + 1):
        if wrote(m, s, tid, leaf) and (tid != s.astray or version == s.astray):
            found = tid
    return found


def tid_of(m: TreeSetup, s: Tree, e: int, version: int) -> int:
    """The tid of an element in a version; the root's is the version's, which a recovery re-stamps."""
    if e == 0:
        return version
    found = 0
    for leaf in range(m.first_leaf, m.elements):
        if below(m, leaf, e):
            found = max(found, last_write(m, s, leaf, version))
    return found


# ---------------------------------------------------------------- the front end, and the target while it is in step


def _moved(m: TreeSetup, s: Tree, leaf: int, tid: int) -> Tree:
    """The tids above a leaf moved up to this one, as the chain layer does."""
    parent = m.parents[leaf]
    directory = s.elements[parent]
    s = s._replace(elements=replaced(s.elements, parent, directory._replace(tid=max(directory.tid, tid))))
    root = s.elements[0]
    return s._replace(elements=replaced(s.elements, 0, root._replace(tid=max(root.tid, tid))))


def write(m: TreeSetup, s: Tree, mask: int) -> Tree | None:
    """The others take a write of these leaves; the target owes it, if it is in step."""
    if mask == 0 or s.pending != 0 or s.tids >= m.most_tids:
        return None
    leaves = m.elements - m.first_leaf
    s = s._replace(tids=s.tids + 1, history=s.history | mask << s.tids * leaves)
    if s.eligible:
        return s._replace(pending=mask)
    return s


def apply(m: TreeSetup, s: Tree, e: int) -> Tree | None:
    """The target changes one of the leaves, in memory."""
    if not is_leaf(m, e) or (s.pending >> (e - m.first_leaf)) & 1 == 0:
        return None
    s = s._replace(pending=s.pending & ~(1 << (e - m.first_leaf)))
    s = s._replace(elements=replaced(s.elements, e, s.elements[e]._replace(tid=s.tids, content=s.tids)))
    return _moved(m, s, e, s.tids)


def go_astray(m: TreeSetup, s: Tree, e: int) -> Tree | None:
    """The target alone flushes a write and goes away; a recovery without it leaves that behind and stamps the root."""
    if not is_leaf(m, e) or not s.eligible or s.pending != 0 or s.astray != 0 or s.tids + 2 > m.most_tids:
        return None
    leaves = m.elements - m.first_leaf
    tid = s.tids + 1
    s = s._replace(tids=s.tids + 2, history=s.history | 1 << s.tids * leaves + e - m.first_leaf, astray=tid)
    s = s._replace(elements=replaced(s.elements, e, s.elements[e]._replace(tid=tid, content=tid)))
    s = _moved(m, s, e, tid)
    s = s._replace(elements=tuple(_flushed(m, element) for element in s.elements))
    return s._replace(eligible=False)


def lose_source(m: TreeSetup, s: Tree) -> Tree | None:
    """What a pass copies was acknowledged by nobody, and its source is lost: a recovery leaves it behind."""
    if not s.syncing or s.snapshot != s.tids or s.snapshot == 0 or s.astray != 0 or s.tids >= m.most_tids:
        return None
    return s._replace(tids=s.tids + 1, astray=s.tids, syncing=False, snapshot=0, copying=0)


def _flushed(m: TreeSetup, element: Element) -> Element:
    return element._replace(
        durable_tid=element.tid, durable_content=element.content, durable_mark=element.mark and m.durable_mark
    )


def clean(m: TreeSetup, element: Element) -> bool:
    """Whether an element's media has what its memory has."""
    return (
        element.tid == element.durable_tid
        and element.content == element.durable_content
        and (element.mark and m.durable_mark) == element.durable_mark
    )


def _may_flush(m: TreeSetup, s: Tree) -> bool:
    return s.pending == 0 or not m.flush_between_writes


def flush(m: TreeSetup, s: Tree) -> Tree | None:
    """All that is dirty reaches the media at once: new blocks first, then the volume header that leads to them."""
    if not m.whole_flush or not _may_flush(m, s) or all(clean(m, element) for element in s.elements):
        return None
    return s._replace(elements=tuple(_flushed(m, element) for element in s.elements))


def flush_element(m: TreeSetup, s: Tree, e: int) -> Tree | None:
    """Only without whole flushes: elements are written in place one by one, from below."""
    if m.whole_flush or not _may_flush(m, s) or clean(m, s.elements[e]):
        return None
    if any(m.parents[child] == e and child != e and not clean(m, other) for child, other in enumerate(s.elements)):
        return None
    return s._replace(elements=replaced(s.elements, e, _flushed(m, s.elements[e])))


def _remembered(element: Element) -> Element:
    return element._replace(tid=element.durable_tid, content=element.durable_content, mark=element.durable_mark)


def crash(_m: TreeSetup, s: Tree) -> Tree | None:
    """The target loses its memory, and a pass with it."""
    if not s.eligible and not s.syncing:
        return None
    s = s._replace(elements=tuple(_remembered(element) for element in s.elements))
    return s._replace(eligible=False, pending=0, syncing=False, snapshot=0, copying=0)


# ---------------------------------------------------------------- a pass


def certified(m: TreeSetup, s: Tree, e: int) -> bool:
    """Whether an element's tid vouches for all that is below it: a pass does not look there (C92)."""
    element = s.elements[e]
    tid = tid_of(m, s, e, s.snapshot)
    if element.mark:
        return False
    return element.tid == tid or (not m.compare_equal and element.tid > tid)


def begin_pass(_m: TreeSetup, s: Tree) -> Tree | None:
    """A pass begins: the version that the others have now is its snapshot (L1440-1443)."""
    if s.eligible or s.syncing:
        return None
    return s._replace(syncing=True, snapshot=s.tids)


def descend(m: TreeSetup, s: Tree, e: int) -> Tree | None:
    """A pass looks below an element that is not certified, and marks it first."""
    element = s.elements[e]
    if not s.syncing or is_leaf(m, e) or element.mark or certified(m, s, e):
        return None
    if e != 0 and not s.elements[m.parents[e]].mark:
        return None
    return s._replace(elements=replaced(s.elements, e, element._replace(mark=True)))


def begin_copy(m: TreeSetup, s: Tree, e: int) -> Tree | None:
    """The copying of a leaf begins: from now on it is neither the old one nor the new one."""
    element = s.elements[e]
    if not s.syncing or s.copying != 0 or not is_leaf(m, e) or certified(m, s, e):
        return None
    if not s.elements[m.parents[e]].mark:
        return None
    early = not m.stamp_last
    element = element._replace(content=MIXED, mark=m.mark_leaf)
    if early:
        element = element._replace(tid=last_write(m, s, e, s.snapshot))
    s = s._replace(copying=e)
    return s._replace(elements=replaced(s.elements, e, element))


def end_copy(m: TreeSetup, s: Tree, e: int) -> Tree | None:
    """The leaf is complete. The chain layer moves the tids above it."""
    if s.copying == 0 or s.copying != e:
        return None
    tid = last_write(m, s, e, s.snapshot)
    s = s._replace(copying=0)
    s = s._replace(elements=replaced(s.elements, e, s.elements[e]._replace(tid=tid, content=tid, mark=False)))
    return _moved(m, s, e, tid)


def certify(m: TreeSetup, s: Tree, e: int) -> Tree | None:
    """All below a marked element is certified: it gets its tid, which may be lower than one that went astray."""
    element = s.elements[e]
    if not s.syncing or is_leaf(m, e) or not element.mark:
        return None
    if m.children_first and any(
        m.parents[child] == e and child != e and not certified(m, s, child) for child, _ in enumerate(s.elements)
    ):
        return None
    tid = tid_of(m, s, e, s.snapshot)
    if not m.lower_tids:
        tid = max(tid, element.tid)
    return s._replace(elements=replaced(s.elements, e, element._replace(tid=tid, mark=False)))


def end_pass(m: TreeSetup, s: Tree) -> Tree | None:
    """The root is certified and flushed: the target is in step, or was overtaken and needs another pass."""
    if not s.syncing or not certified(m, s, 0) or not all(clean(m, element) for element in s.elements):
        return None
    s = s._replace(eligible=s.snapshot == s.tids)
    return s._replace(syncing=False, snapshot=0)


def interrupt(_m: TreeSetup, s: Tree) -> Tree | None:
    """A pass is cut short; the target keeps its memory."""
    if not s.syncing:
        return None
    return s._replace(syncing=False, snapshot=0, copying=0)


# ---------------------------------------------------------------- what must hold


def _as_in_version(m: TreeSetup, s: Tree, e: int, version: int) -> bool:
    """Whether all leaves at or below an element have, on the media, the data of this version."""
    return not any(
        is_leaf(m, leaf) and below(m, leaf, e) and element.durable_content != last_write(m, s, leaf, version)
        for leaf, element in enumerate(s.elements)
    )


def an_unmarked_root_shows_one_whole_version(m: TreeSetup, s: Tree) -> bool:
    """What the media shows by its root's tid, it has."""
    root = s.elements[0]
    return root.durable_mark or _as_in_version(m, s, 0, root.durable_tid)


def an_element_that_looks_certified_is(m: TreeSetup, s: Tree) -> bool:
    """An element without mark, with the tid of the present version and no mark above, has all of that below it."""
    for e, element in enumerate(s.elements):
        if not element.durable_mark and element.durable_tid == tid_of(m, s, e, s.tids):
            if not _as_in_version(m, s, e, s.tids):
                return False
    return True


def a_target_declared_in_step_is(m: TreeSetup, s: Tree) -> bool:
    """The target that takes new writes has the version of the others, but for the write under way."""
    if not s.eligible or s.pending != 0:
        return True
    return s.elements[0].tid == s.tids and not any(
        is_leaf(m, leaf) and element.content != last_write(m, s, leaf, s.tids)
        for leaf, element in enumerate(s.elements)
    )


def what_a_pass_ends_with_is_on_the_media(m: TreeSetup, before: Tree, after: Tree) -> bool:
    """A pass that has come to its end has flushed its snapshot: the data, and every element's tid without a mark."""
    return _as_in_version(m, after, 0, before.snapshot) and not any(
        element.durable_mark or element.durable_tid != tid_of(m, before, e, before.snapshot)
        for e, element in enumerate(after.elements)
    )


def only_what_a_pass_copies_is_lost_with_its_source(_m: TreeSetup, before: Tree, after: Tree) -> bool:
    """What the loss of a source leaves behind is the snapshot, nothing that was written since."""
    return after.astray == before.snapshot


def the_target_is_in_step(m: TreeSetup, s: Tree) -> bool:
    """The goal: the target has, on its media, the version of the others."""
    return s.eligible and s.pending == 0 and all(clean(m, element) for element in s.elements)


# ---------------------------------------------------------------- what must be reached


def a_mark_outlived_its_pass(_m: TreeSetup, s: Tree) -> bool:
    """A pass was cut short, and the media says so."""
    return not s.syncing and s.elements[0].durable_mark


def a_tid_above_hides_an_old_leaf_but_for_the_mark(m: TreeSetup, s: Tree) -> bool:
    """A marked directory's tid is that of the present version, and a leaf below it is old: what the mark is for."""
    return not s.syncing and any(
        element.durable_mark
        and 0 < e < m.first_leaf
        and element.durable_tid == tid_of(m, s, e, s.tids)
        and not _as_in_version(m, s, e, s.tids)
        for e, element in enumerate(s.elements)
    )


def a_pass_skips_a_subtree(m: TreeSetup, s: Tree) -> bool:
    """One directory is being copied while another needs nothing (C92)."""
    return (
        s.syncing
        and any(0 < e < m.first_leaf and element.mark for e, element in enumerate(s.elements))
        and any(0 < e < m.first_leaf and element.tid > 0 and certified(m, s, e) for e, element in enumerate(s.elements))
    )


def a_pass_was_overtaken_by_a_write(m: TreeSetup, s: Tree) -> bool:
    """The target has the snapshot, and the others have gone on."""
    return s.syncing and s.snapshot < s.tids and certified(m, s, 0)


def a_leaf_was_cut_short_in_the_middle(m: TreeSetup, s: Tree) -> bool:
    """A leaf is neither old nor new, on the media, and no pass is running."""
    return not s.syncing and any(is_leaf(m, e) and x.durable_content == MIXED for e, x in enumerate(s.elements))


def a_write_that_went_astray_was_taken_back(m: TreeSetup, s: Tree) -> bool:
    """The target had a write that nobody else has, and is in step again."""
    return s.astray != 0 and the_target_is_in_step(m, s)


def half_of_a_copy_was_left_behind_with_its_source(m: TreeSetup, s: Tree) -> bool:
    """The target has one leaf of a write that went astray and lacks another: a write of the target alone is whole."""
    return (
        s.astray != 0
        and any(is_leaf(m, e) and element.content == s.astray for e, element in enumerate(s.elements))
        and any(
            is_leaf(m, e) and wrote(m, s, s.astray, e) and element.content < s.astray
            for e, element in enumerate(s.elements)
        )
    )


def a_write_of_several_leaves_is_half_done(_m: TreeSetup, s: Tree) -> bool:
    """The target has changed some leaves of a write, and owes others."""
    return s.pending != 0 and any(element.tid == s.tids for element in s.elements)
