"""An app whose jobs do what the tests need: count, sleep, fail, die."""
