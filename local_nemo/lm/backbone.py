"""The model seen as two halves: frozen lower layers, whose output is computed once per row, and trained upper layers.

Wraps a transformers causal language model without changing it. Nothing below the first trained layer needs gradients,
and its output for a row never changes, so `lower` runs without them and a `HiddenCache` keeps what it gave. Logits are
computed only where a loss is wanted. Models whose decoder cannot be cut (other layouts, embeddings scaled inside
`forward`) run whole: `SplitModel` compares both ways once and falls back.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import DynamicCache

from local_nemo.lm.batches import Tree
from local_nemo.lm.rows import EncodedRow

LEARNED_PROMPT = 64  # tokens of a lone row's prompt that the gradient reaches: the question, hardly the tools


@dataclass(frozen=True)
class TreeTensors:
    """A tree of rows as tensors: `ids`, `positions` [1, n]; `mask` [1, 1, n, n] (additive) or None for plain causal;
    `predictors` [k] are the positions whose next token counts, `targets` [k] those tokens, `owners` [k] the row of
    each. Through the first `context` positions flows no gradient.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor | None
    predictors: torch.Tensor
    targets: torch.Tensor
    owners: torch.Tensor
    context: int = 0


def tree_tensors(tree: Tree, rows: list[EncodedRow]) -> TreeTensors:
    """Lay the tree's rows out one after the other: the shared beginning, then each row's own tokens."""
    shared = tree.shared
    ids: list[int] = list(rows[tree.rows[0]].ids[:shared])
    positions, segments = list(range(shared)), [-1] * shared
    predictors: list[int] = []
    targets: list[int] = []
    owners: list[int] = []
    for segment, index in enumerate(tree.rows):
        row = rows[index]
        start = len(ids) - shared  # what to add to a position in the row to get one in the tree
        ids += row.ids[shared:]
        positions += range(shared, len(row.ids))
        segments += [segment] * (len(row.ids) - shared)
        predictors += range(start + row.answer_start - 1, start + len(row.ids) - 1)
        targets += row.ids[row.answer_start :]
        owners += [segment] * row.answer_tokens
    mask = _mask(torch.tensor(segments)) if len(tree.rows) > 1 else None
    one = lambda values: torch.tensor([values])  # noqa: E731
    context = shared if mask is not None else max(0, predictors[0] + 1 - LEARNED_PROMPT)
    return TreeTensors(
        one(ids), one(positions), mask, torch.tensor(predictors), torch.tensor(targets), torch.tensor(owners), context
    )


def _causal(length: int) -> torch.Tensor:
    """The mask of one row alone."""
    return _mask(torch.full((length,), -1))


def _slice(inputs: dict[str, torch.Tensor], begin: int, end: int | None) -> dict[str, torch.Tensor]:
    """The positions from `begin` up to `end` of ids or hidden states."""
    return {name: value[:, begin:end] for name, value in inputs.items()}


def _mask(segments: torch.Tensor) -> torch.Tensor:
    """[1, 1, n, n]: 0 where a token (row) sees another (column), a large negative number elsewhere."""
    causal = torch.ones(len(segments), len(segments), dtype=torch.bool).tril()
    sees = causal & ((segments[None, :] == segments[:, None]) | (segments[None, :] == -1))
    return torch.zeros(sees.shape).masked_fill(~sees, torch.finfo(torch.float32).min)[None, None]


class HiddenCache:
    """What the frozen layers gave, by group prefix and by row, up to a number of bytes; then nothing more is kept."""

    def __init__(self, max_bytes: int):
        self._left = max_bytes
        self._kept: dict[tuple, torch.Tensor] = {}

    def get(self, tree: Tree) -> torch.Tensor | None:
        """The hidden states [1, n, d] of the whole tree, or None if any part is missing."""
        keys = self._keys(tree)
        if not all(key in self._kept for key in keys):
            return None
        return torch.cat([self._kept[key] for key in keys], dim=1)

    def put(self, tree: Tree, rows: list[EncodedRow], hidden: torch.Tensor) -> None:
        position = 0
        lengths = [tree.shared] * bool(tree.shared) + [len(rows[index].ids) - tree.shared for index in tree.rows]
        for key, length in zip(self._keys(tree), lengths, strict=True):
            part = hidden[:, position : position + length]
            position += length
            size = part.numel() * part.element_size()
            if key not in self._kept and size <= self._left:
                self._kept[key] = part.clone()
                self._left -= size

    @staticmethod
    def _keys(tree: Tree) -> list[tuple]:
        prefix = [("group", tree.group)] if tree.shared else []
        return prefix + [("row", index) for index in tree.rows]


