"""In which order the parameters of a model stand, where its file does not keep that: safetensors sorts them by name.

An optimizer counts parameters in the order in which the model's modules were made, and that is in the code of their
classes. The orders here are those of classes of transformers 5.23, torch and PEFT, by the names of the modules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice, product

CHILDREN = """
transformer lm_head | transformer score | transformer classifier | transformer qa_outputs | transformer classification_head
model lm_head | model score | model qa_outputs | model classification_head | model proj_out | model head classifier
model head decoder | bert cls | bert classifier | bert qa_outputs | roberta lm_head | roberta classifier
roberta qa_outputs | lm_head roberta | classifier roberta | qa_outputs roberta | distilbert pre_classifier classifier
distilbert vocab_transform vocab_layer_norm vocab_projector | distilbert classifier | distilbert qa_outputs
albert classifier | albert predictions | albert qa_outputs | electra generator_predictions generator_lm_head
electra classifier | electra qa_outputs | deberta pooler classifier | deberta cls | deberta classifier
deberta qa_outputs | vit classifier | gpt_neox lm_head | gpt_neox score | gpt_neox classifier | gpt_neox qa_outputs
gpt_neox embed_out | attention output
attention intermediate output layernorm_before layernorm_after | embeddings encoder layernorm pooler
attention layernorm_before layernorm_after intermediate output
wte wpe h ln_f | wte h ln_f | ln_1 attn ln_2 mlp | ln_1 attn mlp | c_attn c_proj | c_fc c_proj | fc_in fc_out
qkv_proj out_proj | embed_in layers final_layer_norm | input_layernorm post_attention_layernorm attention mlp
query_key_value dense | dense_h_to_4h dense_4h_to_h | word_embeddings word_embeddings_layernorm h ln_f
word_embeddings h ln_f | input_layernorm self_attention post_attention_layernorm mlp
self_attention mlp input_layernorm | embed_tokens embed_positions final_layer_norm layers
self_attn self_attn_layer_norm fc1 fc2 final_layer_norm | k_proj v_proj q_proj out_proj
embed_tokens layers norm | embed_tokens layers final_layernorm | embed_tokens layers
self_attn mlp input_layernorm post_attention_layernorm | self_attn mlp input_layernorm | self_attn mlp
self_attn mlp input_layernorm post_attention_layernorm pre_feedforward_layernorm post_feedforward_layernorm
self_attn mlp post_attention_layernorm post_feedforward_layernorm | q_proj k_proj v_proj o_proj q_norm k_norm
q_proj k_proj v_proj dense | gate_proj up_proj down_proj | o_proj qkv_proj | gate_up_proj down_proj
gate experts | experts gate | gate experts shared_expert shared_expert_gate | fc1 fc2
embeddings encoder pooler | word_embeddings position_embeddings token_type_embeddings LayerNorm
word_embeddings token_type_embeddings LayerNorm position_embeddings | word_embeddings position_embeddings LayerNorm
attention intermediate output | self output | query key value | dense LayerNorm | transform decoder
dense layer_norm decoder | dense out_proj | embeddings transformer | attention sa_layer_norm ffn output_layer_norm
q_lin k_lin v_lin out_lin | lin1 lin2 | embedding_hidden_mapping_in albert_layer_groups
full_layer_layer_norm attention ffn ffn_output | query key value dense LayerNorm | query_proj key_proj value_proj
shared encoder decoder lm_head | shared encoder decoder qa_outputs | embed_tokens block final_layer_norm
SelfAttention layer_norm | DenseReluDense layer_norm | EncDecAttention layer_norm | q k v o relative_attention_bias
wi wo | wi_0 wi_1 wo | embed_tokens embed_positions layers layernorm_embedding layer_norm
self_attn self_attn_layer_norm encoder_attn encoder_attn_layer_norm fc1 fc2 final_layer_norm
embed_tokens embed_positions layers layer_norm | embeddings layers layernorm pooler
attention layernorm_before layernorm_after mlp | embeddings encoder final_layer_norm
token_embedding position_embedding | self_attn layer_norm1 mlp layer_norm2
embeddings pre_layrnorm encoder post_layernorm | patch_embedding position_embedding | encoder decoder
conv1 conv2 embed_positions layers layer_norm | embeddings layers final_norm | tok_embeddings norm
attn_norm attn mlp_norm mlp | attn mlp_norm mlp | Wqkv Wo | Wi Wo | dense norm | wte blocks norm_f
norm_1 attn norm_2 ffn | Wqkv out_proj | up_proj down_proj | lora_A lora_B | base_layer lora_A lora_B
"""

WITHIN = {
    "generator_predictions": "LayerNorm dense",
    "predictions": "LayerNorm dense decoder",
}
"""The order of what is in a module of this name, where elsewhere the same names come in another one."""

OWN = """
weight bias | cls_token position_embeddings distillation_token | gate_up_proj down_proj
weight_ih_l0 weight_hh_l0 bias_ih_l0 bias_hh_l0 | in_proj_weight in_proj_bias | weight_g weight_v bias
"""

MOST = 16
"""Orders of a whole model that are tried."""

Order = tuple[str, ...]


def _orders(text: str) -> tuple[Order, ...]:
    return tuple(tuple(words.split()) for line in text.strip().splitlines() for words in line.split("|"))


def orders(names: Iterable[str]) -> Iterator[list[str]]:
    """Each order that parameters of these dotted names may have; none if a module of the model is not known."""
    parts = [name.split(".") for name in names]
    children: dict[str, dict[str, None]] = {}
    own: dict[str, dict[str, None]] = {}
    for part in parts:
        for depth in range(len(part)):
            table = own if depth == len(part) - 1 else children
            table.setdefault(".".join(part[:depth]), {})[part[depth]] = None
    # Modules that hold the same names are of one class, and so of one order.
    choices: dict[tuple[frozenset[str], str], tuple[Order, ...]] = {}
    for table, known in ((children, CHILDREN), (own, OWN)):
        for place, labels in table.items():
            key = _key(place, labels, known)
            if key not in choices:
                choices[key] = _fitting(key, known)
    for chosen in islice(product(*choices.values()), MOST):
        order = dict(zip(choices, chosen, strict=True))
        ranks = {
            id(table): {
                place: {label: rank for rank, label in enumerate(order[_key(place, labels, known)])}
                for place, labels in table.items()
            }
            for table, known in ((children, CHILDREN), (own, OWN))
        }
        yield [".".join(part) for part in sorted(parts, key=lambda part: _rank(part, ranks[id(children)], ranks[id(own)]))]


def _key(place: str, labels: Iterable[str], known: str) -> tuple[frozenset[str], str]:
    """Which modules have the same order: those of the same names, and of a name of their own that matters."""
    last = place.rpartition(".")[2]
    return frozenset(labels), last if known is CHILDREN and last in WITHIN else ""


def _fitting(key: tuple[frozenset[str], str], known: str) -> tuple[Order, ...]:
    """The orders that some names may have: what has just these names comes before what has more."""
    labels, within = key
    if len(labels) == 1:
        return (tuple(labels),)
    if all(label.isascii() and label.isdecimal() for label in labels):
        return (tuple(sorted(labels, key=lambda label: (len(label.lstrip("0")), label.lstrip("0")))),)
    if within and labels == set(WITHIN[within].split()):
        return (tuple(WITHIN[within].split()),)
    candidates = [order for order in _orders(known) if labels <= set(order)]
    exact = [order for order in candidates if len(order) == len(labels)]
    return tuple(dict.fromkeys(tuple(label for label in order if label in labels) for order in exact or candidates))


def _rank(part: list[str], children: dict[str, dict[str, int]], own: dict[str, dict[str, int]]) -> list[tuple[int, int]]:
    """What sorts names in an order: a module's own parameters come before those of its modules."""
    last = len(part) - 1
    return [
        (1, children[".".join(part[:depth])][label]) if depth < last else (0, own[".".join(part[:depth])][label])
        for depth, label in enumerate(part)
    ]
