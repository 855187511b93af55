"""A version over the rows of a file, part by part."""
