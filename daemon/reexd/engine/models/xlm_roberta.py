"""RoBERTa and its relatives in MLX (Hugging Face `model_type: roberta | xlm-roberta | camembert`).

BERT's layers under BERT's names; positions begin after the padding token's, which is 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from reexd.engine.models import bert


@dataclass(frozen=True)
class ModelArgs(bert.ModelArgs):
    type_vocab_size: int = 1
    pad_token_id: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pad_token_id != 1:
            raise ValueError(f"pad_token_id 1 expected, got {self.pad_token_id}")


class Model(bert.Model):
    prefix = "roberta."
    first_position = 2
