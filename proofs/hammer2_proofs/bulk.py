"""Compares the decision with its dumb twin on every small configuration there is: `python -m hammer2_proofs.bulk`.

Both are compiled. A configuration is complete up to what decides nothing: tids stand for their order (``comparisons``
shows that they are only compared, with each other and with 0), so only dense ranks are visited, 0 among them or not;
errors stand for their order likewise; types that the decision does not know are one class. An absent slot is given the
fields of a perfect master, which must not matter. The cluster's flags before are all set and all clear in turn.
"""

import functools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, NamedTuple

import click
import numpy as np
from numpy.typing import NDArray

from hammer2_cluster.decisions import Decide
from hammer2_cluster.program import pasted
from hammer2_cluster.resolve import resolve
from hammer2_proofs.comparisons import leaks
from hammer2_proofs.compiled import compiled
from hammer2_proofs.kernel import NO_PFS, SLOT, focus_number, focus_of
from hammer2_proofs.twin import decide as twin
from hammer2_spec.configuration import ABSENT, Configuration, Slot, Verdict
from hammer2_spec.notation import arguments, draw
from hammer2_spec.semantics import REPAIRED, RESOLVE_REPAIRS, SEED, Semantics, describe
from hammer2_spec.vocabulary import Error, PfsType

TYPES: Final = (
    PfsType.MASTER, PfsType.SLAVE, PfsType.SOFT_MASTER, PfsType.SOFT_SLAVE, PfsType.SUPROOT, PfsType.CACHE
)  # fmt: skip
"""Those that the decision knows, and one that it does not."""


