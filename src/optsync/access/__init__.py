"""Who may come in: the people of the pages with their roles, and the keys of programs.

The command line uses this as the pages do, so nothing here but `models` and `apps` loads Django.
"""
