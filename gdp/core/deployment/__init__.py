"""Until API version 2: an old place that `gdp new-plugin engine` wrote into packages."""
