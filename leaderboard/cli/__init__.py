"""The output of the command line: JSON, CSV, sentences and terminal tables, and the host's verbs."""
