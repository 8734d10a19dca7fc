"""The zip of a deployment and its package.xml, within bounds: nothing is written to any disk (salesforce.md 5.9)."""

import io
import zipfile
import zlib
from dataclasses import dataclass, field

from practice_org import metadata_xml

ZIP_BYTES_MAX = 39 * 1024 * 1024
FILES_MAX = 10_000
UNPACKED_BYTES_MAX = 20 * 1024 * 1024
"""A bound of our own, below Salesforce's 400 MB: a zip that swells beyond it is refused while it is read."""
MANIFEST = "package.xml"


class BadZipError(Exception):
    """The archive cannot be deployed as a whole."""


@dataclass
class Package:
    """The files of the archive, and what package.xml names: type to full names."""

    files: dict[str, bytes]
    named: dict[str, set[str]] = field(default_factory=dict)

    def names(self, kind: str, full_name: str) -> bool:
        """Whether package.xml names the component, or all of its type."""
        return bool({full_name, "*"} & self.named.get(kind, set()))


def read(content: bytes, *, single: bool) -> Package | None:
    """The package; None when there is no package.xml where it belongs.

    Without `single` every folder is a package of its own, so that its files are looked for one level down.
    Raises BadZipError, and BadXmlError for package.xml.
    """
    files = _unpack(content)
    if not single:
        files = {name.partition("/")[2]: data for name, data in files.items() if "/" in name}
    if MANIFEST not in files:
        return None
    package = Package(files)
    for types in metadata_xml.read(files.pop(MANIFEST)).all("types"):
        members = package.named.setdefault(types.value("name") or "", set())
        members.update(member.text.strip() for member in types.all("members"))
    return package


def _unpack(content: bytes) -> dict[str, bytes]:
    if len(content) > ZIP_BYTES_MAX:
        raise BadZipError(f"the zip is larger than {ZIP_BYTES_MAX} bytes")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _members(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError) as error:
        raise BadZipError(f"the zip cannot be read: {error}") from error


def _members(archive: zipfile.ZipFile) -> dict[str, bytes]:
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > FILES_MAX:
        raise BadZipError(f"the zip has more than {FILES_MAX} files")
    files, left = {}, UNPACKED_BYTES_MAX
    for info in infos:
        with archive.open(info) as member:
            data = member.read(left + 1)
        left -= len(data)
        if left < 0:
            raise BadZipError(f"the files together are larger than {UNPACKED_BYTES_MAX} bytes")
        files[info.filename] = data
    return files
