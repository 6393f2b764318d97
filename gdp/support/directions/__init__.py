"""Directions in latent space: what they are and do to a w (`direction`), and their files (`files`)."""
