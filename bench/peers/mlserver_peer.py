"""MLServer: a runtime of our own, as its guide writes it."""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from plain import run


class Peer(MLModel):
    """The model."""

    async def load(self) -> bool:
        """Nothing: `plain` has loaded the model."""
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Run."""
        outputs = run(NumpyCodec.decode_input(payload.inputs[0]))
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("y", outputs)])
