"""RegionPatchNet: where an attribute is and what it looks like, from regions and from patches, in one pass.

    photo (B, 3, S, S), foreground (B, 1, S, S) -> for each attribute a vector of each branch and its values' logits
    the same of a close-up -> more of the logits

After Dong et al., "From Region to Patch: Attribute-Aware Foreground-Background Contrastive Learning for Fine-Grained
Fashion Retrieval" (SIGIR 2023). The paper crops the photo once an attribute and runs a Vision Transformer on each crop;
here all attributes share one small Transformer over patches of the trunk's maps, and query it where the region branch
looks, so that ten attributes cost little more than one.

Deep maps know what a thing is, shallow maps how it looks. So the region branch's keys, which decide *where* it looks,
are passed down from deep to shallow levels, while the values, *what* it sees there, are each level's own: a collar is
found by its meaning and told by its edges; a colour is read off the garment and not off the floor.

Necklines, plackets and fine patterns are lost in a small picture of a whole garment. So another network of the same
kind reads a close-up of the garment's upper part, and what it says is added to what the garment says.

Letters in shapes: B photos, A attributes, H heads, L levels, N positions, K key channels, C value channels,
W patch channels, D numbers of a branch's vector, V values of an attribute.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn import functional

from retrieval.colours import ColourBranch

TINY = 1e-6


def normalise(squares: Tensor) -> tuple[Tensor, Tensor]:
    """Squares of red, green, blue and alpha in 0…255 (B, 4, S, S) -> what the network takes.

    Returns photos (B, 3, S, S), (x - 127) / 128, where the letterbox's grey becomes zero; and the foreground
    (B, 1, S, S) in [0, 1].
    """
    return (squares[:, :3].float() - 127.0) / 128.0, squares[:, 3:].float() / 255.0


def network_input(squares: NDArray[np.uint8], size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Squares (B, S', S', 4) of any size -> photos (B, 3, size, size) and foreground, as `normalise` gives them."""
    both = torch.cat(normalise(torch.from_numpy(squares).to(device).permute(0, 3, 1, 2)), dim=1)
    if both.shape[-1] != size:
        both = functional.interpolate(both, size=(size, size), mode="bilinear", antialias=True)
    return both[:, :3].contiguous(memory_format=torch.channels_last), both[:, 3:]


@dataclass(frozen=True)
class NetworkConfig:
    """What is needed to build the network again; stored inside the weights file.

    `value_counts` holds the number of values of each attribute, in the schema's order. `mean` and `std` are what the
    trunk expects of its input, for pixels in [0, 1]. `region` and `patches` switch the branches; one is needed.
    `close_up` is the network that reads close-ups, if there is one; it may know fewer attributes, the first ones.
    """

    value_counts: tuple[int, ...]
    trunk: str = "tf_efficientnet_lite0"
    mean: tuple[float, ...] = (127 / 255,) * 3
    std: tuple[float, ...] = (128 / 255,) * 3
    region: bool = True
    patches: bool = True
    dimensions: int = 16
    look: int = 7
    heads: int = 2
    key_channels: int = 32
    value_channels: int = 64
    patch_channels: int = 128
    patch_blocks: int = 2
    hidden: int = 128
    dropout: float = 0.3
    drop_path: float = 0.1
    close_up: "NetworkConfig | None" = None

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> "NetworkConfig":
        """What `dataclasses.asdict` and JSON made of one."""
        close_up = fields.get("close_up")
        own = {"value_counts": tuple(fields["value_counts"]), "close_up": close_up and cls.from_fields(close_up)}
        return cls(**{**fields, **own})


@dataclass(frozen=True)
class Seen:
    """What the network sees in B photos.

    `region` and `patch` are unit vectors (B, A, D), zero where that branch is switched off; `background` (B, A, D) are
    the region branch's of all that an attribute does not look at, zero unless asked for (`see`). `look` (B, A, look)
    are unit vectors of both branches together, for losses that compare photos. `logits` holds A tensors (B, V + 1),
    whose last column stands for "does not apply".
    """

    region: Tensor
    patch: Tensor
    background: Tensor
    look: Tensor
    logits: list[Tensor]


