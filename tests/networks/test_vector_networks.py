"""Networks that read embeddings: numbers by NumPy, units that come back, a last layer that is found."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from euinet.errors import UsageError
from euinet.networks import vectors
from euinet.networks.euinet import EuiNet
from euinet.networks.vectors import (
    Standardise,
    VectorGanDiscriminator,
    VectorGenerator,
    VectorTrunk,
    fit_linear,
)
from euinet.presets import ModelSettings, get_preset
from euinet.training.players import make_gan


def rows(count: int = 50, width: int = 4) -> np.ndarray:
    """Rows whose numbers have means and deviations of their own."""
    draw = np.random.default_rng(3)
    found: np.ndarray = 100 * np.arange(width) + draw.normal(size=(count, width)) * (1 + np.arange(width))
    return found.astype(np.float32)


def measured(given: np.ndarray) -> Standardise:
    standardise = Standardise(given.shape[1])
    standardise.measure(given)
    return standardise


class TestStandardise:
    def test_each_number_has_its_mean_and_all_share_one_scale(self) -> None:
        given = rows()
        exact = given.astype(np.float64)
        scale = 1 / np.sqrt(exact.var(axis=0).mean())
        wanted = (exact - exact.mean(axis=0)) * scale
        np.testing.assert_allclose(measured(given)(torch.from_numpy(given)), wanted, atol=1e-4)
        assert wanted.var(axis=0).mean() == pytest.approx(1)
        assert wanted.var(axis=0).max() > 3 * wanted.var(axis=0).min()  # not each by its own

    def test_by_hand(self) -> None:
        """Variances 1 and 0: their mean is ½, and the scale √2; what never varies stays at 0."""
        standardise = measured(np.array([[1, 7], [3, 7]], np.float32))
        np.testing.assert_allclose(standardise.mean, [2, 7])
        assert float(standardise.scale) == pytest.approx(np.sqrt(2))
        np.testing.assert_allclose(standardise(torch.tensor([[3.0, 7.0]])), [[np.sqrt(2), 0]], rtol=1e-6)

    def test_rows_that_are_all_the_same_give_finite_numbers(self) -> None:
        standardise = measured(np.full((5, 3), 2, np.float32))
        np.testing.assert_array_equal(standardise(torch.full((1, 3), 2.0)), np.zeros((1, 3)))
        assert standardise.scale.isfinite()

    def test_back_gives_the_row_again(self) -> None:
        given = torch.from_numpy(rows())
        standardise = measured(rows())
        torch.testing.assert_close(standardise.back(standardise(given)), given, rtol=1e-5, atol=1e-3)

    def test_parts_of_a_file_give_what_the_whole_gives(self, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = measured(rows())
        monkeypatch.setattr(vectors, "_ROWS", 7)  # 50 rows: the last part has one
        parts = measured(rows())
        torch.testing.assert_close(parts.mean, whole.mean)
        torch.testing.assert_close(parts.scale, whole.scale)

    def test_large_halves_are_summed_in_double(self) -> None:
        """In float16 the sum of 3,000 rows of 60,000 is infinite."""
        given = np.full((3000, 2), 60_000, np.float16)
        given[::2] = 50_000
        standardise = measured(given)
        np.testing.assert_allclose(standardise.mean, [(int(given[0, 0]) + int(given[1, 0])) / 2] * 2)
        assert float(1 / standardise.scale) == pytest.approx((given[1, 0] - float(given[0, 0])) / 2, rel=1e-3)

    def test_only_the_first_numbers_are_measured_where_there_are_more(self) -> None:
        given = rows(width=6)
        standardise = Standardise(4)
        standardise.measure(given)
        np.testing.assert_allclose(standardise.mean, given[:, :4].astype(np.float64).mean(axis=0), rtol=1e-6)
        variance = given[:, :4].astype(np.float64).var(axis=0).mean()
        assert float(standardise.scale) == pytest.approx(variance**-0.5, rel=1e-5)


class TestVectorTrunk:
    def test_without_a_hidden_layer_it_standardises_the_first_numbers(self) -> None:
        trunk = VectorTrunk(3)
        trunk.stem.measure(rows(width=3))
        given = torch.from_numpy(rows(5, 5))
        (found,) = trunk(given)
        assert trunk.feature_sizes == (3,)
        np.testing.assert_array_equal(found, trunk.stem(given[:, :3]))

    def test_a_hidden_layer_reads_what_was_standardised(self) -> None:
        torch.manual_seed(0)
        trunk = VectorTrunk(4, embedding=2).eval()
        trunk.stem.measure(rows())
        assert trunk.feature_sizes == (4, 2)
        first, second = trunk(torch.from_numpy(rows(5)))
        assert trunk.embed is not None
        linear = trunk.embed[1]
        # BatchNorm has mean 0 and variance 1 before any training: what is left is the product and the ReLU
        wanted = (first @ linear.weight.T / np.sqrt(1 + 1e-5)).clamp(min=0)
        torch.testing.assert_close(second, wanted)
        assert (second > 0).any()
        assert (second == 0).any()


class TestGan:
    def test_what_the_generator_makes_has_the_units_of_the_rows(self) -> None:
        torch.manual_seed(0)
        generator = VectorGenerator(measured(rows()), latent_size=3, hidden=8)
        last = generator.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        found = generator(torch.randn(5, 3))
        # a standardised 0 is the mean of the rows
        np.testing.assert_allclose(found.detach(), np.tile(rows().mean(axis=0), (5, 1)), rtol=1e-5, atol=1e-4)
        nn.init.ones_(last.bias)
        moved = generator(torch.randn(5, 3)).detach() - found.detach()
        np.testing.assert_allclose(moved, rows().astype(np.float64).var(axis=0).mean() ** 0.5, rtol=1e-4)

    def test_without_biases_there_are_none(self) -> None:
        made = VectorGenerator(Standardise(4), 3, 8, bias=False)
        assert [name for name, _ in made.named_parameters()] == [f"layers.{n}.weight" for n in (0, 2, 4)]

    def test_the_discriminator_reads_the_units_of_the_rows_and_the_first_numbers_alone(self) -> None:
        torch.manual_seed(0)
        spread = measured(rows())
        discriminator = VectorGanDiscriminator(spread, hidden=8)
        given = torch.from_numpy(rows(6))
        logits, features = discriminator(given)
        assert (logits.shape, features.shape) == ((6,), (6, 8))
        beside = torch.cat([given, torch.randn(6, 2)], dim=1)
        torch.testing.assert_close(discriminator(beside).real_logits, logits)

        plain = VectorGanDiscriminator(Standardise(4), hidden=8)
        plain.load_state_dict({**discriminator.state_dict(), **_buffers(Standardise(4), "layers.0.")})
        torch.testing.assert_close(plain(spread(given)).real_logits, logits)

    def test_both_players_are_made_with_their_own_copies_of_the_spread(self) -> None:
        preset = get_preset("embeddings")
        model = EuiNet(preset.model, (4,), 3)
        assert isinstance(model.trunk, VectorTrunk)
        model.trunk.stem.measure(rows())
        generator, discriminator = make_gan(preset.gan, model, (4,))
        assert isinstance(generator, VectorGenerator)
        assert isinstance(discriminator, VectorGanDiscriminator)
        torch.testing.assert_close(generator.standardise.mean, model.trunk.stem.mean)
        assert generator.standardise is not model.trunk.stem
        assert generator(torch.randn(2, preset.gan.latent_size)).shape == (2, 4)


def _buffers(module: nn.Module, prefix: str) -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": value for name, value in module.named_buffers()}


class TestFitLinear:
    def test_the_last_layer_is_found(self) -> None:
        """Standardised features times the layer are the logits that stood beside the features."""
        draw = np.random.default_rng(0)
        features = rows(200, 4)
        weight, bias = draw.normal(size=(3, 4)) / 10, draw.normal(size=3)
        logits = features.astype(np.float64) @ weight.T + bias
        given = np.concatenate([features, logits], axis=1).astype(np.float32)
        layer, spread = nn.Linear(4, 3), measured(features)
        fit_linear(given, spread, layer)
        found = layer(spread(torch.from_numpy(features))).detach()
        np.testing.assert_allclose(found, logits, rtol=1e-4, atol=1e-3)
        # and it is the layer itself, seen through the standardising: w / scale, b + w·mean
        np.testing.assert_allclose(layer.weight.detach(), weight / float(spread.scale), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(layer.bias.detach(), bias + weight @ spread.mean.numpy(), rtol=1e-3)

    def test_logits_alone_give_themselves(self) -> None:
        given = rows(100, 3)
        layer, spread = nn.Linear(3, 3), measured(given)
        fit_linear(given, spread, layer)
        np.testing.assert_allclose(
            layer(spread(torch.from_numpy(given))).detach(), given, rtol=1e-4, atol=1e-2
        )

    def test_a_column_that_never_varies_and_one_twice_do_no_harm(self) -> None:
        features = rows(200, 4)
        features[:, 1], features[:, 3] = 5, features[:, 2]
        logits = features[:, :1] - 2 * features[:, 2:3] + 1
        layer, spread = nn.Linear(4, 1), measured(features)
        fit_linear(np.concatenate([features, logits], axis=1), spread, layer)
        found = layer(spread(torch.from_numpy(features))).detach()
        np.testing.assert_allclose(found, logits, rtol=1e-3, atol=1e-2)
        assert layer.weight.abs().max() < 100 * 2 / spread.scale  # no huge numbers that cancel each other

    def test_parts_give_what_the_whole_gives(self, monkeypatch: pytest.MonkeyPatch) -> None:
        given = rows(100, 6)
        spread = measured(given[:, :4])
        whole, parts = nn.Linear(4, 2), nn.Linear(4, 2)
        fit_linear(given, spread, whole)
        monkeypatch.setattr(vectors, "_ROWS", 7)
        fit_linear(given, spread, parts)
        torch.testing.assert_close(parts.weight, whole.weight, rtol=1e-4, atol=1e-4)


def given_settings(**changes: object) -> ModelSettings:
    plain = {"logits_given": True, "disc_input": "evidence", "disc_hidden": 4, "memory_per_class": 0}
    return ModelSettings.model_validate(plain | changes)


class TestEuiNet:
    @pytest.mark.parametrize(("disc_input", "reads"), [("features", 5), ("stages", 5), ("evidence", 5 + 3)])
    def test_the_discriminator_reads_features_and_logits_of_rows(self, disc_input: str, reads: int) -> None:
        torch.manual_seed(0)
        settings = given_settings(logits_given=False, disc_input=disc_input)
        network = EuiNet(settings, (5,), 3).eval()
        first = next(part for part in network.discriminator.modules() if isinstance(part, nn.Linear))
        assert first.in_features == reads
        found = network(torch.randn(7, 5))
        assert (found.class_logits.shape, found.disc_logits.shape, found.features.shape) == (
            (7, 3),
            (7,),
            (7, 5),
        )

    def test_pixels_are_no_part_of_a_row(self) -> None:
        with pytest.raises(UsageError, match=r"disc_input is pixels, but embeddings have none: set it to"):
            EuiNet(given_settings(logits_given=False, disc_input="pixels"), (5,), 3)

    def test_given_logits_come_out_bit_for_bit(self) -> None:
        torch.manual_seed(0)
        network = EuiNet(given_settings(), (5 + 3,), 3).eval()
        given = torch.randn(7, 8) * 1e3
        found = network(given)
        assert torch.equal(found.class_logits, given[:, 5:])
        assert torch.equal(found.features, given[:, :5])  # nothing was measured: as they are
        assert network.trunk.feature_sizes == (5,)

    def test_a_row_without_logits_is_classified_by_the_layer(self) -> None:
        """As fakes are: they have features alone."""
        torch.manual_seed(0)
        network = EuiNet(given_settings(), (5 + 3,), 3).eval()
        features = torch.randn(7, 5)
        torch.testing.assert_close(network(features).class_logits, network.classifier(features))

    def test_logits_alone_are_features_and_logits(self) -> None:
        torch.manual_seed(0)
        network = EuiNet(given_settings(), (3,), 3).eval()
        given = torch.randn(7, 3)
        found = network(given)
        assert torch.equal(found.class_logits, given)
        assert torch.equal(found.features, given)
        assert found.disc_logits.shape == (7,)

    def test_fewer_numbers_than_classes_are_one_sentence(self) -> None:
        with pytest.raises(
            UsageError, match=r"^Rows of 2 numbers cannot end with the logits of 3 classes: .*\.$"
        ):
            EuiNet(given_settings(), (2,), 3)
