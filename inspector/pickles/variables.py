"""The tensors that old torch made empty and gave a state: `Parameter`, `Variable`, `FloatTensor`; numpy's arrays."""

from __future__ import annotations

from typing import Any

from inspector.nodes import Tensor
from inspector.pickles import arrays
from inspector.pickles.arguments import guarded
from inspector.pickles.objects import Instance
from inspector.pickles.parts import alike
from inspector.pickles.tensors import plain

VARIABLES = ("torch.nn.parameter.Parameter", "torch.autograd.variable.Variable")

MOST_WRAPPERS = 4
"""How deep `Variable` objects lie in each other."""


def completed(instance: Instance) -> Any:
    """The tensor that an object turns out to be once its state is known, or None.

    torch up to 0.3 made a `Parameter` or `FloatTensor` empty and set its state; numpy still does.
    """
    data: Any = instance
    wrappers: list[Instance] = []
    while type(data) is Instance and data.type in VARIABLES and len(wrappers) < MOST_WRAPPERS:
        wrappers.append(data)
        data = _variable(data)[0]
    if type(data) is Instance:
        if data.type.startswith("torch.") and data.type.endswith("Tensor") and type(data.state) is tuple:
            data = guarded(plain)(data.state)
        else:
            data = arrays.tensor(data)
    if type(data) is not Tensor or not wrappers:
        return data if type(data) is Tensor else None
    made = alike(data)
    made.kind = "parameter" if instance.type.endswith("Parameter") else "tensor"
    made.requires_grad = _variable(instance)[1]
    return made


def _variable(instance: Instance) -> tuple[Any, bool]:
    """The data of a `Parameter` or `Variable` and whether it requires a gradient.

    Its state is `(requires_grad, volatile, hooks)` beside the argument `data`, or without arguments `(data, grad, hooks,
    requires_grad, volatile)` (`torch.Tensor.__setstate__` still reads both), or `(data, requires_grad, hooks)`.
    """
    state = instance.state if type(instance.state) is tuple else ()
    arguments = instance.arguments if type(instance.arguments) is tuple else ()
    data = arguments[0] if arguments else None
    if len(state) == 5:
        return state[0], state[3] is True
    if len(state) == 3 and type(state[0]) is bool:
        return data, state[0]
    if len(state) == 3:
        return state[0], state[1] is True
    return data, instance.type.endswith("Parameter") and (len(arguments) < 2 or arguments[1] is True)
