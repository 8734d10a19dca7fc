"""One Salesforce org as we know it: credential, chosen field, switch, schedule."""
