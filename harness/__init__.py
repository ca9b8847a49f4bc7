"""The shared harness: from a declared competition to a submission. Start reading at `pipeline.submit`."""
