"""Joins the state of an optimizer to the parameters that it belongs to, in the same file or folder.

The state_dict of a `torch.optim.Optimizer` numbers the parameters as they were given to it, mostly in the order of
`model.parameters()`, group by group; before torch 1.4 or so the numbers are addresses, but the groups list them in the same
order. Newer ones may name them (`param_names`), and those of FSDP have names for keys. Nothing is guessed: a state
belongs to a parameter if the names say so, or if order and shapes leave no other one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from inspector import dtypes
from inspector.errors import visible
from inspector.inventory import Inventory
from inspector.naming import PARAM_GROUPS, is_optimizer, named_tensors
from inspector.nodes import Module, Node, Tensor, Value

AVERAGES = ("ema", "swa", "shadow", "teacher", "average", "best")
"""Words in the names of copies of a model that no optimizer works on."""

WORDS = (
    "model", "module", "network", "net", "optimizers", "optimizer", "optim", "opt", "states", "state", "dict", "sd",
    "params", "weights",
)  # fmt: skip
"""Words that say nothing about which of several models it is."""

LONGEST = 64
"""Bits of the largest number that a parameter has."""

MOST_NAMED = 3
"""Parameters, or models, that a note names."""

Parameter = tuple[str, Tensor]


@dataclass(slots=True)
class State:
    """What an optimizer keeps for one parameter: the `node` of it, None if there is nothing, and its tensors."""

    node: Module | None
    tensors: list[Tensor] = field(default_factory=list)

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether it can belong to a parameter of this shape; without tensors it fits to any."""
        shapes = {tensor.label: tensor.shape for tensor in self.tensors}
        # Adafactor keeps sums over rows and over columns instead.
        row, column = shapes.pop("exp_avg_sq_row", None), shapes.pop("exp_avg_sq_col", None)
        if row is not None and column is not None:
            return len(shape) > 1 and row == shape[:-1] and column == (*shape[:-2], shape[-1])
        shapes.pop("step", None)
        return not shapes or shape in shapes.values()


def join(inventory: Inventory, ordered: bool = True) -> None:
    """Joins every optimizer's state in a tree, and leaves a note at each about how, or why not.

    `ordered` is whether the file keeps the order of a model's parameters.
    """
    if PARAM_GROUPS not in inventory.keys:
        return
    found: list[Module] = []
    stack: list[Node] = [inventory.root]
    while stack:
        node = stack.pop()
        if isinstance(node, Module):
            if is_optimizer(node):
                found.append(node)
            else:
                stack.extend(reversed(node.children))
    optimizers = {id(node) for node in found}
    for node in found:
        node.note = _joined(node, optimizers, ordered)


def _joined(optimizer: Module, optimizers: set[int], ordered: bool) -> str:
    groups, named = _groups(optimizer)
    states = [state for group in groups for state in group] + list(named.values())
    if not any(state.tensors for state in states):
        return ""
    models = _models(optimizer, optimizers)
    if not models:
        return "not joined to parameters: there is no model beside it"
    tried = [(model, _by_name(named, parameters) or _by_order(groups, parameters, ordered)) for model, parameters in models]
    fitting = [(model, result) for model, result in tried if result.pairs]
    best = [(model, result) for model, result in fitting if not result.why] or fitting
    if len(best) > 1:
        best = [(model, result) for model, result in best if _same_words(model, optimizer)] or best
    if len(best) > 1:
        names = ", ".join(visible(model.name) or "the whole" for model, _ in best[:MOST_NAMED])
        return f"not joined to parameters: it fits several models, {names}"
    if not best:
        return f"not joined to parameters: {tried[0][1].why}"
    model, result = best[0]
    for node, parameter in result.pairs:
        node.belongs = parameter
        parameter.traits = parameter.traits._replace(moments=(*parameter.traits.moments, node))
    rest = f"; the others are not: {result.why}" if result.why else ""
    return f"joined to the parameters of {visible(model.name) or 'the model'}, {result.how}{rest}"


@dataclass(slots=True)
class Result:
    """States and the parameters they belong to, how that is known, and why some are left, if any are."""

    pairs: list[tuple[Module, Tensor]] = field(default_factory=list)
    how: str = ""
    why: str = ""


