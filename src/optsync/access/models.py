"""A user as Django's sign-in sees one. What changes a user's standing goes through `users`, never through here."""

from collections.abc import Iterator

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models
from django.utils.crypto import salted_hmac


class User(AbstractBaseUser):
    """Somebody who signs in to the pages; `role` is one of `users.ROLES`."""

    user_id = models.AutoField(primary_key=True)
    email = models.TextField(unique=True)
    name = models.TextField()
    role = models.TextField()
    session_epoch = models.IntegerField(default=0)
    language = models.TextField(default="")
    time_zone = models.TextField(default="")
    made_at = models.DateTimeField()

    objects = BaseUserManager["User"]()
    USERNAME_FIELD = "email"

    class Meta:
        db_table = "app_user"

    def __str__(self) -> str:
        return self.name

    def get_session_auth_hash(self) -> str:
        """What every session of this user carries: another password, role or epoch ends them all at once."""
        return self._stamp(None)

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        """The same under the secret keys before the newest."""
        yield from (self._stamp(secret) for secret in settings.SECRET_KEY_FALLBACKS)

    def _stamp(self, secret: str | None) -> str:
        standing = f"{self.password}\0{self.role}\0{self.session_epoch}"
        return salted_hmac("optsync.access.session", standing, secret, algorithm="sha256").hexdigest()
