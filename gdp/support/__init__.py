"""Libraries of ours that know nothing of runs; plugins take what they need of them from `gdp.toolbox`."""