@dataclass(frozen=True)
class Attended:
    """Where the region branch looks: for each level, from shallow to deep, attention (B, A, H, h, w), 1 in all."""

    levels: list[Tensor]

    def on_grid(self, height: int, width: int) -> Tensor:
        """All levels and heads together on one grid (B, A, height, width), 1 in all."""
        resized = [
            functional.interpolate(level.mean(dim=2), (height, width), mode="bilinear", antialias=True)
            for level in self.levels
        ]
        total = torch.stack([level / level.sum(dim=(2, 3), keepdim=True).clamp(min=TINY) for level in resized])
        return total.mean(dim=0)


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
    """Spatial attention: learned queries, H an attribute, that pool one level's map where they look."""

    def __init__(self, channels: int, attributes: int, config: NetworkConfig) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(attributes, config.heads, config.key_channels))
        self.value = nn.Linear(channels, config.value_channels)

    def attend(self, keys: Tensor) -> Tensor:
        """Keys (B, K, h, w) -> attention over positions (B, A, H, h, w), which sums to 1 over them."""
        scale = 1 / math.sqrt(self.query.shape[-1])
        attention = (torch.einsum("ahk,bkn->bahn", self.query, keys.flatten(2)) * scale).softmax(dim=-1)
        return attention.reshape(*attention.shape[:3], *keys.shape[-2:])

    def pool(self, level: Tensor, attention: Tensor) -> Tensor:
        """Map (B, c, h, w), attention (B, A, H, h, w) -> what each attribute sees (B, A, H·C)."""
        pooled = attention.flatten(1, 2).flatten(2) @ level.flatten(2).transpose(1, 2)  # (B, A·H, c)
        # Pooling and then projecting gives the same as the other way round, for a fraction of the work.
        values: Tensor = self.value(pooled)
        return values.reshape(*attention.shape[:2], -1)


def turned_away(attention: Tensor, background: Tensor) -> Tensor:
    """The complement of attention, on the background where there is one, 1 in all over positions.

    Args:
        attention: (B, A, H, h, w), 1 in all over positions.
        background: (B, 1, h, w) in [0, 1], 1 minus the matte; where it is nowhere more than a half, all of the photo
            counts as possible background.

    Returns:
        (B, A, H, h, w).
    """
    some = background.flatten(1).amax(dim=1) > 0.5
    background = torch.where(some[:, None, None, None], background, torch.ones_like(background))
    away = (1 - attention / attention.amax(dim=(-2, -1), keepdim=True)) * background[:, None]
    away = away + TINY
    return away / away.sum(dim=(-2, -1), keepdim=True)


class ChannelAttention(nn.Module):
    """Which channels of what it sees matter to an attribute: gates in [0, 2] from that itself."""

    def __init__(self, attributes: int, features: int) -> None:
        super().__init__()
        inner = features // 16
        self.squeeze = nn.Parameter(torch.randn(attributes, features, inner) / math.sqrt(features))
        self.excite = nn.Parameter(torch.zeros(attributes, inner, features))

    def forward(self, seen: Tensor) -> Tensor:
        """What each attribute sees (B, A, features) -> the same, gated."""
        inner = functional.relu(
            torch.einsum("baf,afg->bag", functional.layer_norm(seen, seen.shape[-1:]), self.squeeze)
        )
        return seen * 2 * torch.einsum("bag,agf->baf", inner, self.excite).sigmoid()


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


class RegionBranch(nn.Module):
    """One vector an attribute from the regions of four levels that it attends to."""

    def __init__(self, channels: list[int], config: NetworkConfig) -> None:
        super().__init__()
        attributes = len(config.value_counts)
        features = len(channels) * config.heads * config.value_channels
        self.keys = LevelKeys(channels, config.key_channels)
        self.attention = nn.ModuleList(AttributeAttention(c, attributes, config) for c in channels)
        self.channel_attention = ChannelAttention(attributes, features)
        self.projection = AttributeProjection(attributes, features, config)

    def attend(self, maps: list[Tensor]) -> Attended:
        """Maps [(B, c, h, w), …] from shallow to deep -> where each attribute looks."""
        return Attended([of.attend(key) for of, key in zip(self._attentions(), self.keys(maps), strict=True)])

    def forward(self, maps: list[Tensor], attention: list[Tensor]) -> Tensor:
        """Maps, and attention (B, A, H, h, w) for each of them -> unit vectors (B, A, D)."""
        pooled = [of.pool(level, where) for of, level, where in zip(self._attentions(), maps, attention, strict=True)]
        vectors: Tensor = self.projection(self.channel_attention(torch.cat(pooled, dim=-1)))
        return vectors

    def _attentions(self) -> list[AttributeAttention]:
        return [of for of in self.attention if isinstance(of, AttributeAttention)]


