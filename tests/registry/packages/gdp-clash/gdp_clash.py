import gdp


class Settings(gdp.Config):
    pass


@gdp.hookimpl
def gdp_register_filters(register):
    register("sharpness", config=Settings, implementation="gdp_clash:Filter", summary="Takes a built-in's name")
    register("not-clashing", config=Settings, implementation="gdp_clash:Filter", summary="Has a name of its own")
