"""Where a model stands on the loop from a wrong answer to a better version, and the one next action."""
