"""`python -m gdp` is the command `gdp`."""

from gdp.cli import main

if __name__ == "__main__":
    main()
