"""Loss terms of a student's objective."""
