"""The trained student outside of gdp: exported, and run by engines."""
