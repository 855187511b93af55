"""MLflow: a model from code, served by `mlflow models serve`; run as a script it writes the model folder."""

import sys

import mlflow
import numpy as np
from mlflow.models import set_model


class Peer(mlflow.pyfunc.PythonModel):
    """The model."""

    def load_context(self, context: object) -> None:
        """Load it once."""
        from plain import run  # noqa: PLC0415 - only where it is served

        self.run = run

    def predict(self, context: object, model_input: np.ndarray, params: object = None) -> np.ndarray:
        """Run."""
        return self.run(np.asarray(model_input))


set_model(Peer())
if __name__ == "__main__":
    mlflow.pyfunc.save_model(sys.argv[1], python_model=__file__, pip_requirements=[])
