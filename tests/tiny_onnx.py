"""A text model of a few kilobytes, made on the spot: the vector of a word is its row of a table."""

from __future__ import annotations

import json
from pathlib import Path

WORDS = ["[PAD]", "[UNK]", "red", "green", "blue", "sea", "sky", "grass"]
TABLE = [
    [0, 0, 0, 0],
    [0, 0, 0, 1],
    [1, 0, 0, 0],
    [0, 1, 0, 0],
    [0, 0, 1, 0],
    [0, 0, 1, 1],
    [0, 0, 1, 0.5],
    [0, 1, 0, 0.5],
]
"""Each word's vector of four dimensions."""


def build(folder: Path, *, pooled: bool = False) -> Path:
    """Write the model's files. Its output is a vector for each token, or (``pooled``) their sum."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    texts = {
        "config.json": {"pad_token_id": 0, "hidden_size": 4},
        "tokenizer_config.json": {"model_max_length": 16, "pad_token": "[PAD]"},
        "special_tokens_map.json": {"pad_token": "[PAD]", "unk_token": "[UNK]"},
    }
    for name, content in texts.items():
        (folder / name).write_text(json.dumps(content))

    table = onnx.numpy_helper.from_array(np.array(TABLE, dtype=np.float32), "table")
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])]
    shape: list[str | int] = ["batch", "sequence", 4]
    output = "last_hidden_state"
    if pooled:
        axes = onnx.numpy_helper.from_array(np.array([1], dtype=np.int64), "axes")
        nodes.append(
            helper.make_node("ReduceSum", ["last_hidden_state", "axes"], ["sentence_embedding"], keepdims=0)
        )
        shape, output = ["batch", 4], "sentence_embedding"
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
            for name in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
        initializer=[table, axes] if pooled else [table],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(folder / "model.onnx"))
    return folder
