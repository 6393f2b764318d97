import gdp


class Settings(gdp.Config):
    pass


@gdp.hookimpl
def gdp_register_filterz(register):
    register("misspelt", config=Settings, implementation="gdp_misspelt_hook:Filter", summary="Never registered")


@gdp.hookimpl
def gdp_register_losses(register):
    register("half-good", config=Settings, implementation="gdp_misspelt_hook:Loss", summary="Not registered either")
