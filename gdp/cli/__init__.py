"""gdp.cli"""
