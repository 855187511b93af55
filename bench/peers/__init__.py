"""Other servers with the same models. Their programs here run in environments of their own."""
