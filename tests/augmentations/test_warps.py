"""Fields and maps as matrix products, against torch's own functions."""

import pytest
import torch
import torch.nn.functional as F

from euinet.augmentations.warps import affine_basis, sample, smooth_field, warp_basis

CPU = torch.device("cpu")


@pytest.mark.parametrize(("height", "width", "points"), [(28, 28, 7), (8, 8, 7), (32, 20, 5)])
def test_a_smooth_field_is_the_bicubic_interpolation(height: int, width: int, points: int) -> None:
    values = torch.randn(3, 2, points, points, generator=torch.Generator().manual_seed(0))
    expected = F.interpolate(values, size=(height, width), mode="bicubic", align_corners=False)
    torch.testing.assert_close(smooth_field(values, height, width), expected)


@pytest.mark.parametrize(("height", "width"), [(28, 28), (8, 12)])
def test_an_affine_map_reads_where_affine_grid_does(height: int, width: int) -> None:
    matrix = torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(1))
    expected = F.affine_grid(matrix, [4, 1, height, width], align_corners=False)  # (4, H, W, 2)
    places = matrix @ affine_basis(height, width, CPU)
    torch.testing.assert_close(places.view(4, 2, height, width).permute(0, 2, 3, 1), expected)


def test_both_in_one_product_are_their_sum() -> None:
    matrix, field = torch.randn(2, 2, 3), torch.randn(2, 2, 25)
    both = torch.cat([matrix, field], dim=2) @ warp_basis(8, 8, 5, CPU)
    apart = matrix @ affine_basis(8, 8, CPU) + smooth_field(field.view(2, 2, 5, 5), 8, 8).flatten(2)
    torch.testing.assert_close(both, apart)


def test_the_identity_leaves_an_image_and_outside_is_dark() -> None:
    images = torch.rand(2, 3, 8, 8)
    identity = torch.eye(2, 3).expand(2, 2, 3)
    torch.testing.assert_close(sample(images, identity @ affine_basis(8, 8, CPU)), images)
    far = identity @ affine_basis(8, 8, CPU) + 5
    torch.testing.assert_close(sample(images, far), torch.full_like(images, -1))
