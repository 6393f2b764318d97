"""The stage compare: variants of a recipe, trained and measured beside it in the same run."""
