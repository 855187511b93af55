"""The check of a folder: its steps, its sentences, its report."""

import pytest
import torch
from safetensors.torch import load_file

from tests.runner.making import (
    SIGNATURE,
    make_folder,
    make_manifest,
    make_program,
    make_text_folder,
    make_weights,
    run_check,
)


def failure(lines):
    """Give step and sentence of the one that failed."""
    failed = [line for line in lines if line.get("state") == "failed"]
    assert len(failed) == 1
    return failed[0]["step"], failed[0]["message"]


def test_check_when_all_is_well_passes_every_step_and_reports_figures(tmp_path):
    folder = make_folder(tmp_path / "m", limits={"max_batch": 8}, sample={"x": [[1, 2, 3, 4]]})
    lines, report = run_check(folder, tmp_path / "out")
    steps = ["open", "load", "convert", "signature", "sample", "batch", "measure"]
    assert [(line["step"], line["state"]) for line in lines] == [
        (step, state) for step in steps for state in ("running", "passed")
    ]
    assert report["ok"] is True
    assert report["sample"] == {"inputs": {"x": [1, 2, 3, 4]}, "outputs": {"y": [10, 20]}}
    assert set(report["latency_ms"]) == {"1", "8"}
    assert report["memory_bytes"] > 1_000_000


def test_check_when_given_texts_passes(tmp_path):
    _, report = run_check(make_text_folder(tmp_path / "t"), tmp_path / "out")
    assert report["ok"] is True, report
    assert report["sample"]["outputs"]["label"][0] in ("greeting", "goodbye")


def test_check_when_given_a_state_dict_writes_safetensors(tmp_path):
    folder = make_folder(tmp_path / "m", format="state_dict", weights="model.pt")
    (folder / "model.safetensors").unlink()
    torch.save(make_weights(), folder / "model.pt")
    _, report = run_check(folder, tmp_path / "out")
    assert report["ok"] is True, report
    assert load_file(tmp_path / "out")["0.weight"].tolist() == [[1] * 4, [2] * 4]
    (folder / "model.pt").unlink()
    (folder / "model.safetensors").write_bytes((tmp_path / "out").read_bytes())
    make_manifest(folder)
    assert run_check(folder, tmp_path / "again")[1]["ok"] is True


def test_check_when_weights_are_shared_still_converts(tmp_path):
    folder = make_folder(tmp_path / "m", format="state_dict", weights="model.pt", arguments={"sizes": [4, 4, 4]})
    (folder / "model.safetensors").unlink()
    shared = torch.ones(4, 4)
    torch.save(
        {"0.weight": shared, "2.weight": shared, "0.bias": torch.ones(4), "2.bias": shared[0]}, folder / "model.pt"
    )
    make_manifest(
        folder,
        format="state_dict",
        weights="model.pt",
        arguments={"sizes": [4, 4, 4]},
        signature={**SIGNATURE, "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 4]}]},
    )
    assert run_check(folder, tmp_path / "out")[1]["ok"] is True


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ({"datatype": "FP64"}, "output `y` is FP32, the signature says FP64"),
        ({"shape": [-1, 3]}, "output `y` has shape [1, 2], the signature says [-1, 3]"),
        ({"shape": [-1]}, "output `y` has shape [1, 2], the signature says [-1]"),
    ],
)
def test_check_when_an_output_is_not_as_signed_says_how(tmp_path, output, sentence):
    signature = {**SIGNATURE, "outputs": [{**SIGNATURE["outputs"][0], **output}]}
    lines, report = run_check(make_folder(tmp_path / "m", signature=signature), tmp_path / "out")
    assert failure(lines) == ("signature", sentence)
    assert report["ok"] is False


def test_check_when_a_weight_is_nan_says_which_output(tmp_path):
    folder = make_folder(tmp_path / "m")
    from safetensors.torch import save_file

    save_file({**make_weights(), "0.bias": torch.tensor([0.0, float("nan")])}, folder / "model.safetensors")
    lines, _ = run_check(folder, tmp_path / "out")
    assert failure(lines) == ("signature", "output `y` holds a number that is not finite")


