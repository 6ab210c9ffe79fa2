"""The matting network: photograph -> trimap and alpha, with the help of what kind of product it shows.

After S. Yamaguchi et al., "Class-Aware Image Matting for Product Images" (section 3.1, figure 1). Its parts are smaller
here: EfficientNet-Lite trunks in place of ResNet-18 and of Chen et al.'s encoder, a class network that reads half the
size, and an M-Net on squares of 2 x 2 pixels.

Two more changes its authors' results call for. Their class features entered both networks from the first step on and
made the mattes worse; here the weights that read them start at zero, so that training begins at the network without
classes and takes from the class features only what lowers its loss. And the alpha is fused from trimap and M-Net's
output as in Chen et al., "Semantic Human Matting" (2018, equation 2), on which they built, so that M-Net spends itself
on the band between product and background.
"""

import copy
from dataclasses import dataclass
from itertools import pairwise

import timm
import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

# Order of the trimap's channels.
BACKGROUND, UNKNOWN, FOREGROUND = range(3)
CLASS_FEATURES = 4  # one map a stage of the class network
STRIDE = 32  # photos are padded to a multiple of this
MATTE_STRIDE = 16  # of M-Net alone: squares of 2 x 2 pixels, halved three times


@dataclass(frozen=True)
class MattingConfig:
    """Shape of the network; kept in the weights file.

    `classes`: number of product classes that the class network tells apart; 0 for a network without class features,
    the paper's "no class". `trunk`: name of a timm model. `mean` and `std` of its input, for photos in [0, 1].
    """

    classes: int
    trunk: str = "tf_efficientnet_lite0"
    mean: tuple[float, float, float] = (127 / 255, 127 / 255, 127 / 255)
    std: tuple[float, float, float] = (128 / 255, 128 / 255, 128 / 255)


@dataclass(frozen=True)
class Matting:
    """What the network says of a batch of photos (B, 3, H, W).

    `trimap_logits`: (B, 3, H, W), background, unknown, foreground. `alpha`: (B, 1, H, W) in [0, 1]. `class_logits`:
    (B, C), or None without a class network.
    """

    trimap_logits: Tensor
    alpha: Tensor
    class_logits: Tensor | None


