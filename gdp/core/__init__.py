"""gdp.core"""
