"""Finds the faces of the embedded world, and their landmarks, for `gdp apply --align builtin:faces64`."""
