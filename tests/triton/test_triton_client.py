"""The stock Triton client, unchanged, against a running Flueman: synchronous and asynchronous, JSON and binary."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.http.aio.auth import BasicAuth as AsyncBasicAuth
from tritonclient.utils import InferenceServerException

from tests.triton.conftest import Site
from tests.triton.datatypes import NAMES, values

ROWS = np.array([[1, 2, 3, 4], [0, 0, 0, 1]], dtype=np.float32)
SUMS = [[10, 20], [1, 2]]
TEXTS = np.array(["안녕".encode(), "잘가 😀".encode()], dtype=np.object_)


def an_input(name: str, datatype: str, data: np.ndarray, *, binary: bool = True) -> triton.InferInput:
    tensor = triton.InferInput(name, list(data.shape), datatype)
    tensor.set_data_from_numpy(data, binary_data=binary)
    return tensor


def rows(*, binary: bool = True) -> list[triton.InferInput]:
    return [an_input("x", "FP32", ROWS, binary=binary)]


def refusal(call: Any, *arguments: Any, **options: Any) -> InferenceServerException:
    with pytest.raises(InferenceServerException) as caught:
        call(*arguments, **options)
    return caught.value


def test_health_and_metadata_when_asked_then_told(site: Site) -> None:
    client = site.client()
    assert client.is_server_live(query_params={"test_1": 1})
    assert client.is_server_ready()
    assert client.is_model_ready("small")
    assert client.is_model_ready("small", "1")
    server = client.get_server_metadata()
    assert server["name"] == "flueman"
    assert {"binary_tensor_data", "model_repository", "statistics", "classification"} <= set(server["extensions"])
    assert client.get_model_metadata("small", "1")["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]
    config = client.get_model_config("words")
    assert (config["name"], config["max_batch_size"], config["input"][0]["data_type"]) == ("words", 1024, "TYPE_STRING")
    assert config["output"][2] == {"name": "scores", "data_type": "TYPE_FP32", "dims": [2], "label_filename": ""}


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("packed_in", [None, "gzip", "deflate"])
@pytest.mark.parametrize("packed_out", [None, "gzip", "deflate"])
def test_infer_in_each_form_then_the_same_answer(
    site: Site, binary_in: bool, binary_out: bool, packed_in: str | None, packed_out: str | None
) -> None:
    answer = site.client().infer(
        "small",
        rows(binary=binary_in),
        outputs=[triton.InferRequestedOutput("y", binary_data=binary_out)],
        request_id="mine",
        request_compression_algorithm=packed_in,
        response_compression_algorithm=packed_out,
    )
    assert answer.as_numpy("y").tolist() == SUMS
    assert ("data" in answer.get_output("y")) != binary_out
    assert (answer.get_response()["id"], answer.get_response()["model_name"]) == ("mine", "small")


def test_infer_when_no_output_is_named_then_all_as_bytes(site: Site) -> None:
    answer = site.client().infer("small", rows(), model_version="1", parameters={"mine": 7}, timeout=1_000_000)
    assert answer.as_numpy("y").tolist() == SUMS
    assert "data" not in answer.get_output("y")


@pytest.mark.parametrize("binary", [True, False])
def test_infer_when_texts_then_labels(site: Site, binary: bool) -> None:
    outputs = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("label", "score", "scores")]
    answer = site.client().infer("words", [an_input("text", "BYTES", TEXTS, binary=binary)], outputs=outputs)
    labels = [str(label.decode() if isinstance(label, bytes) else label) for label in answer.as_numpy("label")]
    assert set(labels) <= {"greeting", "goodbye"}
    assert answer.as_numpy("score") == pytest.approx(answer.as_numpy("scores").max(axis=1))


@pytest.mark.parametrize("binary", [True, False])
def test_infer_when_every_datatype_then_each_number_comes_back(site: Site, binary: bool) -> None:
    inputs = [an_input(f"in_{name}", name, values(name), binary=binary or name == "BF16") for name in NAMES]
    outputs = [triton.InferRequestedOutput(f"out_{name}", binary_data=binary or name == "BF16") for name in NAMES]
    answer = site.client().infer("echo", inputs, outputs=outputs)
    for name in NAMES:
        got = answer.as_numpy(f"out_{name}")
        assert got.dtype == values(name).dtype
        assert (got == values(name)).all(), name


def test_infer_when_bf16_should_be_json_then_refused_with_the_reason(site: Site) -> None:
    inputs = [an_input(f"in_{name}", name, values(name)) for name in NAMES]
    outputs = [triton.InferRequestedOutput("out_BF16", binary_data=False)]
    assert "JSON has no BF16" in refusal(site.client().infer, "echo", inputs, outputs=outputs).message()


@pytest.mark.parametrize("binary", [True, False])
def test_infer_when_classes_are_asked_for_then_the_best_with_their_labels(site: Site, binary: bool) -> None:
    wanted = [triton.InferRequestedOutput("scores", binary_data=binary, class_count=2)]
    answer = site.client().infer("words", [an_input("text", "BYTES", TEXTS)], outputs=wanted)
    assert answer.as_numpy("scores").shape == (2, 2)
    first, second = (str(text.decode() if binary else text).split(":") for text in answer.as_numpy("scores")[0])
    assert float(first[0]) >= float(second[0])
    assert {tuple(first[1:]), tuple(second[1:])} == {("0", "greeting"), ("1", "goodbye")}
    numbers = site.client().infer(
        "small", rows(), outputs=[triton.InferRequestedOutput("y", binary_data=False, class_count=1)]
    )
    assert numbers.as_numpy("y").tolist() == [["20.000000:1"], ["2.000000:1"]]
    no_scores = [triton.InferRequestedOutput("label", class_count=1)]
    told = refusal(site.client().infer, "words", [an_input("text", "BYTES", TEXTS)], outputs=no_scores)
    assert "cannot be classified" in told.message()


def test_async_infer_when_many_at_once_then_each_its_own(site: Site) -> None:
    client = triton.InferenceServerClient(site.url, concurrency=8)
    client.register_plugin(site.client().plugin())
    sent = [client.async_infer("small", [an_input("x", "FP32", ROWS * number)]) for number in range(16)]
    for number, call in enumerate(sent):
        assert call.get_result().as_numpy("y").tolist() == (np.array(SUMS) * number).tolist()


def test_statistics_when_calls_were_served_then_counted(site: Site) -> None:
    client = site.client()
    before = client.get_inference_statistics("small")["model_stats"][0]
    asyncio.run(asyncio.sleep(1.0))  # figures are shared for a second
    for _ in range(3):
        client.infer("small", rows())
    refusal(client.infer, "small", [an_input("x", "FP32", ROWS[:, :2])])
    asyncio.run(asyncio.sleep(1.1))
    after = client.get_inference_statistics("small", "1")["model_stats"][0]
    assert after["inference_count"] - before["inference_count"] == 6
    assert after["execution_count"] - before["execution_count"] == 3
    stats, old = after["inference_stats"], before["inference_stats"]
    assert stats["success"]["count"] - old["success"]["count"] == 3
    assert stats["fail"]["count"] - old["fail"]["count"] == 1
    assert stats["success"]["ns"] >= stats["queue"]["ns"] + stats["compute_infer"]["ns"] > 0
    assert {entry["batch_size"] for entry in after["batch_stats"]} >= {2}
    assert after["last_inference"] > 1_700_000_000_000
    assert {entry["name"] for entry in client.get_inference_statistics()["model_stats"]} == {"small", "words", "echo"}
    narrow = site.client(site.narrow_key)
    assert {entry["name"] for entry in narrow.get_inference_statistics()["model_stats"]} == {"words"}


def test_repository_when_unloaded_and_loaded_then_out_of_service_and_back(site: Site) -> None:
    client, ruler = site.client(), site.client(site.operator_key)
    index = {line["name"]: line for line in client.get_model_repository_index()}
    assert index["small"] == {"name": "small", "version": "1", "state": "READY", "reason": ""}
    assert [line["name"] for line in site.client(site.narrow_key).get_model_repository_index()] == ["words"]
    assert refusal(client.unload_model, "small").status() == "403"
    ruler.unload_model("small", unload_dependents=True)
    ruler.unload_model("small")
    assert not client.is_model_ready("small")
    assert refusal(client.infer, "small", rows()).status() == "503"
    index = {line["name"]: line["state"] for line in client.get_model_repository_index()}
    assert index["small"] == "UNAVAILABLE"
    ruler.load_model("small")
    ruler.load_model("small")
    assert client.infer("small", rows()).as_numpy("y").tolist() == SUMS
    assert "registry" in refusal(ruler.load_model, "small", config="{}").message()
    assert "registry" in refusal(ruler.load_model, "small", config="{}", files={"file:1/a": b"x"}).message()
    assert refusal(ruler.load_model, "nothing").status() == "404"


def test_extensions_when_not_here_then_400_that_names_them(site: Site) -> None:
    client = site.client()
    for call, arguments, name in (
        (client.get_trace_settings, (), "trace"),
        (client.get_trace_settings, ("small",), "trace"),
        (client.update_trace_settings, ("small", {}), "trace"),
        (client.get_log_settings, (), "logging"),
        (client.update_log_settings, ({},), "logging"),
        (client.get_system_shared_memory_status, (), "system_shared_memory"),
        (client.get_system_shared_memory_status, ("r",), "system_shared_memory"),
        (client.register_system_shared_memory, ("r", "/k", 8), "system_shared_memory"),
        (client.unregister_system_shared_memory, (), "system_shared_memory"),
        (client.get_cuda_shared_memory_status, (), "cuda_shared_memory"),
        (client.register_cuda_shared_memory, ("r", b"handle", 0, 8), "cuda_shared_memory"),
        (client.unregister_cuda_shared_memory, ("r",), "cuda_shared_memory"),
    ):
        told = refusal(call, *arguments)
        assert (told.status(), name in told.message()) == ("400", True), (call, told.message())
    tensor = triton.InferInput("x", [2, 4], "FP32")
    tensor.set_shared_memory("r", 32)
    assert "shared memory" in refusal(client.infer, "small", [tensor]).message()


def test_errors_when_something_is_wrong_then_the_protocols_own_shape(site: Site) -> None:
    client = site.client()
    assert refusal(client.infer, "nothing", rows()).status() == "404"
    assert refusal(client.infer, "small", rows(), model_version="9").status() == "404"
    assert refusal(client.get_model_metadata, "nothing").status() == "404"
    assert refusal(site.client("flm_local_none_x").infer, "small", rows()).status() == "401"
    assert refusal(site.client(site.narrow_key).infer, "small", rows()).status() == "403"
    told = refusal(client.infer, "small", [an_input("x", "FP64", ROWS.astype(np.float64))])
    assert (told.status(), "x: datatype is FP64" in told.message()) == ("400", True)
    infinite = np.full((1, 4), np.inf, dtype=np.float32)
    assert "not finite" in refusal(client.infer, "small", [an_input("x", "FP32", infinite)]).message()


def test_asynchronous_client_when_used_then_the_same(site: Site) -> None:
    async def use() -> None:
        async with triton_aio.InferenceServerClient(site.url) as client:
            client.register_plugin(AsyncBasicAuth("key", site.key))
            assert await client.is_server_live()
            assert await client.is_server_ready()
            assert (await client.get_server_metadata())["name"] == "flueman"
            assert (await client.get_model_metadata("words"))["name"] == "words"
            assert (await client.get_model_config("words"))["name"] == "words"
            assert len(await client.get_model_repository_index()) == 3
            assert (await client.get_inference_statistics("small"))["model_stats"]
            for packed in (None, "gzip", "deflate"):
                for binary in (True, False):
                    tensor = triton_aio.InferInput("x", [2, 4], "FP32")
                    tensor.set_data_from_numpy(ROWS, binary_data=binary)
                    answer = await client.infer(
                        "small",
                        [tensor],
                        outputs=[triton_aio.InferRequestedOutput("y", binary_data=binary)],
                        request_compression_algorithm=packed,
                        response_compression_algorithm=packed,
                    )
                    assert answer.as_numpy("y").tolist() == SUMS
            with pytest.raises(InferenceServerException):
                await client.infer("nothing", [tensor])

    asyncio.run(use())
