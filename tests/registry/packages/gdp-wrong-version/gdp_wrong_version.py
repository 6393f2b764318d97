import gdp

GDP_API = 999


@gdp.hookimpl
def gdp_register_filters(register, a_later_versions_argument):
    raise AssertionError("must never be called")
