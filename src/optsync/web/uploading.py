"""Where the bytes of an uploaded file go: to disk, and only those of an import by somebody who may import.

Django reads a form before any view can say no, and would write everybody's files to disk.
"""

from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import SkipFile, TemporaryFileUploadHandler
from django.urls import reverse

from optsync.ledger.uploads import BYTES_MAX
from optsync.web.middleware import may

FORM_BYTES = 64 * 1024
"""What the form around the file may take."""


class ImportedFile(TemporaryFileUploadHandler):
    """Keeps the file of the import form; any other file is read away and forgotten."""

    def new_file(self, *arguments: Any, **more: Any) -> None:
        """Called with each file of a form."""
        request = self.request
        assert request is not None  # Django hands it over
        if request.path != reverse("web:imports") or not may(request, "operator") or is_too_large(request.META):
            raise SkipFile
        super().new_file(*arguments, **more)

    def file_complete(self, file_size: int) -> "UploadedFile[Any] | None":
        """The file on disk; None for one that was skipped."""
        return super().file_complete(file_size) if hasattr(self, "file") else None


def is_too_large(meta: dict[str, Any]) -> bool:
    """Whether a form holds a larger file than an import takes, by the length that the browser says."""
    length = str(meta.get("CONTENT_LENGTH") or "")
    return length.isdecimal() and int(length) > BYTES_MAX + FORM_BYTES
