"""The kinds of files that people send: CSV, Excel workbooks and JSON lines, each read as records of texts."""
