"""The public entry refuses what is no configuration, by the name of the field."""

from typing import Any

import pytest

from hammer2_cluster.checked import decide
from hammer2_spec.configuration import FOREIGN, Configuration, Slot
from hammer2_spec.semantics import SEED

MASTER = Slot(True, 6, 1, 0)


@pytest.mark.parametrize(
    ("configuration", "complaint"),
    [
        (Configuration(None, 1, None, 4), "slots is None, expected a sequence of Slots"),  # type: ignore[arg-type]  # wrong
        (Configuration({MASTER}, 1, None, 4), "slots is {Slot(present=True, "),  # type: ignore[arg-type]  # wrong
        (Configuration(((True, 6, 1, 0),), 1, None, 4), "slots[0] is (True, 6, 1, 0), expected a Slot"),  # type: ignore[arg-type]  # wrong
        (Configuration((MASTER, None), 1, None, 4), "slots[1] is None, expected a Slot"),  # type: ignore[arg-type]  # wrong
        (Configuration((MASTER,), 1, -2, 4), "prior is -2, expected 0..0"),
        (((MASTER,), 1, None, 4), "expected a Configuration"),
        (None, "configuration is None, expected a Configuration"),
    ],
)
def test_what_is_no_configuration_is_refused_by_the_name_of_the_field(configuration: Any, complaint: str) -> None:  # noqa: ANN401 - wrong
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole message is compared below
        decide(configuration)
    assert complaint in str(refused.value)


def test_a_list_of_slots_will_do_and_minus_one_is_a_focus_that_is_no_member() -> None:
    assert decide(Configuration([MASTER], 1, FOREIGN, 4), SEED).focus == FOREIGN == -1
