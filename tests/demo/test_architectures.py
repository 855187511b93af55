import pytest
import torch

from common.errors import Invalid
from inference.runner.architectures import build
from registry.architectures import ARCHITECTURES, NAMES, read_arguments

TEXT = {"outputs": 5}
EXAMPLES = {
    "mlp": {"sizes": [256, 512, 512, 16]},
    "ngram_bag": {"buckets": 997, "dim": 16, "ngrams": [1, 2, 3, 5], "hidden": 8, **TEXT},
    "text_cnn": {"vocabulary": 50, "dim": 8, "channels": 4, "widths": [2, 3], **TEXT},
    "transformer_encoder": {"dim": 16, "layers": 2, "heads": 2, "feedforward": 32, "vocabulary": 50, **TEXT},
}


@pytest.mark.parametrize("name", NAMES)
def test_build_when_arguments_are_good_then_parameters_are_as_counted(name):
    module = build(name, EXAMPLES[name])
    counted = ARCHITECTURES[name].parameters(read_arguments(name, EXAMPLES[name]))
    assert sum(parameter.numel() for parameter in module.parameters()) == counted


@pytest.mark.parametrize("name", ["ngram_bag", "text_cnn", "transformer_encoder"])
def test_text_module_when_row_is_padded_then_answer_is_the_same(name):
    module = build(name, EXAMPLES[name]).eval()
    ids = torch.randint(1, 50, (3, 9))
    padded = torch.cat([ids, torch.zeros(3, 6, dtype=torch.int64)], 1)
    with torch.inference_mode():
        assert torch.allclose(module(ids), module(padded), atol=1e-5)


@pytest.mark.parametrize("name", ["ngram_bag", "text_cnn", "transformer_encoder"])
def test_text_module_when_text_is_empty_then_answer_is_finite(name):
    with torch.inference_mode():
        answer = build(name, EXAMPLES[name]).eval()(torch.zeros(2, 1, dtype=torch.int64))
    assert answer.shape == (2, 5)
    assert answer.isfinite().all()


def test_transformer_when_it_has_no_vocabulary_then_it_takes_vectors():
    module = build("transformer_encoder", {"dim": 16, "layers": 1, "heads": 2, "feedforward": 32, "outputs": 3}).eval()
    assert module(torch.randn(4, 7, 16)).shape == (4, 3)


@pytest.mark.parametrize(
    ("name", "arguments", "field"),
    [
        ("no_such", {}, "architecture"),
        (["mlp"], {}, "architecture"),
        ("mlp", [], "arguments"),
        ("mlp", {}, "arguments.sizes"),
        ("mlp", {"sizes": [256]}, "arguments.sizes"),
        ("mlp", {"sizes": [256, 0]}, "arguments.sizes"),
        ("mlp", {"sizes": [256, True]}, "arguments.sizes"),
        ("mlp", {"sizes": "256"}, "arguments.sizes"),
        ("mlp", {"sizes": [256, 16], "activation": "exec"}, "arguments.activation"),
        ("mlp", {"sizes": [256, 16], "bias": True}, "arguments.bias"),
        ("mlp", {"sizes": [1 << 20, 1 << 20]}, "arguments"),
        ("ngram_bag", {**EXAMPLES["ngram_bag"], "buckets": 10**15}, "arguments.buckets"),
        ("ngram_bag", {**EXAMPLES["ngram_bag"], "buckets": 1 << 24, "dim": 4096}, "arguments"),
        ("transformer_encoder", {**EXAMPLES["transformer_encoder"], "heads": 3}, "arguments.heads"),
    ],
)
def test_build_when_arguments_are_bad_then_the_field_is_named(name, arguments, field):
    with pytest.raises(Invalid) as caught:
        build(name, arguments)
    assert list(caught.value.fields) == [field]
