"""What a recipient meets: the unsubscribe page and the one-click POST of RFC 8058."""