def _by_name(named: dict[str, State], parameters: Sequence[Parameter]) -> Result | None:
    """Joins by names where there are any, and they are the parameters'."""
    known = dict(parameters)
    pairs: list[tuple[Module, Tensor]] = []
    other: list[str] = []
    for name, state in named.items():
        parameter = known.get(name)
        if state.node is None:
            continue
        if parameter is None or not state.fits(parameter.shape):
            other.append(name)
        else:
            pairs.append((state.node, parameter))
    if not pairs:
        return None
    why = f"{_some(other)} {'is' if len(other) == 1 else 'are'} no parameter of that shape" if other else ""
    return Result(pairs, "by name", why)


def _by_order(groups: Sequence[Sequence[State]], parameters: Sequence[Parameter], ordered: bool) -> Result:
    """Joins by order and shapes, if they leave just one way."""
    if not groups:
        return Result(why="no group lists its parameters")
    if ordered:
        return _placed(groups, parameters, "by order and shape")
    from inspector import module_orders

    known = dict(parameters)
    results: dict[tuple[int, ...], Result] = {}
    why = ""
    for names in module_orders.orders(known):
        result = _placed(groups, [(name, known[name]) for name in names], "by shape and the usual order of such a model")
        if result.why:
            why = why or result.why
        else:
            results[tuple(id(parameter) for _, parameter in result.pairs)] = result
    if len(results) == 1:
        return next(iter(results.values()))
    if results:
        return Result(why="the file does not keep the order of the parameters, and several usual ones fit")
    unknown = "that of this model's classes is not known here"
    return Result(why=f"the file does not keep the order of the parameters, and {why or unknown}")


def _placed(groups: Sequence[Sequence[State]], parameters: Sequence[Parameter], how: str) -> Result:
    """Gives each group the parameters that its shapes leave it, in order; a group that has several ways waits."""
    left = list(parameters)
    pairs: list[tuple[Module, Tensor]] = []
    waiting = list(enumerate(groups))
    why = ""
    while waiting:
        still: list[tuple[int, Sequence[State]]] = []
        for number, group in waiting:
            first = _first_places(group, left)
            last = _last_places(group, left)
            if first is None or last is None:
                wanted = (
                    f"the {len(group)} parameters of group {number}" if len(groups) > 1 else f"its {len(group)} parameters"
                )
                return Result(
                    [], how, f"{wanted} do not fit in order into the {len(left)} of the model: {_mismatch(group, left)}"
                )
            if first != last:
                still.append((number, group))
                why = "order and shapes leave several ways"
                continue
            pairs += [(state.node, left[at][1]) for state, at in zip(group, first, strict=True) if state.node is not None]
            taken = set(first)
            left = [parameter for at, parameter in enumerate(left) if at not in taken]
        if len(still) == len(waiting):
            return Result(pairs, how, why)
        waiting = still
    return Result(pairs, how)


def _first_places(group: Sequence[State], parameters: Sequence[Parameter]) -> list[int] | None:
    """The first place for each state in order, or None if there is none for one."""
    places: list[int] = []
    at = 0
    for state in group:
        while at < len(parameters) and not state.fits(parameters[at][1].shape):
            at += 1
        if at == len(parameters):
            return None
        places.append(at)
        at += 1
    return places


def _last_places(group: Sequence[State], parameters: Sequence[Parameter]) -> list[int] | None:
    places = _first_places(group[::-1], parameters[::-1])
    return None if places is None else [len(parameters) - 1 - place for place in reversed(places)]


def _mismatch(group: Sequence[State], parameters: Sequence[Parameter]) -> str:
    """Where a group and a model differ first."""
    for number, state in enumerate(group):
        if number >= len(parameters):
            return f"the model has only {len(parameters)}"
        name, parameter = parameters[number]
        if not state.fits(parameter.shape):
            shapes = " ".join(str(list(tensor.shape)) for tensor in state.tensors[:MOST_NAMED])
            return f"state {number} has {shapes}, and {visible(name)} is {list(parameter.shape)}"
    return "they come in another order"


