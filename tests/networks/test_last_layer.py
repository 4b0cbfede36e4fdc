"""The last layer of classifiers of every library, and of modules that hide it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from euinet.errors import UsageError
from euinet.networks.last_layer import last_linear, logits_of


@pytest.mark.parametrize(
    ("name", "place", "features"),
    [
        ("resnet18", "fc", 512),
        ("mobilenet_v3_small", "classifier.3", 1024),
        ("convnext_tiny", "classifier.2", 768),
        ("swin_t", "head", 768),
        ("vit_b_32", "heads.head", 768),
    ],
)
def test_torchvision_s(name: str, place: str, features: int) -> None:
    with torch.device("meta"):
        found, layer = last_linear(torchvision.models.get_model(name, weights=None, num_classes=7))
    assert (found, layer.in_features, layer.out_features) == (place, features, 7)


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "convnext_atto", "efficientnet_b0", "resnet18"])
def test_timm_s_is_the_one_that_timm_itself_names(name: str) -> None:
    with torch.device("meta"):
        network = timm.create_model(name, num_classes=7)
        assert last_linear(network)[1] is network.get_classifier()
        assert last_linear(network, torch.zeros(2, 3, 224, 224))[1] is network.get_classifier()


class Odd(nn.Module):
    """As Hugging Face's: an answer with `logits`; and a layer that is registered last but never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(6, 5)
        self.classifier = nn.Linear(5, 3)
        self.projection = nn.Linear(5, 4)
        self.unused = nn.Linear(5, 3)

    def forward(self, images: Tensor) -> SimpleNamespace:
        features = self.body(images.flatten(1))
        logits = self.classifier(features)
        self.projection(features)  # runs later, and gives something else
        return SimpleNamespace(logits=logits)


def test_with_a_probe_it_is_the_layer_that_ran_and_gave_as_many_numbers() -> None:
    odd = Odd().train()
    odd.body.eval()  # frozen
    name, layer = last_linear(odd, torch.zeros(2, 1, 2, 3))
    assert (name, layer) == ("classifier", odd.classifier)
    assert last_linear(odd)[0] == "unused"  # by its place alone
    assert (odd.training, odd.body.training, odd.classifier.training) == (True, False, True)
    assert not any(part._forward_hooks for part in odd.modules())


def test_a_step_after_the_layer_does_not_matter() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3), nn.Softmax(1))
    assert last_linear(network, torch.zeros(2, 1, 2, 2)) == ("3", network[3])


def test_no_linear_layer_is_one_sentence() -> None:
    network = nn.Sequential(nn.Conv2d(1, 3, 2), nn.Flatten())
    sentence = "Sequential does not end in a linear layer"
    with pytest.raises(UsageError, match=sentence):
        last_linear(network)
    with pytest.raises(UsageError, match=sentence):  # 12 numbers a row, which no linear layer gave
        last_linear(nn.Sequential(nn.Linear(2, 2), nn.Conv2d(1, 3, 1), nn.Flatten()), torch.zeros(5, 1, 2, 2))


def test_answers_of_every_form() -> None:
    logits = torch.zeros(2, 3)
    for answer in (logits, (logits, None), [logits], {"logits": logits}, SimpleNamespace(logits=logits)):
        assert logits_of(answer) is logits
    for wrong in (torch.zeros(2, 3, 1, 1), {"scores": logits}, None, ()):
        with pytest.raises(UsageError, match="must answer with logits, a tensor of shape"):
            logits_of(wrong)
