"""Faults on order: small objects, each for some requests, records or occurrences, before or after the effect."""
