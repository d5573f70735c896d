"""Reading trace files.

`stream`: bytes to text; `rows`, `columns`: text to columns; `objects`: JSON; `trace`: what all loaders share.
"""
