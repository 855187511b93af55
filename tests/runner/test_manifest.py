"""A manifest is refused by the field that is wrong."""

import os

import pytest
import torch

from common.errors import Invalid
from registry.manifest import is_program, read_manifest
from tests.runner.making import make_folder, make_manifest, make_weights


def refusal(folder):
    """Give field and message of a refusal."""
    with pytest.raises(Invalid) as refused:
        read_manifest(folder)
    return next(iter(refused.value.fields), ""), refused.value.message


def test_read_manifest_when_all_is_well_gives_it(tmp_path):
    folder = make_folder(tmp_path / "m", limits={"max_batch": 16}, sample={"x": [[1, 2, 3, 4]]})
    manifest = read_manifest(folder)
    assert manifest.format == "safetensors"
    assert manifest.arguments["sizes"] == (4, 2)
    assert manifest.limits == {"max_batch": 16}
    assert manifest.signature.inputs[0].name == "x"
    assert not is_program(manifest.format)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"format": None}, "format"),
        ({"format": "pickle"}, "format"),
        ({"task": None}, "task"),
        ({"task": ["tensor"]}, "task"),
        ({"architecture": None}, "architecture"),
        ({"architecture": "os.system"}, "architecture"),
        ({"arguments": {"sizes": [4, 1 << 30]}}, "arguments.sizes"),
        ({"arguments": {"sizes": [1 << 20, 1 << 20]}}, "arguments"),
        ({"arguments": {"sizes": [4, 2], "depth": 1}}, "arguments.depth"),
        ({"signature": None}, "signature"),
        ({"signature": {"inputs": [], "outputs": []}}, "signature.inputs"),
        ({"weights": None}, "weights"),
        ({"weights": "other.safetensors"}, "weights"),
        ({"weights": "../../etc/passwd"}, "weights"),
        ({"weights": "/etc/passwd"}, "weights"),
        ({"weights": "./model.safetensors"}, "weights"),
        ({"weights": 3}, "weights"),
        ({"task": "text-classification"}, "tokeniser"),
        ({"limits": {"max_batch": 0}}, "limits.max_batch"),
        ({"limits": {"threads": 9}}, "limits"),
        ({"sample": {"z": [1]}}, "sample"),
        ({"sample": {"x": [[1, 2]]}}, "sample.x"),
        ({"sample": {"x": [[1, 2, 3, "4"]]}}, "sample.x"),
        ({"tokenizer": "tokenizer.json"}, "tokenizer"),
    ],
)
def test_read_manifest_when_a_field_is_wrong_names_it(tmp_path, changes, field):
    assert refusal(make_folder(tmp_path / "m", **changes))[0] == field


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not JSON"),
        ('{"format": "safetensors", "format": "torchscript"}', "stands twice"),
        ('{"metrics": NaN}', "not a JSON number"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "must be an object"),
        ("", "is not JSON"),
    ],
)
def test_read_manifest_when_it_is_no_good_json_says_so(tmp_path, text, words):
    folder = make_folder(tmp_path / "m")
    (folder / "flueman.json").write_text(text)
    field, message = refusal(folder)
    assert field == "flueman.json"
    assert words in message


def test_read_manifest_when_it_is_not_utf8_or_too_large_says_so(tmp_path):
    folder = make_folder(tmp_path / "m")
    (folder / "flueman.json").write_bytes(b"\xff\xfe{}")
    assert refusal(folder)[0] == "flueman.json"
    (folder / "flueman.json").write_bytes(b" " * (1 << 21))
    assert "bytes" in refusal(folder)[1]
    (folder / "flueman.json").unlink()
    assert refusal(folder) == ("flueman.json", "flueman.json: is missing")


def test_read_manifest_when_the_weights_are_not_what_it_says_names_the_file(tmp_path):
    folder = make_folder(tmp_path / "m")
    torch.save(make_weights(), folder / "model.safetensors")
    assert refusal(folder)[1] == "model.safetensors: is state_dict by its content, the manifest says safetensors"


def test_read_manifest_when_a_module_hides_under_a_harmless_name_refuses_it(tmp_path):
    folder = make_folder(tmp_path / "m")
    torch.save(torch.nn.Linear(1, 1), folder / "README.md")
    field, message = refusal(folder)
    assert field == "README.md"
    assert "runs code" in message


def test_read_manifest_when_a_program_lies_beside_the_weights_refuses_it(tmp_path):
    folder = make_folder(tmp_path / "m")
    torch.jit.script(torch.nn.Linear(1, 1)).save(str(folder / "extra.bin"))
    assert refusal(folder)[0] == "extra.bin"


def test_read_manifest_when_the_folder_holds_a_link_or_a_pipe_refuses_it(tmp_path):
    folder = make_folder(tmp_path / "link")
    (folder / "passwd").symlink_to("/etc/passwd")
    assert refusal(folder)[0] == "passwd"
    folder = make_folder(tmp_path / "pipe")
    os.mkfifo(folder / "pipe")
    assert refusal(folder)[0] == "pipe"


def test_read_manifest_when_the_format_is_a_program_needs_no_architecture(tmp_path):
    folder = make_folder(tmp_path / "m")
    torch.jit.script(torch.nn.Linear(4, 2)).save(str(folder / "model.pt"))
    (folder / "model.safetensors").unlink()
    make_manifest(folder, format="torchscript", architecture=None, arguments=None, weights="model.pt")
    manifest = read_manifest(folder)
    assert manifest.architecture is None
    assert is_program(manifest.format)


def test_registry_modules_when_imported_bring_neither_torch_nor_django():
    import subprocess
    import sys

    script = (
        "import sys, registry.manifest, registry.formats, registry.architectures\n"
        "assert not {'torch', 'django', 'safetensors'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
