"""What a run is made of: contracts, recipes, pairs, training, the run and its stages, paid answers. Knows no plugin."""