def convolution(channels: int, out: int, stride: int = 1) -> nn.Sequential:
    """3 x 3 convolution with batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)
    )


class Context(nn.Module):
    """Adds to each position what the whole picture holds: what is product depends on what else is there."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.here = nn.Sequential(nn.Conv2d(channels, out, 1, bias=False), nn.BatchNorm2d(out))
        self.everywhere = nn.Linear(channels, out)
        self.around = nn.Sequential(
            nn.Conv2d(out, out, 5, padding=2, groups=out, bias=False),
            nn.BatchNorm2d(out),
            nn.Conv2d(out, out, 1),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) -> (B, out, h, w)."""
        mixed = functional.relu(self.here(x) + self.everywhere(x.mean(dim=(2, 3)))[:, :, None, None])
        return mixed + self.around(mixed)  # type: ignore[no-any-return]


class UpBlock(nn.Module):
    """Brings a coarse map to the size of a finer one and merges both."""

    def __init__(self, coarse: int, fine: int, out: int) -> None:
        super().__init__()
        self.from_coarse = nn.Conv2d(coarse, out, 1, bias=False)
        self.from_fine = nn.Conv2d(fine, out, 1, bias=False)
        self.merge = nn.Sequential(nn.BatchNorm2d(out), nn.ReLU(inplace=True), convolution(out, out))

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """(B, coarse, h, w) and (B, fine, 2h, 2w) -> (B, out, 2h, 2w)."""
        return self.merge(resize(self.from_coarse(coarse), fine) + self.from_fine(fine))  # type: ignore[no-any-return]


class ClassNetwork(nn.Module):
    """Tells the product's class, and gives four maps of class features to the matting networks (figure 1, top).

    It reads the photo at half its size: a class needs no more, and the four stages then see up to the whole photo.
    """

    def __init__(self, config: MattingConfig, pretrained: bool) -> None:
        super().__init__()
        self.trunk = timm.create_model(
            config.trunk, features_only=True, out_indices=(-4, -3, -2, -1), pretrained=pretrained
        )
        channels = self.trunk.feature_info.channels()
        self.to_map = nn.ModuleList(nn.Conv2d(width, 1, 1) for width in channels)
        self.classify = nn.Linear(channels[-1], config.classes)

    def forward(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        """Photos (B, 3, H, W) -> class features (B, 4, H, W) in [-1, 1], class logits (B, C)."""
        stages = self.trunk(functional.interpolate(photos, scale_factor=0.5, mode="bilinear", antialias=False))
        # Bounded, so that a class network that learns fast does not drown the photo beside it.
        maps = [torch.tanh(to_map(stage)) for to_map, stage in zip(self.to_map, stages, strict=True)]
        features = torch.cat([resize(of_stage, photos) for of_stage in maps], dim=1)
        return features, self.classify(stages[-1].mean(dim=(2, 3)))


class TrimapNetwork(nn.Module):
    """T-Net: photo and class features (3 + 4 channels) -> trimap logits, by a pre-trained trunk and a decoder."""

    widths = (16, 40, 64, 96)  # of the decoder at strides 2, 4, 8, 16

    def __init__(self, config: MattingConfig, pretrained: bool) -> None:
        super().__init__()
        self.trunk = timm.create_model(
            config.trunk, features_only=True, out_indices=(-5, -4, -3, -2, -1), pretrained=pretrained
        )
        channels = self.trunk.feature_info.channels()
        if config.classes:
            widen(first_convolution(self.trunk), CLASS_FEATURES)
        self.context = Context(channels[4], 128)
        decoder, coarse = [], 128
        for fine, out in zip(reversed(channels[:4]), reversed(self.widths), strict=True):
            decoder.append(UpBlock(coarse, fine, out))
            coarse = out
        self.decoder = nn.ModuleList(decoder)
        self.to_trimap = nn.Conv2d(coarse, 3, 3, padding=1)

    def forward(self, photos: Tensor, class_features: Tensor | None) -> Tensor:
        """Photos (B, 3, H, W), class features (B, 4, H, W) -> trimap logits (B, 3, H, W)."""
        inputs = photos if class_features is None else torch.cat([photos, class_features], dim=1)
        *stages, x = self.trunk(inputs)  # strides 2, 4, 8, 16 and 32
        x = self.context(x)
        for block, fine in zip(self.decoder, reversed(stages), strict=True):
            x = block(x, fine)
        return resize(self.to_trimap(x), photos)


class MatteNetwork(nn.Module):
    """M-Net: photo, class features and trimap (3 + 4 + 3 channels) -> alpha within the unknown band.

    It reads and writes pixels in squares of 2 x 2, so that no layer runs at the photo's full size.
    """

    widths = (24, 48, 72, 96)  # at strides 2, 4, 8, 16

    def __init__(self, config: MattingConfig) -> None:
        super().__init__()
        self.stem = nn.Conv2d((3 + 3) * 4, self.widths[0], 3, padding=1, bias=False)
        if config.classes:
            widen(self.stem, CLASS_FEATURES * 4)
        self.first = nn.Sequential(nn.BatchNorm2d(self.widths[0]), nn.ReLU(inplace=True))
        self.down = nn.ModuleList(
            nn.Sequential(convolution(width, out, stride=2), convolution(out, out))
            for width, out in zip(self.widths[:-1], self.widths[1:], strict=True)
        )
        self.up = nn.ModuleList(
            UpBlock(coarse, fine, fine)
            for coarse, fine in zip(reversed(self.widths[1:]), reversed(self.widths[:-1]), strict=True)
        )
        self.to_alpha = nn.Conv2d(self.widths[0], 4, 3, padding=1)

    def forward(self, photos: Tensor, class_features: Tensor | None, trimaps: Tensor) -> Tensor:
        """Photos, class features and trimaps (B, 3, H, W) -> alpha (B, 1, H, W)."""
        inputs = [photos, 2 * trimaps - 1] if class_features is None else [photos, 2 * trimaps - 1, class_features]
        x = functional.pixel_unshuffle(torch.cat(inputs, dim=1), 2)  # (B, 40, H/2, W/2)
        stages = [self.first(self.stem(x))]
        for block in self.down:
            stages.append(block(stages[-1]))
        x = stages.pop()
        for block, fine in zip(self.up, reversed(stages), strict=True):
            x = block(x, fine)
        # In float32 always: bfloat16 can't tell an alpha of 0.997 from 1.
        return torch.sigmoid(functional.pixel_shuffle(self.to_alpha(x), 2).float())


class MattingNetwork(nn.Module):
    """Class network, T-Net and M-Net, trained end to end (figure 1)."""

    def __init__(self, config: MattingConfig, pretrained: bool = False) -> None:
        """`pretrained`: fetch the trunks' weights from timm's hub."""
        super().__init__()
        self.config = config
        self.class_network = ClassNetwork(config, pretrained) if config.classes else None
        self.trimap_network = TrimapNetwork(config, pretrained)
        self.matte_network = MatteNetwork(config)

    def forward(
        self,
        photos: Tensor,
        trimaps: Tensor | None = None,
        given: Tensor | None = None,
        coarse: Tensor | None = None,
    ) -> Matting:
        """Trimap and alpha of photos.

        Args:
            photos: (B, 3, H, W), normalised; H and W multiples of 32.
            trimaps: (B, 3, H, W), one-hot trimaps that M-Net shall use instead of T-Net's.
            given: (B,) bool, for which photos `trimaps` counts; for all where it is left out.
            coarse: (B, 3, h, w), the same photos made smaller, in which class and trimap are looked for.
        """
        seen = photos if coarse is None else coarse
        class_features, class_logits = self.class_features(seen)
        trimap_logits = self.trimap_network(seen, class_features)
        used = resize(trimap_logits.float().softmax(dim=1), photos)
        if trimaps is not None:
            used = trimaps if given is None else torch.where(given[:, None, None, None], trimaps, used)
        if class_features is not None:
            class_features = resize(class_features, photos)
        return Matting(resize(trimap_logits, photos), self.alpha(photos, class_features, used), class_logits)

    def class_features(self, photos: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Class features (B, 4, H, W) and class logits (B, C), or None without a class network."""
        if self.class_network is None:
            return None, None
        features, logits = self.class_network(photos)
        return features, logits

    def alpha(self, photos: Tensor, class_features: Tensor | None, trimaps: Tensor) -> Tensor:
        """(B, 1, H, W): 1 in the trimap's foreground, 0 in its background, M-Net's alpha in between.

        Chen et al. (2018), equation 2: alpha = F + U * M-Net's alpha, with the trimap's probabilities F and U.
        """
        within = self.matte_network(photos, class_features, trimaps)
        alpha: Tensor = trimaps[:, FOREGROUND, None] + trimaps[:, UNKNOWN, None] * within
        return alpha


