"""The rules: values in, values out.

Standard library only; no I/O, no clock, no chance: instants and randomness are arguments.
"""
