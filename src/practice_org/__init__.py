"""A Salesforce that runs here: what users rehearse on and what every test and benchmark stands on.

It imports nothing of optsync and nothing of optsync imports it; its behaviours cite their source.
"""
