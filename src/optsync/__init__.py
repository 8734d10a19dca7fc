"""optsync keeps every e-mail unsubscribe in step with Salesforce, and proves it."""

__version__ = "0.1.0"
