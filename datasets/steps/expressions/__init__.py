"""A small language for conditions and new values: `length("질문") > 10 and not contains(답변, '광고')`.

Columns by name, in double quotes or backticks where the name is odd; text in single quotes. What is written becomes an
expression of Polars and nothing else: there is no way from here to files, code or other data.
"""