def normalise(photos: Tensor, config: MattingConfig) -> Tensor:
    """Photos (B, 3, H, W), uint8 or float in [0, 255], as the trunk expects them."""
    mean, std = (torch.tensor(values, device=photos.device)[:, None, None] for values in (config.mean, config.std))
    return (photos.float() / 255 - mean) / std


def resize(maps: Tensor, like: Tensor) -> Tensor:
    """Maps at the height and width of others."""
    if maps.shape[2:] == like.shape[2:]:
        return maps
    resized: Tensor = functional.interpolate(maps, size=like.shape[2:], mode="bilinear", align_corners=False)
    return resized


def fuse_normalisation(network: MattingNetwork) -> MattingNetwork:
    """A copy of a trained network, in evaluation mode, whose batch normalisations are part of its convolutions.

    It computes the same in two thirds of the time on a processor, and can't be trained further.
    """
    fused = copy.deepcopy(network).eval()
    for module in list(fused.modules()):
        layers = list(module.named_children())
        for (name, layer), (next_name, next_layer) in pairwise(layers):
            if isinstance(layer, nn.Conv2d) and isinstance(next_layer, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(layer, next_layer))
                # timm's batch normalisation brings its activation along.
                rest = next_layer.act if isinstance(next_layer, BatchNormAct2d) else nn.Identity()
                setattr(module, next_name, rest)
    return fused


def first_convolution(trunk: nn.Module) -> nn.Conv2d:
    """The convolution of a timm trunk that reads the photo."""
    return next(module for module in trunk.modules() if isinstance(module, nn.Conv2d))


def widen(convolution: nn.Conv2d, added: int) -> None:
    """Let a convolution read more channels, after its own; their weights are zero: what they add has to be learned."""
    weight = convolution.weight.detach()
    zeros = weight.new_zeros(weight.shape[0], added, *weight.shape[2:])
    convolution.weight = nn.Parameter(torch.cat([weight, zeros], dim=1))
    convolution.in_channels += added
