"""The models that can be explored, by the name that is typed, and the bounds that each one takes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hammer2_proofs.explorer import calibration
from hammer2_spec.transition_system import Model


@dataclass(frozen=True)
class Bound:
    """A bound of a model: its default, the values it may take, and what it bounds."""

    default: int
    low: int
    high: int
    meaning: str


@dataclass(frozen=True)
class Entry:
    """A model: what it is, its bounds, its switches (off by default), and what builds it from them."""

    about: str
    bounds: Mapping[str, Bound]
    switches: Mapping[str, str]
    build: Callable[[Mapping[str, int], frozenset[str]], Model[Any, Any]]


def _calibration(bounds: Mapping[str, int], switches: frozenset[str]) -> Model[Any, Any]:
    return calibration.model(bounds["masters"], bounds["slaves"], bounds["tids"], bug="bug" in switches)


MODELS: dict[str, Entry] = {
    "calibration": Entry(
        "a small quorum cluster whose counts other model checkers agree on",
        {
            "masters": Bound(3, 1, 5, "masters"),
            "slaves": Bound(1, 0, 4, "slaves"),
            "tids": Bound(5, 1, 15, "the highest transaction id"),
        },
        {"bug": "commit without a majority: the planted mistake"},
        _calibration,
    ),
}


def build(name: str, given: Mapping[str, int | None], switches: frozenset[str]) -> Model[Any, Any]:
    """The model with these bounds, the others at their defaults.

    Raises:
        ValueError: there is no such model, it has no such bound or switch, or a bound is out of range.
    """
    if name not in MODELS:
        raise ValueError(f"there is no model {name!r}: expected one of {', '.join(MODELS)}")
    entry = MODELS[name]
    bounds = {key: bound.default for key, bound in entry.bounds.items()}
    for key, value in given.items():
        if value is None:
            continue
        if key not in entry.bounds:
            raise ValueError(f"{name} has no bound {key!r}: expected one of {', '.join(entry.bounds)}")
        bound = entry.bounds[key]
        if not bound.low <= value <= bound.high:
            raise ValueError(f"{key} is {value}: expected {bound.low} to {bound.high} ({bound.meaning})")
        bounds[key] = value
    for switch in switches - set(entry.switches):
        raise ValueError(f"{name} has no switch {switch!r}: expected one of {', '.join(entry.switches) or 'none'}")
    return entry.build(bounds, switches)
