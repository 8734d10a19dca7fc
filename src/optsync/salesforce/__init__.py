"""A typed Salesforce client, one module per Salesforce API. It knows nothing of opt-outs and loads no Django.

`session.open_session(credential, seams)` gives a `Session`, the first argument of every module of an API. Signing in is
`credentials` (what it takes), `oauth` (what is said to the token endpoint), `sign_in` (when). Importing the package or
any module but `http` loads no HTTP library, so that a command which never talks to Salesforce does not pay for one.
"""
