"""Which class is a subclass of which, told without torch as torch tells it."""

import pytest
from torch import nn

from inspector.describe.layers import is_subclass, lineage
from inspector.nodes import Module
from tests.inspector.torch_layers import CLASSES, path_of

LINEAR = "torch.nn.modules.linear.Linear"


@pytest.mark.parametrize("cls", CLASSES, ids=path_of)
def test_every_class_of_torch_has_the_base_classes_that_it_has_in_torch(cls):
    if cls.__module__ == "torch.nn.cpp":
        pytest.skip("wraps modules written in C++, which no file names")
    found = {other for other in CLASSES if is_subclass(path_of(cls), path_of(other))}
    assert found == {other for other in CLASSES if issubclass(cls, other)}


@pytest.mark.parametrize("cls", CLASSES, ids=path_of)
def test_every_class_goes_by_the_names_that_torch_exports_it_under(cls):
    assert is_subclass(path_of(cls), cls.__name__)
    if getattr(nn, cls.__name__, None) is cls:
        assert is_subclass(path_of(cls), f"nn.{cls.__name__}")
        assert is_subclass(path_of(cls), f"torch.nn.{cls.__name__}")


def test_the_rules_of_lookup_are_pythons():
    for cls in CLASSES:
        expected = [path_of(base) for base in cls.__mro__ if base in CLASSES]
        found = [path for path in lineage(path_of(cls)) if not path.endswith("LazyModuleMixin")]
        assert found == expected or cls.__module__ == "torch.nn.cpp"


@pytest.mark.parametrize("name", ["Linear", "nn.Linear", "torch.nn.Linear", LINEAR, "nn.Module", "Module"])
def test_a_linear_of_multihead_attention_is_a_linear(name):
    assert is_subclass("torch.nn.modules.linear.NonDynamicallyQuantizableLinear", name)


@pytest.mark.parametrize("name", ["nn.Bilinear", "linear", "torch.Linear", "modules.Linear", "", ".", "nn.", "nn"])
def test_a_linear_is_nothing_else(name):
    assert not is_subclass(LINEAR, name)


def test_a_foreign_class_goes_by_its_path_and_its_short_name_only():
    assert is_subclass("__main__.Net", "__main__.Net")
    assert is_subclass("__main__.Net", "Net")
    assert not is_subclass("__main__.Net", "nn.Net")
    assert not is_subclass("__main__.Net", "models.Net")
    assert not is_subclass("__main__.Linear", "nn.Linear")
    assert not is_subclass("torch.ao.nn.quantized.modules.linear.Linear", "nn.Linear")


def test_classes_that_torch_no_longer_has_are_known():
    assert is_subclass("torch.nn.modules.linear._LinearWithBias", "nn.Linear")
    assert is_subclass("torch.nn.modules.elsewhere.Conv2d", "nn.Conv2d")


def test_a_parametrised_class_is_a_subclass_of_the_one_it_was_made_from():
    assert is_subclass("torch.nn.utils.parametrize.ParametrizedLinear", "nn.Linear")
    assert not is_subclass("torch.nn.utils.parametrize.ParametrizedNet", "nn.Linear")


@pytest.mark.parametrize("type", ["", ".", "x" * 10_000_000, "torch.nn.modules." * 100_000, "\ud800", "nn.Linear"])
def test_any_text_can_be_asked_for(type):
    assert is_subclass(type, type)
    assert not is_subclass(type, "nn.Conv2d")


def test_a_module_answers_for_its_class():
    assert Module(LINEAR, "layer").isinstance("nn.Linear")
    assert not Module("dict").isinstance("nn.Linear")
