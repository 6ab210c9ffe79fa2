"""The first attribute network: a convolutional trunk and one attending query an attribute and level.

    photo (B, 3, S, S) -> maps at strides 4, 8, 16, 32 -> A vectors (B, A, D) of unit length

Deep maps know what a thing is, shallow maps how it looks. So the keys, which decide *where* an attribute looks, are
passed down from deep to shallow levels, while the values, *what* it sees there, are each level's own: a collar is
found by its meaning and told by its edges; a colour is read off the garment and not off the floor.

Letters in shapes: B photos, A attributes, H heads, L levels, N positions, K key channels, C value channels,
D numbers of a vector, V values of an attribute.
"""

import math
from dataclasses import dataclass

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional


def normalise(photos: Tensor) -> Tensor:
    """Pixels in 0…255 (B, 3, S, S) -> (x - 127) / 128, what the network takes; the letterbox's grey becomes zero."""
    return (photos.float() - 127.0) / 128.0


@dataclass(frozen=True)
class NetworkConfig:
    """What is needed to build the network again; stored inside the weights file.

    `value_counts` holds the number of values of each attribute, in the schema's order. `mean` and `std` are what the
    trunk expects of its input, for pixels in [0, 1].
    """

    value_counts: tuple[int, ...]
    trunk: str = "tf_efficientnet_lite0"
    mean: tuple[float, ...] = (127 / 255,) * 3
    std: tuple[float, ...] = (128 / 255,) * 3
    dimensions: int = 16
    heads: int = 2
    key_channels: int = 32
    value_channels: int = 64
    hidden: int = 128
    dropout: float = 0.3
    drop_path: float = 0.1


class LevelKeys(nn.Module):
    """Keys of every level, each the sum of its own map and the next deeper level's keys."""

    def __init__(self, channels: list[int], key_channels: int) -> None:
        super().__init__()
        self.project = nn.ModuleList(nn.Conv2d(c, key_channels, 1) for c in channels)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Maps [(B, c, h, w), …] from shallow to deep -> keys [(B, K, h, w), …] in the same order."""
        keys: list[Tensor] = []
        deeper: Tensor | None = None
        for level, project in zip(reversed(maps), reversed(self.project), strict=True):
            key = project(level)
            if deeper is not None:
                key = key + functional.interpolate(deeper, size=key.shape[-2:], mode="nearest")
            keys.insert(0, key)
            deeper = key
        return keys


class AttributeAttention(nn.Module):
    """Learned queries, H of them an attribute, that pool one level's map over the positions they attend to."""

    def __init__(self, channels: int, attributes: int, config: NetworkConfig) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(attributes, config.heads, config.key_channels))
        self.value = nn.Conv2d(channels, config.value_channels, 1)

    def attend(self, keys: Tensor) -> Tensor:
        """Keys (B, K, h, w) -> attention over positions (B, A, H, N), which sums to 1 over N."""
        scale = 1 / math.sqrt(self.query.shape[-1])
        return (torch.einsum("ahk,bkn->bahn", self.query, keys.flatten(2)) * scale).softmax(dim=-1)

    def forward(self, level: Tensor, keys: Tensor) -> Tensor:
        """Map (B, c, h, w), keys (B, K, h, w) -> what each attribute sees (B, A, H·C)."""
        values = self.value(level).flatten(2)  # (B, C, N)
        return torch.einsum("bahn,bcn->bahc", self.attend(keys), values).flatten(2)


class AttributeProjection(nn.Module):
    """A small perceptron of its own for each attribute, all of them computed at once."""

    def __init__(self, attributes: int, features: int, config: NetworkConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.first = nn.Parameter(torch.randn(attributes, features, config.hidden) / math.sqrt(features))
        self.first_bias = nn.Parameter(torch.zeros(attributes, config.hidden))
        self.second = nn.Parameter(torch.randn(attributes, config.hidden, config.dimensions) / math.sqrt(config.hidden))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, seen: Tensor) -> Tensor:
        """What each attribute sees (B, A, features) -> unit vectors (B, A, D)."""
        hidden = torch.einsum("baf,afg->bag", self.dropout(self.norm(seen)), self.first) + self.first_bias
        vectors = torch.einsum("bag,agd->bad", self.dropout(functional.gelu(hidden)), self.second)
        return functional.normalize(vectors, dim=-1)


class ValueHead(nn.Module):
    """Prototypes of an attribute's values, and one more for garments to which the attribute does not apply.

    A logit is the cosine of a vector and a prototype, times a learned scale; so vectors of the same value gather
    around one direction, and garments without a sleeve to compare stay away from all sleeves.
    """

    def __init__(self, values: int, dimensions: int) -> None:
        super().__init__()
        self.prototypes = nn.Parameter(torch.randn(values + 1, dimensions))
        self.log_scale = nn.Parameter(torch.tensor(math.log(12.0)))

    def directions(self) -> Tensor:
        """The prototypes as unit vectors (V + 1, D); the last stands for "does not apply"."""
        return functional.normalize(self.prototypes, dim=-1)

    def forward(self, vectors: Tensor) -> Tensor:
        """Unit vectors (B, D) -> logits (B, V + 1)."""
        return vectors @ self.directions().T * self.log_scale.exp()


class AttributeNetwork(nn.Module):
    """Photographs to one unit vector and the values' logits for each attribute, in one pass."""

    def __init__(self, config: NetworkConfig, pretrained_trunk: bool = False) -> None:
        super().__init__()
        self.config = config
        self.trunk = timm.create_model(
            config.trunk,
            pretrained=pretrained_trunk,
            features_only=True,
            out_indices=(-4, -3, -2, -1),
            drop_path_rate=config.drop_path,
        )
        channels: list[int] = self.trunk.feature_info.channels()
        attributes = len(config.value_counts)
        self.keys = LevelKeys(channels, config.key_channels)
        self.attention = nn.ModuleList(AttributeAttention(c, attributes, config) for c in channels)
        features = len(channels) * config.heads * config.value_channels
        self.projection = AttributeProjection(attributes, features, config)
        self.heads = nn.ModuleList(ValueHead(values, config.dimensions) for values in config.value_counts)

    def forward(self, photos: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Photos as `normalise` gives them (B, 3, S, S) -> unit vectors (B, A, D) and a list of A logits (B, V + 1)."""
        mean, std = (photos.new_tensor(of).view(1, 3, 1, 1) for of in (self.config.mean, self.config.std))
        maps = self.trunk((photos * (128 / 255) + 127 / 255 - mean) / std)
        keys = self.keys(maps)
        seen = [attend(level, key) for attend, level, key in zip(self.attention, maps, keys, strict=True)]
        vectors = self.projection(torch.cat(seen, dim=-1))
        return vectors, [head(vectors[:, index]) for index, head in enumerate(self.heads)]
