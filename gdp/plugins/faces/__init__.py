"""The embedded world of faces: a procedural renderer with known attributes, and a small judge trained on it."""
