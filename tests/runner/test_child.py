"""Real child processes: answers, batches, failures that stay where they belong."""

import signal
import struct
import time

import numpy as np
import pytest
import torch

from inference.runner.frames import ERROR, RESULT, Tensor, pack, pack_strings, unpack_strings
from tests.runner.making import (
    child,
    make_folder,
    make_program,
    make_text_folder,
    numbers_of,
    rows_of,
    wait_until_gone,
)


class Careful(torch.nn.Module):
    """Fails on a negative number, loops on 99, eats memory on 77, gives NaN on 55."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if bool((x < 0).any()):
            raise ValueError("negative")
        if bool((x == 99).any()):
            while True:
                x = x + 0
        if bool((x == 77).any()):
            hogs = [torch.ones(16 * 1024 * 1024) for _ in range(1000)]
            return hogs[-1]
        if bool((x == 55).any()):
            return x[:, :2] / 0 * 0
        return x[:, :2]


@pytest.fixture(scope="module")
def careful(tmp_path_factory):
    return make_program(tmp_path_factory.mktemp("models") / "careful", Careful())


def test_child_when_asked_for_numbers_gives_them(tmp_path):
    with child(make_folder(tmp_path / "m")) as model:
        assert model.report["ready"] is True
        assert model.report["memory_bytes"] > 1_000_000
        frame = model.ask(rows_of([1, 2, 3, 4], [0, 0, 0, 1]))
    assert numbers_of(frame) == [[10, 20], [1, 2]]
    assert frame.b > 0


def test_child_when_asked_for_texts_gives_labels(tmp_path):
    with child(make_text_folder(tmp_path / "t")) as model:
        frame = model.ask(Tensor("BYTES", (2,), pack_strings(["안녕".encode(), b""])))
    label, score = frame.tensors
    assert set(unpack_strings(label.payload)) <= {b"greeting", b"goodbye"}
    assert ((np.frombuffer(score.payload, "<f4") >= 0.5) & (np.frombuffer(score.payload, "<f4") <= 1)).all()


def test_child_when_frames_wait_together_runs_one_batch_and_gives_each_its_rows(tmp_path):
    with child(make_folder(tmp_path / "m")) as model:
        model.send(*((n, [rows_of([n, 0, 0, 0])]) for n in range(1, 41)))
        answers = model.receive(40)
    assert [numbers_of(answers[n]) for n in range(1, 41)] == [[[n, 2 * n]] for n in range(1, 41)]
    assert len({answers[n].b for n in range(1, 41)}) <= 3  # one time in the model for all who ran together


def test_child_when_a_frame_is_larger_than_a_batch_runs_it_in_parts(tmp_path):
    rows = [[n, 0, 0, 0] for n in range(25)]
    with child(make_folder(tmp_path / "m"), "--max-batch", "8") as model:
        assert numbers_of(model.ask(rows_of(*rows))) == [[n, 2 * n] for n in range(25)]


def test_child_when_one_frame_of_a_batch_fails_answers_the_others(careful):
    with child(careful, "--trusted") as model:
        model.send((1, [rows_of([1, 1, 0, 0])]), (2, [rows_of([-1, 0, 0, 0])]), (3, [rows_of([3, 3, 0, 0])]))
        answers = model.receive(3)
        assert numbers_of(answers[1]) == [[1, 1]]
        assert numbers_of(answers[3]) == [[3, 3]]
        assert answers[2].kind == ERROR
        code, _, message = answers[2].text.partition("\n")
        assert code == "model_failed"
        assert "Traceback" not in message
        model.process.send_signal(signal.SIGTERM)
        model.process.wait(10)
        assert "negative" in model.log()


def test_child_when_the_model_gives_nan_fails_that_frame_alone(careful):
    with child(careful, "--trusted") as model:
        model.send((1, [rows_of([55, 0, 0, 0])]), (2, [rows_of([2, 2, 0, 0])]))
        answers = model.receive(2)
    assert answers[1].text.startswith("model_failed\n")
    assert "not finite" in answers[1].text
    assert numbers_of(answers[2]) == [[2, 2]]


def test_child_when_a_batch_runs_past_its_deadline_is_ended(careful):
    with child(careful, "--trusted", "--batch-deadline-s", "0.5") as model:
        model.send((1, [rows_of([99, 0, 0, 0])]))
        with pytest.raises((ConnectionError, TimeoutError)):
            model.receive()
        assert model.process.wait(5) == -signal.SIGALRM


def test_child_when_the_model_eats_memory_fails_alone_and_others_serve(careful, tmp_path):
    with (
        child(careful, "--trusted", "--memory-bytes", str(2 * 1024**3)) as hog,
        child(make_folder(tmp_path / "m")) as other,
    ):
        try:
            hog.send((1, [rows_of([77, 0, 0, 0])]))
            assert hog.receive()[1].kind == ERROR
            assert numbers_of(hog.ask(rows_of([1, 1, 0, 0]))) == [[1, 1]]
        except ConnectionError:
            hog.process.wait(5)
        assert numbers_of(other.ask(rows_of([1, 0, 0, 0]))) == [[1, 2]]


def test_child_when_the_callers_time_has_passed_answers_without_running(tmp_path):
    class Slow(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            total = torch.zeros(600, 600)
            for _ in range(60):
                total = torch.mm(total, total)
            return x[:, :2] + total[0, 0]

    with child(make_program(tmp_path / "slow", Slow()), "--trusted", "--max-batch", "1") as model:
        model.send(*((n, [rows_of([n, 0, 0, 0])]) for n in range(1, 9)), wait_ms=1)
        answers = model.receive(8)
    late = [n for n in answers if answers[n].text.startswith("deadline_exceeded\n")]
    assert late
    assert answers[1].kind == RESULT


def test_child_when_its_queue_is_full_says_so(tmp_path):
    with child(make_folder(tmp_path / "m"), "--queue-rows", "4") as model:
        model.send(*((n, [rows_of([n, 0, 0, 0], [n, 0, 0, 0])]) for n in range(1, 6)))
        answers = model.receive(5)
        assert [n for n in answers if answers[n].text.startswith("queue_full\n")] == [3, 4, 5]
        assert numbers_of(answers[1]) == [[1, 2], [1, 2]]
        assert numbers_of(model.ask(rows_of(*[[1, 0, 0, 0]] * 9))) == [[1, 2]] * 9  # a lone one always fits


@pytest.mark.parametrize(
    "tensors",
    [
        [],
        [rows_of([1, 2, 3])],
        [Tensor("FP64", (1, 4), bytes(32))],
        [Tensor("FP32", (1, 4), bytes(12))],
        [Tensor("FP32", (0, 4), b"")],
        [rows_of([1, 2, 3, 4]), rows_of([1, 2, 3, 4])],
    ],
)
def test_child_when_a_frame_does_not_fit_the_signature_refuses_it(tmp_path, tensors):
    with child(make_folder(tmp_path / "m")) as model:
        assert model.ask(*tensors).text.startswith("invalid\n")
        assert numbers_of(model.ask(rows_of([1, 0, 0, 0]))) == [[1, 2]]


def test_child_when_it_gets_bytes_that_are_no_frame_ends_that_connection_only(tmp_path):
    with child(make_folder(tmp_path / "m")) as model:
        model.connection.sendall(b"\xff" * 64)
        assert model.receive()[0].text.startswith("bad_frame\n")
        with pytest.raises(ConnectionError):
            model.receive()
        model.connection.close()
        model.connect()
        assert numbers_of(model.ask(rows_of([1, 0, 0, 0]))) == [[1, 2]]


def test_child_when_the_signature_is_not_batched_runs_one_frame_at_a_time(tmp_path):
    class Total(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.sum().reshape(1)

    signature = {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": [{"name": "total", "datatype": "FP32", "shape": [1]}],
    }
    with child(make_program(tmp_path / "total", Total(), signature=signature), "--trusted") as model:
        model.send((1, [rows_of([1, 2, 3, 4])]), (2, [rows_of([1, 1, 1, 1], [1, 1, 1, 1])]))
        answers = model.receive(2)
    assert [numbers_of(answers[n]) for n in (1, 2)] == [[10], [8]]


def test_child_when_it_mixes_rows_fails_and_says_how_many_it_gave(tmp_path):
    class Merge(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:1, :2]

    with child(make_program(tmp_path / "merge", Merge()), "--trusted") as model:
        frame = model.ask(rows_of([1, 2, 3, 4], [1, 2, 3, 4]))
    assert "1 rows for 2 rows" in frame.text


def test_child_when_told_to_stop_finishes_what_waits(tmp_path):
    with child(make_folder(tmp_path / "m"), "--max-batch", "1") as model:
        model.send(*((n, [rows_of([n, 0, 0, 0])]) for n in range(1, 201)))
        model.process.send_signal(signal.SIGTERM)
        answers = model.receive(201)
        assert all(answers[n].kind == RESULT for n in range(1, 201))
        assert answers[0].text.startswith("closing")
        assert model.process.wait(10) == 0


def test_child_when_the_host_is_killed_ends_too(tmp_path):
    import subprocess
    import sys

    folder = make_folder(tmp_path / "m")
    script = (
        "import subprocess, time; from common import sandbox\n"
        f"p = subprocess.Popen(sandbox.command('inference.runner.child', '--folder', {str(folder)!r}, '--socket', "
        f"{str(tmp_path / 's')!r}), env=sandbox.environment(threads=1), stdout=subprocess.PIPE)\n"
        "p.stdout.readline(); print(p.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as host:
        assert host.stdout is not None
        pid = int(host.stdout.readline())
        host.kill()
        assert wait_until_gone(pid)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"arguments": {"sizes": [4, 3, 2]}}, "weights: lacks `2.bias`, `2.weight`"),
        ({"arguments": {"sizes": [4, 3]}}, "`0.weight` has shape [2, 4], the architecture says [3, 4]"),
    ],
)
def test_child_when_weights_do_not_fit_says_which(tmp_path, changes, sentence):
    with child(make_folder(tmp_path / "m", **changes)) as model:
        assert sentence in model.report["error"]["message"]
        assert model.process.wait(10) == 1


def test_child_when_a_program_is_not_trusted_does_not_load_it(careful):
    with child(careful) as model:
        assert model.report["error"]["code"] == "not_trusted"


def test_child_when_a_peer_goes_away_with_calls_waiting_serves_the_next(tmp_path):
    with child(make_folder(tmp_path / "m"), "--max-batch", "1") as model:
        model.send(*((n, [rows_of([n, 0, 0, 0])]) for n in range(1, 500)))
        model.connection.setsockopt(1, 13, struct.pack("ii", 1, 0))
        model.connection.close()
        model.connect()
        assert numbers_of(model.ask(rows_of([5, 0, 0, 0]))) == [[5, 10]]


def test_child_when_frames_arrive_in_pieces_reads_them(tmp_path):
    with child(make_folder(tmp_path / "m")) as model:
        data = b"".join(bytes(piece) for piece in pack(id=1, kind=1, tensors=[rows_of([1, 0, 0, 0])]))
        for part in (data[:3], data[3:20], data[20:]):
            model.connection.sendall(part)
            time.sleep(0.02)
        assert numbers_of(model.receive()[1]) == [[1, 2]]


def test_child_when_an_exported_program_is_trusted_serves_it(tmp_path):
    rows = torch.export.Dim("rows")
    program = torch.export.export(torch.nn.Linear(4, 2), (torch.zeros(3, 4),), dynamic_shapes=({0: rows},))
    folder = make_folder(
        tmp_path / "m", format="exported_program", architecture=None, arguments=None, weights="model.pt2"
    )
    torch.export.save(program, folder / "model.pt2")
    with child(folder, "--trusted") as model:
        assert len(numbers_of(model.ask(rows_of([1, 2, 3, 4], [0, 0, 0, 0])))) == 2
