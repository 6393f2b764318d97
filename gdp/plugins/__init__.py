"""gdp.plugins"""
