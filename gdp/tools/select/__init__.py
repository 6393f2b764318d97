"""Looking at the pairs of a run, and judging them anew from the scores that are stored: nothing is measured here."""