class PatchBranch(nn.Module):
    """One vector an attribute from patches that have looked at each other.

    Patches lie on the grid of stride 16 and hold what the maps of strides 8, 16 and 32 know there. Each attribute then
    queries those of the foreground, drawn to where the region branch looks.
    """

    def __init__(self, channels: list[int], config: NetworkConfig) -> None:
        super().__init__()
        attributes, width = len(config.value_counts), config.patch_channels
        self.embed = nn.Conv2d(sum(channels[1:]), width, 1)
        self.place = nn.Linear(4, width)
        drop_path = config.drop_path
        self.blocks = nn.Sequential(
            *(
                Block(width, num_heads=4, mlp_ratio=2, qkv_bias=True, drop_path=drop_path)
                for _ in range(config.patch_blocks)
            )
        )
        self.norm = nn.LayerNorm(width)
        self.query = nn.Parameter(torch.randn(attributes, width))
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.guidance = nn.Parameter(torch.tensor(1.0))
        self.projection = AttributeProjection(attributes, width, config)

    def forward(self, maps: list[Tensor], foreground: Tensor, attended: Attended) -> Tensor:
        """Maps from shallow to deep, foreground (B, 1, S, S), where the regions are -> unit vectors (B, A, D)."""
        height, width = maps[2].shape[-2:]
        on_grid = [
            functional.adaptive_avg_pool2d(maps[1], (height, width)),
            maps[2],
            functional.interpolate(maps[3], (height, width), mode="nearest"),
        ]
        patches = self.embed(torch.cat(on_grid, dim=1)).flatten(2).transpose(1, 2)  # (B, N, W)
        patches = self.norm(self.blocks(patches + self.place(_places(height, width, patches))))
        on_garment = functional.adaptive_avg_pool2d(foreground, (height, width)).flatten(1)[:, None]  # (B, 1, N)
        guide = attended.on_grid(height, width).flatten(2)  # (B, A, N)
        score = torch.einsum("aw,bnw->ban", self.query, self.key(patches)) / math.sqrt(patches.shape[-1])
        score = score + self.guidance * (guide * guide.shape[-1] + 0.05).log() + (on_garment + 0.01).log()
        vectors: Tensor = self.projection(torch.einsum("ban,bnw->baw", score.softmax(dim=-1), self.value(patches)))
        return vectors


def _places(height: int, width: int, like: Tensor) -> Tensor:
    """Where each patch of a grid lies: row and column in [-1, 1] and their squares, (N, 4)."""
    rows, columns = (torch.linspace(-1, 1, side, device=like.device, dtype=like.dtype) for side in (height, width))
    row, column = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([row, column, row**2, column**2], dim=-1).flatten(0, 1)


class ValueHead(nn.Module):
    """Prototypes of an attribute's values, and one more for garments to which the attribute does not apply.

    A logit is the cosine of a vector and a prototype, times a learned scale; so vectors of the same value gather
    around one direction, and garments without a sleeve to compare stay away from all sleeves.
    """

    def __init__(self, values: int, dimensions: int) -> None:
        super().__init__()
        self.prototypes = nn.Parameter(torch.randn(values + 1, dimensions))
        self.log_scale = nn.Parameter(torch.tensor(math.log(12.0)))

    def forward(self, vectors: Tensor) -> Tensor:
        """Unit vectors (B, 2·D) -> logits (B, V + 1)."""
        return vectors @ functional.normalize(self.prototypes, dim=-1).T * self.log_scale.exp()


