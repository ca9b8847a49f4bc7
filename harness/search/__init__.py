"""The overnight search: `pipeline.search` is its sentence, `loop.py` the loop, `study.py` what is on record."""
