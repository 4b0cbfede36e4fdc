from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.neighbors import NearestNeighbors

from euinet.networks.memory import (
    PROJECTION_RIDGE,
    RELATIVE_RIDGE,
    KnownDistances,
    KnownMemory,
    Moments,
)


def test_distance_by_hand() -> None:
    memory = KnownMemory(classes=3, per_class=1, features=2, neighbours=2)
    memory.remember(torch.tensor([[2.0, 0.0], [0.0, 5.0], [-1.0, 0.0]]), torch.tensor([0, 1, 2]))
    memory.whiten.copy_(torch.tensor([[0.5, 0.0], [0.0, 1.0]]))  # a deviation of 2 to the side, 1 upwards
    distance = memory(torch.tensor([[4.0, 0.0], [3.0, 3.0]]))
    # (4, 0): cosines 1, 0, −1, the two largest mean 0.5; two deviations of 2 from (2, 0): (1² + 0²) / 2
    # (3, 3): 0.7071 twice; from (2, 0) it is (0.5² + 3²) / 2, from (0, 5) (1.5² + 2²) / 2, which is less
    expected = [0.5 * 0.5, (1 - 2**-0.5) * 3.125]
    assert distance.exp().squeeze(1).tolist() == pytest.approx(expected, rel=2e-3)