class RegionPatchNet(nn.Module):
    """Photographs to vectors of both branches and the values' logits of every attribute, in one pass."""

    close_up_share: Tensor

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
        self.region_branch = RegionBranch(channels, config)
        self.patch_branch = PatchBranch(channels, config) if config.patches else None
        self.patch_share = nn.Parameter(torch.tensor(0.0))  # the paper's beta, before the sigmoid
        self.look = nn.Parameter(torch.randn(attributes, 2 * config.dimensions, config.look))
        self.heads = nn.ModuleList(ValueHead(values, 2 * config.dimensions) for values in config.value_counts)
        self.colour_branch = ColourBranch(config.value_counts)
        self.close_up = None if config.close_up is None else RegionPatchNet(config.close_up)
        # How much the close-up counts for each attribute, 0 until that is found out.
        self.register_buffer("close_up_share", torch.zeros(attributes))

    def maps(self, photos: Tensor) -> list[Tensor]:
        """Photos as `normalise` gives them (B, 3, S, S) -> maps at strides 4, 8, 16, 32, from shallow to deep."""
        mean, std = (photos.new_tensor(of).view(1, 3, 1, 1) for of in (self.config.mean, self.config.std))
        found: list[Tensor] = self.trunk((photos * (128 / 255) + 127 / 255 - mean) / std)
        return found

    def attend(self, photos: Tensor) -> Attended:
        """Photos as `normalise` gives them (B, 3, S, S) -> where each attribute looks."""
        return self.region_branch.attend(self.maps(photos))

    def forward(self, photos: Tensor, foreground: Tensor, close_ups: tuple[Tensor, Tensor] | None = None) -> Seen:
        """What is seen in photos (B, 3, S, S) with their foreground (B, 1, S, S), both as `normalise` gives them.

        Args:
            photos, foreground: of what the network is shown.
            close_ups: the same of close-ups of it; without them, or where they count nothing, they are not read.

        Returns:
            What `see` gives, with logits to which colours and close-ups have added; its vectors know neither.
        """
        seen = self.see(self.maps(photos), foreground)
        logits = self.colour_branch.add_to(seen.logits, photos, foreground)
        if self.close_up is not None and close_ups is not None and self.close_up_share.any():
            logits = self.add_close_ups(logits, self.close_up(*close_ups).logits)
        return replace(seen, logits=logits)

    def add_close_ups(self, logits: list[Tensor], told: list[Tensor]) -> list[Tensor]:
        """Logits, A tensors (B, V + 1), with those that the network of close-ups gives for the first attributes."""
        counting = zip(logits, self.close_up_share.tolist(), told, strict=False)
        added = [of + share * by.log_softmax(dim=1) if share else of for of, share, by in counting]
        return added + logits[len(added) :]

    def see(self, maps: list[Tensor], foreground: Tensor, with_background: bool = False) -> Seen:
        """`forward` from the photos' maps on, without what their colours and close-ups tell.

        The background vectors, which only the inter-branch loss asks for, are zero unless `with_background`.
        """
        attended = self.region_branch.attend(maps)
        region = self.region_branch(maps, attended.levels)
        background = torch.zeros_like(region)
        if with_background:
            away = [
                turned_away(of, functional.adaptive_avg_pool2d(1 - foreground, (of.shape[-2], of.shape[-1])))
                for of in attended.levels
            ]
            background = self.region_branch(maps, away)
        if self.patch_branch is None:
            patch, share = torch.zeros_like(region), torch.zeros_like(self.patch_share)
        else:
            patch, share = self.patch_branch(maps, foreground, attended), self.patch_share.sigmoid()
        if not self.config.region:
            region, share = torch.zeros_like(region), torch.ones_like(self.patch_share)
        # A cosine of these is the mean of the branches' cosines, weighted by 1 - beta and beta.
        both = torch.cat([(1 - share).sqrt() * region, share.sqrt() * patch], dim=-1)  # (B, A, 2·D)
        look = functional.normalize(torch.einsum("bad,adl->bal", both, self.look), dim=-1)
        logits = [head(both[:, index]) for index, head in enumerate(self.heads)]
        return Seen(region, patch, background, look, logits)
