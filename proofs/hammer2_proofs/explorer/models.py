"""The models that can be explored, by the name that is typed, and the bounds that each one takes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hammer2_proofs.explorer import calibration
from hammer2_spec.protocol.findings import SEED_HAS
from hammer2_spec.protocol.model import INSTEAD, WHY, protocol
from hammer2_spec.protocol.state import ALTERNATIVES, INGREDIENTS, UNLIMITED, Setup
from hammer2_spec.protocol.tree import INGREDIENTS as TREE_INGREDIENTS
from hammer2_spec.protocol.tree import TreeSetup
from hammer2_spec.protocol.tree_model import FIRST_LEAF, PARENTS, tree_model
from hammer2_spec.protocol.tree_model import WHY as TREE_WHY
from hammer2_spec.switches import chosen
from hammer2_spec.transition_system import Model

WITHOUT = "without-"
"""How a switch begins that takes an ingredient away."""


@dataclass(frozen=True)
class Bound:
    """A bound of a model: its default, the values it may take, what it bounds, and whether its highest is no bound."""

    default: int
    low: int
    high: int
    meaning: str
    open_ended: bool = False

    @property
    def values(self) -> str:
        """The values it may take."""
        top = f"{self.high} (no bound)" if self.open_ended else str(self.high)
        return f"{self.low} to {top}, default {'no bound' if self.unbounded(self.default) else self.default}"

    def unbounded(self, value: int) -> bool:
        """Whether with this value it is no bound."""
        return self.open_ended and value == self.high


@dataclass(frozen=True)
class Entry:
    """A model: what it is, its bounds, its switches (off by default), and what builds it from them."""

    about: str
    bounds: Mapping[str, Bound]
    switches: Mapping[str, str]
    build: Callable[[Mapping[str, int], frozenset[str]], Model[Any, Any]]


def _calibration(bounds: Mapping[str, int], switches: frozenset[str]) -> Model[Any, Any]:
    return calibration.model(bounds["masters"], bounds["slaves"], bounds["tids"], bug="bug" in switches)


PROTOCOL_SWITCHES = {
    "endless": "clients write for ever; their versions have no content of their own",
    "reader": "a hard read collects its answers one by one",
    "rank": "states whose tids are in the same order count as one",
    "cold": "start without an open session",
    "partitions": "links between clients and nodes are cut, and heal",
    "free-epochs": "a client may choose any epoch higher than those it sees",
    "late-finish": "a pass may end after its session",
    "space": "nodes run out of space",
    "stay-away": "disconnected nodes may stay away; then the others are to be synchronized, if they are a majority",
    "history": "remember that there was no quorum",
    "operations": "the goal of progress is that operations complete",
    "strengthened": "check, too, the sentences that make the invariants inductive (`prove protocol`)",
    "split-views": "of two clients, one does not reach the last master, the other not the first: a partition",
    "faithful-clients": "no session ends without need",
    "steady-nodes": "no node goes away, or crashes",
    **{name.replace("_", "-"): f"instead: {what}" for name, what in INSTEAD.items()},
    **{f"without-{name}": f"take away: {why}" for name, why in WHY.items()},
}


def _protocol(bounds: Mapping[str, int], switches: frozenset[str]) -> Model[Any, Any]:
    masters, slaves, clients = bounds["masters"], bounds["slaves"], bounds["clients"]
    if masters + slaves > PROTOCOL_NODES:
        raise ValueError(f"{masters} masters and {slaves} slaves: expected at most {PROTOCOL_NODES} nodes")
    everything = (1 << masters + slaves) - 1
    views = (everything,) * clients
    if "split-views" in switches:
        if clients < 2 or masters < 2:
            raise ValueError("split-views needs two clients and two masters")
        views = (everything & ~(1 << masters - 1), everything & ~1)
    setup = Setup(
        masters=masters,
        views=views,
        writes=bounds["writes"],
        elections=bounds["elections"],
        faults=bounds["faults"],
        fault_epochs=bounds["fault_epochs"],
        losses=bounds["losses"],
        endless="endless" in switches,
        reader="reader" in switches,
        rank_tids=bool({"rank", "free-epochs"} & switches) or bounds["elections"] >= UNLIMITED,
        **{name: name.replace("_", "-") in switches for name in (*SCENARIOS, *ALTERNATIVES)},
        **{name: f"without-{name}" not in switches for name in INGREDIENTS},
    )
    return protocol(
        setup,
        slaves,
        warm="cold" not in switches,
        soft_masters=bounds["soft_masters"],
        operations="operations" in switches,
        strengthened="strengthened" in switches,
    )


def _tree(bounds: Mapping[str, int], switches: frozenset[str]) -> Model[Any, Any]:
    ingredients = {name: f"without-{name}" not in switches for name in TREE_INGREDIENTS}
    return tree_model(TreeSetup(PARENTS, len(PARENTS), FIRST_LEAF, bounds["tids"], **ingredients))


PROTOCOL_NODES = 5
SCENARIOS = (
    "partitions",
    "free_epochs",
    "late_finish",
    "space",
    "stay_away",
    "history",
    "faithful_clients",
    "steady_nodes",
)

MODELS: dict[str, Entry] = {
    "protocol": Entry(
        "the repaired cluster protocol",
        {
            "masters": Bound(3, 1, 5, "masters"),
            "slaves": Bound(0, 0, 4, "slaves"),
            "clients": Bound(1, 1, 2, "front ends"),
            "writes": Bound(2, 1, 6, "writes"),
            "elections": Bound(2, 0, UNLIMITED, "elections", open_ended=True),
            "faults": Bound(1, 0, UNLIMITED, "faults", open_ended=True),
            "losses": Bound(1, 0, 2, "times that a master's media is lost"),
            "soft_masters": Bound(0, 0, 1, "soft masters"),
            "fault_epochs": Bound(UNLIMITED, 1, UNLIMITED, "epochs that faults bring about", open_ended=True),
        },
        PROTOCOL_SWITCHES,
        _protocol,
    ),
    "tree": Entry(
        "resynchronization below the root: subtrees are certified by their tids",
        {"tids": Bound(2, 1, 4, "transaction ids")},
        {f"without-{name}": f"take away: {why}" for name, why in TREE_WHY.items()},
        _tree,
    ),
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


INGREDIENTS_OF = {"protocol": INGREDIENTS, "tree": TREE_INGREDIENTS}


def switches_of(name: str, semantics: str) -> frozenset[str]:
    """The switches that make a model's ingredients those of ``seed``, ``repaired``, ``seed,+promise``, and so on.

    Raises:
        ValueError: the model has no ingredients, or the text names none of them.
    """
    if name not in INGREDIENTS_OF:
        raise ValueError(f"{name} has no ingredients: --semantics is for {' and '.join(INGREDIENTS_OF)}")
    names = INGREDIENTS_OF[name]
    on = chosen(semantics, names, {"seed": SEED_HAS & {*names}, "repaired": frozenset(names)})
    return frozenset(f"without-{ingredient}" for ingredient in names if ingredient not in on)


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
    for switch in sorted(switches - set(entry.switches)):
        raise ValueError(f"{name} has {_none_such(entry, switch)}")
    return replace(entry.build(bounds, switches), bounds=bounds, switches=tuple(sorted(switches)))


def parameters(model: Model[Any, Any]) -> list[str]:
    """All that a model was built with, for people: each bound, each switch that is on, each ingredient taken away."""
    entry = MODELS[model.name]
    told = []
    for name, value in model.bounds.items():
        what = name.replace("_", " ")
        if value == 1:
            what = what.removesuffix("es" if what == "losses" else "s")
        told.append(f"{'any number of' if entry.bounds[name].unbounded(value) else value} {what}")
    return told + [option(switch) for switch in sorted(model.switches, key=lambda name: name.startswith(WITHOUT))]


def option(switch: str) -> str:
    """A switch as an option without its dashes: with late-finish, without flush-before-ack."""
    if switch.startswith(WITHOUT):
        return f"without {switch.removeprefix(WITHOUT).replace('_', '-')}"
    return f"with {switch}"


def _none_such(entry: Entry, switch: str) -> str:
    """That a switch is none, and which there are: what may be taken away, or what may be added."""
    if switch.startswith(WITHOUT):
        known = [name.removeprefix(WITHOUT) for name in entry.switches if name.startswith(WITHOUT)]
        return f"no ingredient {switch.removeprefix(WITHOUT)!r}: expected one of {', '.join(known) or 'none'}"
    known = [name for name in entry.switches if not name.startswith(WITHOUT)]
    return f"no switch {switch!r}: expected one of {', '.join(known) or 'none'}"
