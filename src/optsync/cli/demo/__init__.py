"""`optsync demo`: the main job before your eyes, with a Salesforce that runs here. Nothing is kept."""
