"""The generators: latent vectors in, fake images in −1 … 1 out."""

from torch import Tensor, nn


class ConvolutionalGenerator(nn.Module):
    """DCGAN-style: a linear map to (H/4, W/4), then two transposed convolutions.

    `bias=False` leaves every bias out, BatchNorm's shift too, which section 2.2 of the report names
    as a remedy against mode collapse: in training, an image can then only come from the latent vector.
    """

    def __init__(
        self, channels: int, image_size: int, latent_size: int, width: int = 32, bias: bool = True
    ) -> None:
        super().__init__()
        base = image_size // 4
        self.layers = nn.Sequential(
            nn.Linear(latent_size, 2 * width * base * base, bias=bias),
            nn.Unflatten(1, (2 * width, base, base)),
            _norm(2 * width, bias),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=bias),
            _norm(width, bias),
            nn.ReLU(),
            nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1, bias=bias),
            nn.Tanh(),
        )

    def forward(self, latents: Tensor) -> Tensor:
        """Map (B, latent_size) standard normal vectors to (B, C, H, W) images in −1 … 1."""
        images: Tensor = self.layers(latents)
        return images


class DenseGenerator(nn.Module):
    """A plain multi-layer perceptron; its fakes are coarser than a convolutional generator's."""

    def __init__(
        self, channels: int, image_size: int, latent_size: int, width: int = 256, bias: bool = True
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent_size, width, bias=bias),
            nn.LeakyReLU(0.2),
            nn.Linear(width, 2 * width, bias=bias),
            nn.LeakyReLU(0.2),
            nn.Linear(2 * width, channels * image_size * image_size, bias=bias),
            nn.Tanh(),
            nn.Unflatten(1, (channels, image_size, image_size)),
        )

    def forward(self, latents: Tensor) -> Tensor:
        """Map (B, latent_size) standard normal vectors to (B, C, H, W) images in −1 … 1."""
        images: Tensor = self.layers(latents)
        return images


def _norm(channels: int, bias: bool) -> nn.Module:
    norm = nn.BatchNorm2d(channels)
    if not bias:
        norm.register_parameter("bias", None)
    return norm
