"""Settings from the environment, the database, the keys, logging: what every door needs before it opens."""
