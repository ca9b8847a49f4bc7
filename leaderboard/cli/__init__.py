"""What the board prints: JSON, CSV, sentences and terminal tables, and the host's verbs."""
