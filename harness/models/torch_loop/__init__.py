"""The one training loop for torch networks."""
