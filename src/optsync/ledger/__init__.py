"""Who must not be mailed, what each Salesforce record is owed for it, and the proof of both. The only writer of it."""