class SplitModel:
    """`lower` and `upper` halves of a causal language model around layer number `cut`."""

    def __init__(self, model: Any, cut: int):  # a PreTrainedModel with a decoder; its parts are typed as tensors too
        self._decoder = model.get_decoder()
        self._head = model.get_output_embeddings()
        layers = self._decoder.layers
        self._lower = _with_layers(self._decoder, layers[:cut], norm=nn.Identity())
        self._upper = _with_layers(self._decoder, layers[cut:], norm=self._decoder.norm)
        self.cut = cut if cut and self._halves_agree() else 0

    def lower(self, tree: TreeTensors) -> torch.Tensor:
        """Hidden states [1, n, d] before the first trained layer, without gradients; embeddings if there is no cut."""
        with torch.no_grad():
            if not self.cut:
                return self._decoder.get_input_embeddings()(tree.ids)
            return self._run(self._lower, tree, input_ids=tree.ids)

    def logits(self, tree: TreeTensors, hidden: torch.Tensor) -> torch.Tensor:
        """Logits [k, vocabulary] at the tree's predictors, from what `lower` gave.

        The gradient does not reach what happens at the tree's `context`, which is computed first and then only looked
        at: the tools are long and the same in many rows (docs/decisions.md has what it saves and costs).
        """
        part, inputs = (
            (self._upper, {"inputs_embeds": hidden}) if self.cut else (self._decoder, {"input_ids": tree.ids})
        )
        if not tree.context or not torch.is_grad_enabled():
            return self._head(self._run(part, tree, **inputs)[0, tree.predictors])
        cut, seen = tree.context, DynamicCache()
        with torch.no_grad():
            part(**_slice(inputs, 0, cut), position_ids=tree.positions[:, :cut], past_key_values=seen, use_cache=True)
        mask = _causal(tree.ids.shape[1]) if tree.mask is None else tree.mask
        out = part(
            **_slice(inputs, cut, None),
            position_ids=tree.positions[:, cut:],
            attention_mask=mask[:, :, cut:],
            past_key_values=seen,
            use_cache=True,
        )
        return self._head(out.last_hidden_state[0, tree.predictors - cut])

    @staticmethod
    def _run(part: nn.Module, tree: TreeTensors, **inputs: torch.Tensor) -> torch.Tensor:
        return part(**inputs, position_ids=tree.positions, attention_mask=tree.mask, use_cache=False).last_hidden_state

    def _halves_agree(self) -> bool:
        """Whether lower then upper gives what the whole model gives, on a few tokens."""
        vocabulary = self._decoder.get_input_embeddings().num_embeddings
        ids = torch.arange(7)[None] % vocabulary
        probe = TreeTensors(ids, torch.arange(7)[None], None, ids[0], ids[0], ids[0])
        with torch.no_grad():
            whole = self._run(self._decoder, probe, input_ids=ids)
            halves = self._run(self._upper, probe, inputs_embeds=self._run(self._lower, probe, input_ids=ids))
        return torch.allclose(whole, halves, rtol=1e-3, atol=1e-3)


def _with_layers(decoder: nn.Module, layers: nn.ModuleList, norm: nn.Module) -> nn.Module:
    """The same decoder with fewer layers: a shallow copy that shares every weight."""
    part = copy.copy(decoder)
    part._modules = dict(decoder._modules) | {"layers": layers, "norm": norm}
    return part
