"""A typed Salesforce client, one module per Salesforce API. It knows nothing of opt-outs and loads no Django.

`oauth.open_session(credential, seams)` gives a `Session`; every other module takes that session as its first argument.
Importing the package or any module but `http` loads no HTTP library, so that a command which never talks to Salesforce
does not pay for one.
"""
