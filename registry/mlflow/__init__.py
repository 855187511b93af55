"""The model registry as MLflow's clients speak it: a door of its own, in that protocol's shapes and quirks."""
