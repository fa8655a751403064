"""Work in another process: what it yields comes in order, and its end is known, whatever that is."""

import os
import signal
from collections.abc import Iterator
from itertools import count, islice

import pytest

from hammer2_proofs.apart import AT_A_TIME, Died, ahead


def test_what_is_yielded_comes_in_order() -> None:
    assert list(ahead(lambda: range(3 * AT_A_TIME + 1))) == list(range(3 * AT_A_TIME + 1))
    assert list(ahead(list)) == []


def test_what_is_raised_is_raised_here() -> None:
    def work() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        list(ahead(work))


def test_a_process_that_ends_before_its_work_is_no_end_of_the_work() -> None:
    def work() -> Iterator[int]:
        yield from range(AT_A_TIME)
        os.kill(os.getpid(), signal.SIGKILL)

    found = ahead(work)
    assert list(islice(found, AT_A_TIME)) == list(range(AT_A_TIME))
    with pytest.raises(Died):
        next(found)


def test_whoever_wants_no_more_leaves_no_process_behind() -> None:
    found = ahead(lambda: (os.getpid() for _ in count()))
    other = next(found)
    assert other != os.getpid()
    found.close()  # type: ignore[attr-defined]  # it is a generator
    with pytest.raises(ProcessLookupError):
        os.kill(other, 0)