def test_check_when_rows_mix_refuses(tmp_path):
    class Centred(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x - x.mean(0))[:, :2]

    lines, _ = run_check(make_program(tmp_path / "m", Centred()), tmp_path / "out", "--trusted")
    step, message = failure(lines)
    assert step == "batch"
    assert "changes when other rows run beside it" in message


def test_check_when_a_program_changes_its_input_in_place_then_it_passes(tmp_path):
    class InPlace(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x -= 1.0
            return x[:, :2]

    folder = make_program(tmp_path / "m", InPlace(), sample={"x": [[1, 2, 3, 4]]})
    _, report = run_check(folder, tmp_path / "out", "--trusted")
    assert report["ok"] is True, report
    assert report["sample"] == {"inputs": {"x": [1, 2, 3, 4]}, "outputs": {"y": [0, 1]}}


def test_check_when_a_program_is_not_trusted_refuses(tmp_path):
    class Same(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, :2]

    folder = make_program(tmp_path / "m", Same())
    step, message = failure(run_check(folder, tmp_path / "out")[0])
    assert step == "load"
    assert "trusted" in message
    assert run_check(folder, tmp_path / "out2", "--trusted")[1]["ok"] is True


def test_check_when_an_exported_program_is_trusted_passes(tmp_path):
    module = torch.nn.Linear(4, 2)
    rows = torch.export.Dim("rows")
    program = torch.export.export(module, (torch.zeros(3, 4),), dynamic_shapes=({0: rows},))
    folder = make_folder(
        tmp_path / "m", format="exported_program", architecture=None, arguments=None, weights="model.pt2"
    )
    (folder / "model.safetensors").unlink()
    torch.export.save(program, folder / "model.pt2")
    _, report = run_check(folder, tmp_path / "out", "--trusted")
    assert report["ok"] is True, report


def test_check_when_a_pickle_would_touch_a_file_refuses_and_runs_nothing(tmp_path):
    from tests.runner.test_formats import Touches

    folder = make_folder(tmp_path / "m", format="state_dict", weights="model.pt")
    (folder / "model.safetensors").unlink()
    torch.save({"0.weight": Touches(tmp_path / "touched")}, folder / "model.pt")
    step, message = failure(run_check(folder, tmp_path / "out")[0])
    assert step == "open"
    assert "runs code" in message
    assert not (tmp_path / "touched").exists()


def test_load_when_a_state_dict_holds_code_refuses_even_past_the_first_look(tmp_path):
    """`weights_only` holds where telling by content would have been fooled."""
    from common.errors import Invalid
    from inference.runner.loader import read_weights
    from registry.manifest import parse_manifest
    from tests.runner.test_formats import Touches

    manifest = parse_manifest(make_manifest(tmp_path, format="state_dict", weights="model.pt"), {"model.pt"})
    torch.save({"0.weight": Touches(tmp_path / "touched")}, tmp_path / "model.pt")
    with pytest.raises(Invalid, match="cannot be read as a state dict"):
        read_weights(tmp_path / "model.pt", manifest)
    assert not (tmp_path / "touched").exists()


def test_check_when_it_is_no_flat_state_dict_says_what_to_save(tmp_path):
    folder = make_folder(tmp_path / "m", format="state_dict", weights="model.pt")
    (folder / "model.safetensors").unlink()
    torch.save({"epoch": 3, "model": make_weights()}, folder / "model.pt")
    step, message = failure(run_check(folder, tmp_path / "out")[0])
    assert step == "load"
    assert "save model.state_dict()" in message


@pytest.mark.parametrize("wall", ["files", "system_calls"])
def test_load_when_a_wall_is_missing_runs_no_program_and_weights_all_the_same(tmp_path, wall):
    from common.errors import NotAllowed
    from inference.runner.loader import load
    from registry.manifest import read_manifest

    class Same(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, :2]

    program, weights = make_program(tmp_path / "p", Same()), make_folder(tmp_path / "w")
    with pytest.raises(NotAllowed, match=f"lacks: {wall}"):
        load(program, read_manifest(program), is_trusted=True, missing_walls=[wall])
    assert load(program, read_manifest(program), is_trusted=True, missing_walls=["network"])
    assert load(weights, read_manifest(weights), missing_walls=[wall])
