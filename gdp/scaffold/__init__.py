"""Writes the packages that plugin authors begin with (`gdp new-plugin`); imports no torch."""
