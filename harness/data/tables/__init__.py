"""Tables as people have them: encodings and delimiters, cells as text, numbers, labels and dates."""