def _groups(optimizer: Module) -> tuple[list[list[State]], dict[str, State]]:
    """The states group by group in the order of the parameters, and those whose parameters are named."""
    children = {child.key: child for child in optimizer.children if type(child.key) is str}
    states: dict[int | str, State] = {}
    for node in children["state"].children:
        if isinstance(node, Module) and type(node.key) in (int, str):
            states[node.key] = State(node, [child for child in node.children if isinstance(child, Tensor)])
    groups: list[list[State]] = []
    _number(states, children["param_groups"])
    named = {key: state for key, state in states.items() if type(key) is str}
    for group in children["param_groups"].children:
        about = {child.key: child for child in group.children if type(child.key) is str}
        numbers, names = _listed(about.get("params")), _listed(about.get("param_names"))
        if numbers and all(type(number) is int for number in numbers):
            groups.append([states.get(number, State(None)) for number in numbers])
            if len(names) == len(numbers):
                named |= {name: state for name, state in zip(names, groups[-1], strict=True) if type(name) is str}
    return groups, named


def _number(states: dict[int | str, State], groups: Node) -> None:
    """Gives states the numbers that the groups call them by, where the file has made texts of them (`"0"`)."""
    for group in groups.children:
        about = {child.key: child for child in group.children if type(child.key) is str}
        for number in _listed(about.get("params")):
            if type(number) is int and number not in states and number.bit_length() < LONGEST and str(number) in states:
                states[number] = states.pop(str(number))


def _listed(node: Node | None) -> Sequence[Any]:
    """What a list holds, as it stands in a line or as nodes."""
    if isinstance(node, Module):
        return [child.value for child in node.children if isinstance(child, Value)]
    value: Any = node.value if isinstance(node, Value) else ()
    return value if type(value) in (list, tuple) else ()


def _models(optimizer: Module, optimizers: set[int]) -> list[tuple[Module, list[Parameter]]]:
    """The models beside an optimizer: at the nearest level above it where there are any, with their parameters."""
    below: Node = optimizer
    while isinstance(below.parent, Module):
        above = below.parent
        beside = [child for child in above.children if child is not below]
        holders = [node for node in beside if isinstance(node, Module) and node.role != "names" and node.tensor_count]
        found = [(node, _parameters(node)) for node in holders if not _holds(node, optimizers)]
        flat = [node for node in beside if isinstance(node, Tensor) or (isinstance(node, Module) and node.role == "names")]
        if any(isinstance(node, Tensor) or node.children for node in flat):
            found.append((above, [pair for node in flat for pair in _parameters(node, node.label)]))
        found = [(node, parameters) for node, parameters in found if parameters]
        originals = [pair for pair in found if not any(word in pair[0].label.lower() for word in AVERAGES)]
        if found:
            return sorted(originals or found, key=lambda pair: -len(pair[1]))
        below = above
    return []


def _holds(node: Module, optimizers: set[int]) -> bool:
    """Whether an optimizer's state lies at or below a node."""
    return any(id(inner) in optimizers for inner in node.walk())


def _parameters(root: Node, prefix: str = "") -> list[Parameter]:
    """The parameters at or below a node, each once, though it may have several names."""
    seen: set[object] = set()
    found: list[Parameter] = []
    for name, tensor in named_tensors(root, "parameter"):
        dtype = dtypes.DTYPES.get(tensor.dtype)
        place = (
            (id(tensor.storage), tensor.offset, tensor.shape, tensor.stride) if tensor.storage is not None else id(tensor)
        )
        if dtype is None or dtype.family not in ("float", "complex") or place in seen:
            continue
        seen.add(place)
        found.append((f"{prefix}.{name}".strip(".") if prefix else name, tensor))
    return found


def _same_words(model: Module, optimizer: Module) -> bool:
    """Whether the names of a model and an optimizer tell of the same: `generator` and `optimizer_generator`."""
    return _telling(model.label) == _telling(optimizer.label)


def _telling(label: str) -> str:
    words = label.lower().replace("-", "_").split("_")
    left = [word for word in words if word not in WORDS]
    for word in WORDS:
        left = [part.removeprefix(word).removesuffix(word) for part in left]
    return "".join(left)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(visible(name) for name in names[:MOST_NAMED])
    return shown if len(names) <= MOST_NAMED else f"{shown} and {len(names) - MOST_NAMED} more"
