"""gdp.registry"""