def compare_all(
    slots: NDArray[np.void],
    first: int,
    types: NDArray[np.int64],
    errors: NDArray[np.int64],
    semantics: Semantics,
    differing: NDArray[np.int64],
) -> int:
    """Compare decision and twin on every configuration whose first slot is of a kind. To be compiled.

    Args:
        slots: room for as many slots as the configurations have; holds the one that differs, if one does.
        first: the kind of the first slot, below ``kinds(...)``.
        types: the PFS types that are tried.
        errors: the errors that are tried.
        semantics: the repairs.
        differing: receives pfs_nmasters, prior and flags of the first configuration that the two decide differently.

    Returns:
        How many configurations were compared; the negative of that if the last of them was decided differently.
    """
    nslots = len(slots)
    nkinds = 1 + len(types) * len(errors) * (nslots + 1)
    kind = np.zeros(nslots, np.int64)
    if nslots > 0:
        kind[0] = first
    count = 0
    while True:
        ranks = 0
        for i in range(nslots):
            slot = slots[i]
            slot.present = kind[i] > 0
            rest = kind[i] - 1
            slot.tid = rest % (nslots + 1)
            rest //= nslots + 1
            slot.error = errors[rest % len(errors)]
            slot.type = types[rest // len(errors)]
            if not slot.present:
                slot.tid = nslots + 1
                slot.error = 0
                slot.type = types[0]
            elif slot.tid > 0:
                ranks |= 1 << (slot.tid - 1)
        if ranks & (ranks + 1) == 0:  # dense: 1, 2, ... with none left out
            for nmasters in range(-1, 7):
                pfs_nmasters = None if nmasters < 0 else nmasters
                for before in range(-2, nslots):
                    if before >= 0 and not slots[before].present:
                        continue
                    prior = None if before == -2 else before
                    flags = 0xFFFFFFFF if count & 1 else 0
                    count += 1
                    one = resolve(slots, pfs_nmasters, prior, flags, semantics)  # type: ignore[arg-type]  # numba reads records as Slots
                    other = twin(slots, pfs_nmasters, prior, flags, semantics)  # type: ignore[arg-type]  # the same
                    same = one.outcome == other.outcome and one.error == other.error and one.flags == other.flags
                    if not same or focus_number(one.focus) != focus_number(other.focus):
                        differing[0] = nmasters
                        differing[1] = before
                        differing[2] = flags
                        return -count
        i = nslots - 1
        while i > 0 and kind[i] == nkinds - 1:
            kind[i] = 0
            i -= 1
        if i <= 0:
            return count
        kind[i] += 1


class Campaign(NamedTuple):
    """A set of configurations, and the semantics under which each is decided."""

    name: str
    most_slots: int
    errors: tuple[int, ...]
    semantics: Sequence[Semantics]
    configurations: int
    """How many there are, each semantics counted; if another number is compared, something was left out."""


def every_subset(switches: Sequence[str]) -> list[Semantics]:
    """The seed with every set of repairs."""
    return [
        SEED._replace(**dict(zip(switches, values, strict=True)))
        for values in product([False, True], repeat=len(switches))
    ]


SEED_AND_REPAIRED: Final = (SEED, REPAIRED)
CAMPAIGNS: Final = (
    Campaign("4 slots, errors or none", 4, (0, 1), SEED_AND_REPAIRED, 317_134_240),
    Campaign("3 slots, errors in every order", 3, (-1, 0, 1, 2, 3, 4), SEED_AND_REPAIRED, 99_056_000),
    Campaign("2 slots, every set of repairs", 2, (0, 1, 2), every_subset(RESOLVE_REPAIRS), 16_601_088),
)
DEEP_CAMPAIGNS: Final = (
    Campaign("4 slots, two errors", 4, (0, 1, 2), SEED_AND_REPAIRED, 1_573_568_800),
    Campaign("3 slots, every set of repairs", 3, (0, 1), every_subset(RESOLVE_REPAIRS), 489_275_392),
)


class Difference(NamedTuple):
    """A configuration that the compiled decision and its compiled twin decide differently."""

    configuration: Configuration
    semantics: Semantics


@functools.cache
def searcher(decide: Decide, *, cache: bool) -> Callable[..., int]:
    """``compare_all`` compiled around one decision."""
    return compiled(compare_all, arguments=[Semantics], cache=cache, resolve=decide)


def compare(
    nslots: int, errors: Sequence[int], semantics: Semantics, decide: Decide = resolve, *, cache: bool = True
) -> Iterator[int | Difference]:
    """Compare a decision with the twin on every configuration of a size.

    Yields:
        How many configurations were compared since the last time; or the first difference, and then no more.
    """
    search = searcher(decide, cache=cache)
    kinds = 1 + len(TYPES) * len(errors) * (nslots + 1) if nslots else 1
    slots = np.zeros(nslots, SLOT)
    differing = np.zeros(3, np.int64)
    types, tried = np.array(TYPES, np.int64), np.array(errors, np.int64)
    for first in range(kinds):
        count = search(slots, first, types, tried, semantics, differing)
        yield abs(count)
        if count < 0:
            pfs_nmasters, prior, flags = (int(number) for number in differing)
            members = tuple(
                Slot(True, int(slot["type"]), int(slot["tid"]), int(slot["error"])) if slot["present"] else ABSENT
                for slot in slots
            )
            yield Difference(
                Configuration(members, None if pfs_nmasters == NO_PFS else pfs_nmasters, focus_of(prior), flags),
                semantics,
            )
            return


@dataclass
class Tally:
    """What came of a campaign, so far."""

    configurations: int = 0
    difference: Difference | None = None
    """The first one; nothing is compared after it."""


def run(campaign: Campaign, tally: Tally, decide: Decide = resolve, *, cache: bool = True) -> None:
    """Compare everything in a campaign, up to the first difference. Shows its progress on a terminal."""
    jobs = [(nslots, semantics) for semantics in campaign.semantics for nslots in range(campaign.most_slots + 1)]
    hidden = not sys.stderr.isatty()
    with click.progressbar(jobs, label=campaign.name, file=sys.stderr, hidden=hidden) as shown_jobs:
        for nslots, semantics in shown_jobs:
            for found in compare(nslots, campaign.errors, semantics, decide, cache=cache):
                if isinstance(found, Difference):
                    tally.difference = found
                    return
                tally.configurations += found


def show(difference: Difference) -> None:
    """Print a difference: slots in a row, what each of the two decides, how to see it again."""
    configuration, semantics = difference
    verdicts: dict[str, Verdict] = {
        "decision": resolve(*configuration, semantics),
        "twin": twin(*configuration, semantics),
    }
    marks = {"prior": configuration.prior} | {name: verdict.focus for name, verdict in verdicts.items()}
    for line in draw(configuration.slots, marks):
        print(f"    {line}")
    for name, verdict in verdicts.items():
        print(f"    CPython, {name}: {verdict}")
    if verdicts["decision"] == verdicts["twin"]:
        print("    CPython decides both alike: the compiler is wrong")
    options = ["--semantics", describe(semantics)] if semantics != SEED else []
    print("Reproduce with: " + pasted("resolve", *options, *arguments(configuration)))


@click.command()
@click.option("--deep", is_flag=True, help="Larger campaigns too: some minutes.")
def main(deep: bool) -> None:
    """Compare the decision with its dumb twin on every small configuration."""
    found = [*leaks(resolve, "tid", {0}), *leaks(resolve, "error", {0, Error.INCOMPLETE})]
    for leak in found:
        print(f"bulk: more than the order of tids and of errors decides: {leak}")
    if found:
        sys.exit(1)
    total = 0
    for campaign in CAMPAIGNS + (DEEP_CAMPAIGNS if deep else ()):
        tally = Tally()
        started = time.process_time()
        try:
            run(campaign, tally)
        except KeyboardInterrupt:
            print(f"bulk: stopped; {total + tally.configurations:,} configurations decided alike by then")
            sys.exit(3)
        total += tally.configurations
        rate = f"{time.process_time() - started:.1f} CPU-s"
        print(f"{campaign.name}: {tally.configurations:,} configurations, {rate}", flush=True)
        if tally.difference:
            show(tally.difference)
            print(f"bulk: decision and twin differ, after {total:,} configurations")
            sys.exit(1)
        if tally.configurations != campaign.configurations:
            print(f"bulk: expected {campaign.configurations:,} configurations of {campaign.name}")
            sys.exit(1)
    print(f"bulk: {total:,} configurations, each decided alike by decision and twin")


if __name__ == "__main__":
    main()
