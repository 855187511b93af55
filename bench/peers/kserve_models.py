"""Models on KServe's own server, for `python -m bench elsewhere`; no cluster, the process that would run in its pod."""

import os

import numpy as np
from kserve import InferOutput, InferResponse, Model, ModelServer

FLOATS = {"datatype": "FP32", "shape": [-1, 4]}


class Double(Model):
    """Answers twice the numbers, and tells what it takes and gives."""

    def predict(self, payload, headers=None):
        """Run."""
        return answer(payload, "double", "y", "FP32", payload.inputs[0].as_numpy() * 2)

    def get_input_types(self):
        """Tell."""
        return [{"name": "x", **FLOATS}]

    def get_output_types(self):
        """Tell."""
        return [{"name": "y", **FLOATS}]


class Shout(Model):
    """Answers the texts in capitals, and tells nothing of itself."""

    def predict(self, payload, headers=None):
        """Run."""
        said = [one.decode() if isinstance(one, bytes) else one for one in payload.inputs[0].as_numpy().ravel()]
        return answer(payload, "shout", "loud", "BYTES", np.array([one.upper() for one in said], object))


def answer(payload, model, name, datatype, values):
    """Give an answer with one output."""
    output = InferOutput(name, list(values.shape), datatype)
    output.set_data_from_numpy(values, binary_data=False)
    return InferResponse(payload.id or "none", model, [output])


if __name__ == "__main__":
    server = ModelServer(http_port=int(os.environ["PEER_PORT"]), enable_grpc=False, workers=1)
    models = [Double("double"), Shout("shout")]
    for model in models:
        model.ready = True
    server.start(models)