def test_the_spread_is_that_within_classes() -> None:
    """Against the inverse covariance: what a class spreads along counts for less than what it does not."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(600) % 2
    centres = torch.tensor([[0.0, 20.0, 0.0], [20.0, 0.0, 0.0]])
    features = centres[labels] + torch.randn(600, 3, generator=generator) * torch.tensor([1.0, 1.0, 5.0])
    memory = KnownMemory(classes=2, per_class=4, features=3, neighbours=1)
    memory.remember(features, labels)
    around = torch.cat([features[labels == k] - features[labels == k].mean(dim=0) for k in (0, 1)])
    expected = torch.linalg.inv(around.T @ around / 600)
    torch.testing.assert_close(memory.whiten @ memory.whiten.T, expected, rtol=0.02, atol=0.01)
    torch.testing.assert_close(memory.means, centres, rtol=0, atol=1.0)
    aside, along = memory(centres[:1] + torch.tensor([[5.0, 0, 0], [0, 0, 5.0]]))
    assert aside > along + 1


def test_what_is_remembered_is_near_and_its_opposite_far() -> None:
    known = torch.randn(60, 8, generator=torch.Generator().manual_seed(0)) + 3
    memory = KnownMemory(classes=3, per_class=20, features=8, neighbours=1)
    memory.remember(known, torch.arange(60) % 3)
    assert memory(known).max() < memory(-known).min() - 3


def test_all_images_tell_the_spread_and_the_first_of_a_class_are_kept() -> None:
    memory = KnownMemory(classes=2, per_class=1, features=2, neighbours=1)
    features = torch.tensor([[1.0, 0.0], [0.0, 1.0], [3.0, 0.0], [0.0, 3.0]])
    memory.remember(features, torch.tensor([0, 1, 0, 1]))
    assert memory.rows.tolist() == [[1, 0], [0, 1]]
    assert memory.means.tolist() == [[2, 0], [0, 2]]


def test_a_class_without_an_image_lies_where_all_do() -> None:
    memory = KnownMemory(classes=3, per_class=1, features=2, neighbours=1)
    memory.remember(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 2]))
    assert memory.means.tolist() == [[1, 0], [0.5, 0.5], [0, 1]]
    assert memory.whiten.isfinite().all()  # one image a class: no spread at all


def test_a_row_s_distance_is_its_own() -> None:
    memory = KnownMemory(classes=2, per_class=10, features=4, neighbours=3)
    generator = torch.Generator().manual_seed(1)
    memory.remember(torch.randn(20, 4, generator=generator), torch.arange(20) % 2)
    rows = torch.randn(9, 4, generator=generator)
    torch.testing.assert_close(memory(rows)[4:5], memory(rows[4:5]))


def test_rows_without_an_image_are_near_to_nothing() -> None:
    memory = KnownMemory(classes=5, per_class=1, features=2, neighbours=1)
    memory.remember(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1]))
    assert memory.rows.norm(dim=1).tolist() == pytest.approx([1, 1, 0, 0, 0])
    memory.means.fill_(1.0)  # leaves the rows to decide
    memory.whiten.copy_(torch.eye(2))
    assert memory(torch.tensor([[1.0, 3.0]])).exp().item() == pytest.approx((1 - 0.9**0.5) * 2, rel=0.02)


def test_nothing_to_remember_is_refused() -> None:
    with pytest.raises(ValueError, match="no known images"):
        KnownMemory(4, 1, 2, 1).remember(torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64))


class TestDistances:
    """The memory with three distances, beside scikit-learn and formulas written out."""

    @staticmethod
    def known(count: int = 300, width: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
        draw = torch.Generator().manual_seed(2)
        labels = torch.arange(count) % 3
        centres = 3 * torch.randn(3, width, generator=draw)
        spread = torch.linspace(0.3, 2, width)
        return centres[labels] + spread * torch.randn(count, width, generator=draw), labels

    def filled(self, origin: torch.Tensor | None = None, neighbours: int = 3) -> KnownDistances:
        memory = KnownDistances(classes=3, per_class=20, features=5, neighbours=neighbours)
        memory.remember(*self.known(), origin)
        return memory

    def strange(self) -> torch.Tensor:
        return 4 * torch.randn(50, 5, generator=torch.Generator().manual_seed(9))

    def test_neighbours_are_the_nearest_rows_by_direction_from_the_origin(self) -> None:
        features, labels = self.known()
        origin = torch.tensor([10.0, 0, 0, 0, 0])
        rows = torch.cat([features[labels == k][:20] for k in range(3)]) + origin
        found = self.filled(origin)(self.strange())[:, 0].numpy()
        nearest = NearestNeighbors(n_neighbors=3, metric="cosine").fit(rows.numpy())
        distances, _ = nearest.kneighbors((self.strange() + origin).numpy())
        np.testing.assert_allclose(found, distances.mean(axis=1), atol=2e-3)

    def test_projection_is_that_of_linear_discriminants(self) -> None:
        """LDA's log-posterior of a class less what all share, with a covariance that is shrunk."""
        features, labels = (values.double().numpy() for values in self.known())
        means = np.stack([features[labels == k].mean(axis=0) for k in range(3)])
        around = features - means[labels.astype(int)]
        covariance = around.T @ around / len(around)
        covariance += np.eye(5) * covariance.trace() / 5 * PROJECTION_RIDGE
        spread = multivariate_normal(mean=np.zeros(5), cov=covariance)
        shown = self.strange().double().numpy()
        odds = np.stack([spread.logpdf(shown - mean) for mean in means]) - spread.logpdf(
            shown - features.mean(axis=0)
        )
        found = self.filled()(self.strange())[:, 1]
        np.testing.assert_allclose(found, -odds.max(axis=0), rtol=2e-3, atol=2e-2)

    def test_relative_is_the_nearest_class_s_mahalanobis_less_that_of_all(self) -> None:
        features, labels = (values.double().numpy() for values in self.known())
        means = np.stack([features[labels == k].mean(axis=0) for k in range(3)])
        around = features - means[labels.astype(int)]

        def squared(shown: np.ndarray, centre: np.ndarray, rows: np.ndarray) -> np.ndarray:
            covariance = rows.T @ rows / len(rows)
            covariance += np.eye(5) * covariance.trace() / 5 * RELATIVE_RIDGE
            away = shown - centre
            found: np.ndarray = (away @ np.linalg.inv(covariance) * away).sum(axis=1) / 5
            return found

        shown, middle = self.strange().double().numpy(), features.mean(axis=0)
        nearest = np.stack([squared(shown, mean, around) for mean in means]).min(axis=0)
        expected = nearest - squared(shown, middle, features - middle)
        np.testing.assert_allclose(self.filled()(self.strange())[:, 2], expected, rtol=5e-3, atol=2e-2)

    def test_moments_without_a_class_are_those_of_the_others(self) -> None:
        features, labels = self.known()
        other = labels != 1
        fewer = labels[other] - (labels[other] > 1).long()
        expected = Moments.of(features[other], fewer, 2)
        found = Moments.of(features, labels, 3).without(1, features[~other])
        for name, value in found._asdict().items():
            torch.testing.assert_close(value, getattr(expected, name), msg=name)

    def test_a_class_without_an_image_is_never_the_nearest_projection(self) -> None:
        memory = KnownDistances(classes=3, per_class=1, features=2, neighbours=1)
        memory.remember(torch.tensor([[1.0, 0.0], [0.0, 1.0]] * 4), torch.tensor([0, 2] * 4))
        found = memory(torch.tensor([[50.0, 50.0], [-50.0, 30.0]]))
        assert found.isfinite().all()
        assert memory.offset[1] < -1000

    def test_nothing_to_remember_is_an_error(self) -> None:
        memory = KnownDistances(classes=2, per_class=1, features=2, neighbours=1)
        with pytest.raises(ValueError, match="no known images"):
            memory.remember(torch.empty(0, 2), torch.empty(0, dtype=torch.int64))

    def test_what_half_numbers_cannot_hold_stays_whole(self) -> None:
        """Classes that hardly spread have inverses beyond 65,504."""
        features, labels = self.known()
        memory = KnownDistances(classes=3, per_class=5, features=5, neighbours=1)
        memory.remember(features * 1e-4, labels)
        assert memory(features * 1e-4).isfinite().all()
