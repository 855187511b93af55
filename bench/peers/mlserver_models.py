"""Models on a real MLServer, for `python -m bench elsewhere`."""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceResponse


class Double(MLModel):
    """Answers twice the numbers."""

    async def load(self):
        """Nothing."""
        return True

    async def predict(self, payload):
        """Run."""
        x = NumpyCodec.decode_input(payload.inputs[0])
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("y", x * 2)])


class Shout(MLModel):
    """Answers the texts in capitals."""

    async def load(self):
        """Nothing."""
        return True

    async def predict(self, payload):
        """Run."""
        texts = StringCodec.decode_input(payload.inputs[0])
        loud = StringCodec.encode_output("loud", [one.upper() for one in texts])
        return InferenceResponse(model_name=self.name, outputs=[loud])
