"""Resynchronization below the root as a model: its actions, its sentences, its bounds."""

from hammer2_spec.protocol import tree
from hammer2_spec.protocol.notation import SHOWN_OF_TREES
from hammer2_spec.protocol.tree import MIXED, Element, Tree, TreeSetup
from hammer2_spec.transition_system import Action, Model, StepInvariant

ELEMENTS, MASKS = "elements", "masks"
PARENTS = (0, 0, 0, 1, 1, 2)
"""A root, two directories, two leaves in the first and one in the second."""
FIRST_LEAF = 3

WHY = {
    "durable_mark": "the mark of an element whose copying has begun is on the media",
    "compare_equal": "only an equal tid certifies a subtree, a higher one does not",
    "children_first": "a mark is taken away when all below is certified, not before",
    "whole_flush": "a flush reaches the media whole or not at all",
    "flush_between_writes": "a flush waits for the end of a write of several leaves",
    "mark_leaf": "a leaf is marked too while it is copied",
    "stamp_last": "a leaf gets its tid when its data is complete",
    "lower_tids": "a pass takes a tid back that went astray",
}
"""What each ingredient says."""

ACTIONS: tuple[Action[TreeSetup, Tree], ...] = (
    Action("Write", tree.write, (MASKS,), fair=False),
    Action("Apply", tree.apply, (ELEMENTS,), fair_over=ELEMENTS),
    Action("GoAstray", tree.go_astray, (ELEMENTS,), fault=True),
    Action("LoseSource", tree.lose_source, fault=True),
    Action("Crash", tree.crash, fault=True),
    Action("BeginPass", tree.begin_pass),
    Action("Descend", tree.descend, (ELEMENTS,), fair_over=ELEMENTS),
    Action("BeginCopy", tree.begin_copy, (ELEMENTS,), fair_over=ELEMENTS),
    Action("EndCopy", tree.end_copy, (ELEMENTS,), fair_over=ELEMENTS),
    Action("Certify", tree.certify, (ELEMENTS,), fair_over=ELEMENTS),
    Action("EndPass", tree.end_pass),
    Action("Interrupt", tree.interrupt, fault=True),
)
FLUSH: Action[TreeSetup, Tree] = Action("Flush", tree.flush)
FLUSH_ELEMENT: Action[TreeSetup, Tree] = Action("FlushElement", tree.flush_element, (ELEMENTS,), fair_over=ELEMENTS)


def tree_model(setup: TreeSetup) -> Model[TreeSetup, Tree]:
    """The resynchronization of one tree within these bounds."""
    elements = len(setup.parents)
    leaves = elements - setup.first_leaf
    tids = setup.most_tids
    return Model(
        name="tree",
        setup=setup,
        initial=(Tree(elements=(Element(),) * elements),),
        sizes={ELEMENTS: elements, MASKS: 1 << leaves},
        ranges={
            "elements.tid": tids,
            "elements.content": MIXED,
            "elements.durable_tid": tids,
            "elements.durable_content": MIXED,
            "tids": tids,
            "history": (1 << tids * leaves) - 1,
            "astray": tids,
            "pending": (1 << leaves) - 1,
            "snapshot": tids,
            "copying": elements - 1,
        },
        actions=(*ACTIONS, FLUSH if setup.whole_flush else FLUSH_ELEMENT),
        invariants=(
            tree.an_unmarked_root_shows_one_whole_version,
            tree.an_element_that_looks_certified_is,
            tree.a_target_declared_in_step_is,
        ),
        step_invariants=(
            StepInvariant(tree.what_a_pass_ends_with_is_on_the_media, only=("EndPass",)),
            StepInvariant(tree.only_what_a_pass_copies_is_lost_with_its_source, only=("LoseSource",)),
        ),
        witnesses=(
            tree.a_mark_outlived_its_pass,
            tree.a_tid_above_hides_an_old_leaf_but_for_the_mark,
            tree.a_pass_skips_a_subtree,
            tree.a_pass_was_overtaken_by_a_write,
            tree.a_leaf_was_cut_short_in_the_middle,
            tree.a_write_that_went_astray_was_taken_back,
            tree.half_of_a_copy_was_left_behind_with_its_source,
            tree.a_write_of_several_leaves_is_half_done,
        ),
        goal=tree.the_target_is_in_step,
        shown=SHOWN_OF_TREES,
    )
