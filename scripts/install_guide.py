"""Writes docs/how-to/install-the-field.md: the guide of the page Settings > Salesforce > Install, in both languages.

A test keeps it current.
"""

from collections.abc import Callable
from pathlib import Path

from optsync.connection.guide import CHAPTERS, WHO
from optsync.web.catalogs import LOCALE, entries_of

PAGE = Path("docs/how-to/install-the-field.md")
HEAD = """# Install the field

Email Opt Out exists in every org, but two things hide it: without field-level security the integration user cannot tick
it, and without a place on the page layout people do not see who is unsubscribed. optsync can see to both, and make a
checkbox of its own:

```
optsync install --dry-run
optsync install --yes
```

![Settings > Salesforce > Install: each page layout, and whether it shows the field](../images/install.png)

That puts Email Opt Out on every page layout of Lead and Contact that lacks it, and gives the integration user Read and
Edit on it by a permission set called optsync. `optsync install --field own` makes a checkbox *Sales Opt Out*
(`Sales_Opt_Out__c`) first; `--layouts "Lead Layout"` takes one layout, `--layouts none` no layout, `--no-grant` leaves
permissions alone. The same on the pages: *Settings > Salesforce > Install*.

- What would change is shown first. If somebody changes Salesforce between your look and your yes, nothing is done.
- It needs *Customize Application*, *Modify Metadata Through Metadata API Functions*, *Manage Profiles and Permission
  Sets* and *Assign Permission Sets*, more than an integration user should keep: give them for as long as it takes. A
  refusal names the one that is missing.
- Nothing is overwritten: a field is put below Email, or last in the first section; all else on the layout stays.
- `optsync install --undo` takes back what optsync added and nobody changed since, also later and by somebody else. A
  checkbox stays while a record carries a tick in it: with the field the ticks would be lost.
- Afterwards `optsync doctor` says whether it is right.

Or do it by hand:

"""
GERMAN_HEAD = "# Auf Deutsch: von Hand\n\n"


def page() -> str:
    """The whole page."""
    german = dict(entries_of((LOCALE / "de/LC_MESSAGES/django.po").read_text(encoding="utf-8")))
    return HEAD + guide(str) + "\n" + GERMAN_HEAD + guide(lambda text: german[text])


def guide(said: Callable[[str], str]) -> str:
    """Who, and every chapter with its steps."""
    lines = [said(WHO), ""]
    for chapter in CHAPTERS:
        lines += [f"## {said(chapter.title)}", "", said(chapter.intro), ""]
        for number, step in enumerate(chapter.steps, 1):
            link = f" ([AppExchange]({step.url}))" if step.url else ""
            place = f" `/lightning/setup/{step.page}`" if step.page else ""
            lines.append(f"{number}. {said(step.text)}{place}{link}")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
