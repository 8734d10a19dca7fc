"""Names for fictional people: 62 first names and 124 last names make one distinct pair for every place in a block."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST = _words(
    "Ada Agnes Alma Amir Anna Arno Asta Ben Berta Bruno Carla Cleo Cyrus Dana Dario Edda Elif Elmo Emil Enya Erik "
    "Esra Fabio Faye Finn Flora Gerd Gita Hana Hugo Ida Igor Ines Ivo Jana Joel Jonas Kaja Karl Lea Leo Lina Luca "
    "Mara Marek Mila Nadja Nils Nora Olaf Olga Otto Paul Petra Quentin Rosa Rune Sami Selma Tilda Umar Vera"
)

LAST = _words(
    "Abel Adler Alder Amsel Anders Arendt Ashby Bach Barlow Becker Berg Birch Blom Borg Brandt Brook Calder Carver "
    "Castell Clay Conrad Corvin Dahl Dale Decker Dorn Draper Eber Egger Eklund Elm Engel Ernst Faber Falk Farrow "
    "Fenn Fields Fischer Forst Frost Gable Gale Garner Geller Gilbert Glover Graf Grove Haas Hagen Harlow Hart "
    "Haven Heller Holm Horn Ibsen Iden Irwin Jacobi Jansen Jordan Juhl Kaiser Keller Kern Kirsch Klee Krone Lang "
    "Larsen Laurel Linden Lowell Lund Maas Marlow Meadow Meyer Moor Morrow Nagel Nash Noble Nolan North Oakes Odell "
    "Olsen Orr Palm Parker Pell Penn Porter Quist Rask Reed Reiter Ridge Rowan Sander Seidel Stein Stone Strand "
    "Tanner Thorne Tiller Torp Ulmer Unger Vance Vogel Voss Walden Weber Wells Winter Wolff Yates York Zeller"
)

DOMAINS = ("example.com", "example.org", "example.net", "mail.example.com", "post.example.org")
COMPANIES = (
    "Harbour Works",
    "Linden Press",
    "North Mill",
    "Open Orchard",
    "Quiet Rivers",
    "Stone & Reed",
    "Tall Ships",
)
CITIES = ("Ashford", "Brookhaven", "Eastmere", "Kingsport", "Millbridge", "Northfield", "Westgate")
TITLES = ("Analyst", "Buyer", "Director", "Editor", "Engineer", "Manager", "Teacher")
SOURCES = ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other")
STATUSES = ("Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted")
