"""The figures that the docs name, measured: `make bench`. Ratios are of one run, on the machine as it is."""
