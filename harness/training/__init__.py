"""Training: one fold, cross-validation, the time budget, predictions on disk, worker processes."""
