from __future__ import annotations

import subprocess
import sys

import pytest

from euinet.errors import UsageError
from euinet.presets import Preset, get_preset, preset_names, setting_paths, validate_preset
from euinet.training.plan import check_for_vectors


def test_the_preset_report_holds_section_4_1() -> None:
    preset = get_preset("report")
    model, generator, discriminator = (
        preset.training.optimizer,
        preset.gan.generator_optimizer,
        preset.gan.disc_optimizer,
    )
    assert (model.learning_rate, model.beta1, model.beta2) == (2e-4, 0.5, 0.599)
    for player in (generator, discriminator):
        assert (player.learning_rate, player.beta1, player.beta2) == (1e-4, 0.35, 0.699)
    scoring = preset.scoring
    assert (scoring.temperature, scoring.disc_scale, scoring.disc_shift, scoring.epsilon) == (
        1e-3,
        0.004,
        0.008,
        0.3,
    )


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_survives_the_way_through_json(name: str) -> None:
    preset = get_preset(name)
    assert preset.name == name
    assert validate_preset(preset.model_dump(mode="json")) == preset
    assert Preset.model_validate_json(preset.model_dump_json()) == preset


def test_overrides_of_every_kind() -> None:
    preset = get_preset(
        "report",
        {
            "scoring.epsilon": "0",
            "model.trunk_widths": "[4, 8]",
            "model.disc_input": "stages",
            "training.disc_shapes_trunk": "true",
            "training.optimizer.learning_rate": "1e-5",
        },
    )
    assert preset.scoring.epsilon == 0
    assert preset.model.trunk_widths == (4, 8)
    assert preset.model.disc_input == "stages"
    assert preset.training.disc_shapes_trunk is True
    assert preset.training.optimizer.learning_rate == 1e-5
    assert preset.training.optimizer.beta1 == 0.5
    assert get_preset("report").training.optimizer.learning_rate == 2e-4  # the table itself is untouched


def test_the_default_preset_takes_a_backbone_as_it_is() -> None:
    preset = get_preset("default", {"model.backbone": "resnet18", "training.backbone_weights": "a.pth"})
    assert (preset.model.backbone, preset.model.embedding) == ("resnet18", 128)
    assert (preset.training.backbone_weights, preset.training.backbone_rate) == ("a.pth", 0.1)
    assert get_preset("default", {"model.backbone": ""}) == get_preset("default")


def test_the_preset_of_embeddings_asks_for_nothing_that_only_images_have() -> None:
    check_for_vectors(get_preset("embeddings"))
    assert get_preset("embeddings").scoring.epsilon == 0
    for setting in ("data.augmentation=0.5", "training.poses=8"):
        with pytest.raises(UsageError, match="embeddings are no images"):
            check_for_vectors(get_preset("embeddings", dict([setting.split("=")])))


def test_a_backbone_that_only_the_network_s_builder_can_know_is_taken() -> None:
    name = "timm/vit_tiny.in1k"
    assert get_preset("default", {"model.backbone": name}).model.backbone == name
    forbidden = "import sys, euinet.presets as p; p.get_preset('default', {'model.backbone': 'unheard-of'}); "
    forbidden += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", forbidden], check=False).returncode == 0


def test_an_override_of_one_player_leaves_the_other_alone() -> None:
    gan = get_preset("report", {"gan.generator_optimizer.learning_rate": "0.5"}).gan
    assert (gan.generator_optimizer.learning_rate, gan.disc_optimizer.learning_rate) == (0.5, 1e-4)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (
            {"training.epoch": "3"},
            r"There is no setting 'training\.epoch'\. Did you mean 'training\.epochs'\?",
        ),
        ({"name": "mine"}, "There is no setting 'name'"),
        ({"training": "3"}, "There is no setting 'training'"),
        (
            {"training.epochs": "0"},
            r"'training\.epochs' is not allowed \(it was 0\): .*greater than or equal to 1",
        ),
        ({"training.epochs": "many"}, r"'training\.epochs' is not allowed \(it was 'many'\): .*integer"),
        ({"scoring.epsilon": "NaN"}, r"'scoring\.epsilon' is not allowed .*finite"),
        (
            {"model.disc_input": "pixel"},
            r"'model\.disc_input' is not allowed .*'pixels', 'features', 'stages' or 'evidence'",
        ),
        (
            {"model.trunk_widths": "[]"},
            r"'model.*' is not allowed.*at least one number of channels, each 1 … 4096",
        ),
        (
            {"model.backbone": "resnet\x1b[31m"},
            r"'model\.backbone' is not allowed .*: String should match pattern",
        ),
        (
            {"training.backbone_weights": "resnet18.pth"},
            r"is not allowed.*training\.backbone_weights needs model\.backbone",
        ),
        (
            {"training.backbone_rate": "2"},
            r"'training\.backbone_rate' is not allowed \(it was 2\): .*equal to 1",
        ),
        ({"gan.adversarial_weight": "0"}, r"'gan.*' is not allowed.*the generator needs an objective"),
    ],
)
def test_a_wrong_setting_is_a_sentence(overrides: dict[str, str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        get_preset("report", {"gan.feature_matching_weight": "0"} | overrides)


def test_an_unknown_preset_gets_a_suggestion() -> None:
    with pytest.raises(
        UsageError, match=r"no preset 'reports'\. Did you mean 'report'\? Choose one of .*report"
    ):
        get_preset("reports")


def test_an_unknown_setting_in_a_file_is_named() -> None:
    values = get_preset("report").model_dump(mode="json")
    values["scoring"]["gamma"] = 1
    with pytest.raises(
        UsageError, match=r"There is no setting 'scoring\.gamma'\. Known settings: .*scoring\.disc_shift"
    ):
        validate_preset(values)


def test_every_setting_can_be_named() -> None:
    paths = setting_paths()
    assert len(paths) == len(set(paths))
    assert {"training.epochs", "gan.disc_optimizer.beta2", "scoring.pixel_range"} <= set(paths)
    values = get_preset("report").model_dump(mode="json")
    for path in paths:
        value = values
        for part in path.split("."):
            value = value[part]
        assert not isinstance(value, dict), path
