"""What answers are worth: pure functions of counts and arrays, each with its source."""
