"""Directions in a teacher's w: their files, how they are searched and held apart, and what they do, measured."""
