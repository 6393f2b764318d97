"""Directions in a teacher's latent space w: their files, how they are applied, and how they are found.

`python -m gdp.plugins.directions.find --help` finds one with a judge of pictures.
"""
