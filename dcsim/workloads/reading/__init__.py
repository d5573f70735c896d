"""Reading trace files: bytes to text (`stream`), rows to columns (`rows`, `columns`), objects (`objects`), jobs (`trace`)."""
