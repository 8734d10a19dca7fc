"""What a WSGI server loads: opens the database and the keys, starts Django, lays out the desk.

Loading this module uses the embedded server until the process ends; a wrong setting stops it with a Problem.
"""

import atexit
from contextlib import ExitStack

from django.core.handlers.wsgi import WSGIHandler

from optsync import seams
from optsync.config.database import open_database
from optsync.config.desk import lay_out
from optsync.config.django_start import start_django
from optsync.config.environment import read_environment
from optsync.config.lanes import Lanes
from optsync.config.logging import configure_logging
from optsync.config.vault import Vault
from optsync.public.one_click import one_click

environment = read_environment()
configure_logging(environment.log_level)
opened = ExitStack()
atexit.register(opened.close)
database = opened.enter_context(open_database(environment))
database.migrate()
with database.connect() as conn:
    vault = Vault.load_or_create(environment, seams.real(), conn)
start_django(database, vault, environment.public_url, environment.oidc)
lay_out(database, vault, seams.real(), environment.trusted_proxies)

from optsync.api.asking import check  # noqa: E402 - what it needs of ninja reads Django's settings

application = Lanes(
    WSGIHandler(), environment.trusted_proxies, at_once=lambda environ: one_click(environ) or check(environ)
)
