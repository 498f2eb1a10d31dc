"""Who is there and what they say: data, the same each time."""

from typing import Final, NamedTuple

from commonroom.ids import derived_id
from commonroom.protocol.room import Theme
from commonroom.protocol.timer import TimerSettings

__all__ = ["DOMAIN", "FIRST_PASSWORD", "HOSTS", "PEOPLE", "ROOMS", "Figure", "Setting"]

DOMAIN: Final = "demo.example"
"""No mail goes there (RFC 2606)."""

FIRST_PASSWORD: Final = "common room demo"  # noqa: S105 - of a server for trying out
MINUTE_MS: Final = 60_000


class Figure(NamedTuple):
    """Somebody."""

    username: str
    name: str
    status: str = ""

    @property
    def email(self) -> str:
        """What they sign in with."""
        return f"{self.username}@{DOMAIN}"


class Setting(NamedTuple):
    """A public room. `lines` are said in turn by its host and the two who come after them among `PEOPLE`."""

    slug: str
    title: str
    topic: str
    language: str
    tags: tuple[str, ...]
    theme: Theme
    lines: tuple[str, ...]
    minutes: tuple[int, int] = (25, 5)
    size_limit: int = 0

    @property
    def id(self) -> str:
        """The same each time, so that there is one of it however often it is made."""
        return derived_id(f"commonroom demo {self.slug}")

    @property
    def timer(self) -> TimerSettings:
        """Lengths of focus and break."""
        focus, rest = self.minutes
        return TimerSettings(focus_ms=focus * MINUTE_MS, short_break_ms=rest * MINUTE_MS)


PEOPLE: Final = (
    Figure("demo_amara", "Amara", "writing chapter three"),
    Figure("demo_jonas", "Jonas", "Statistik, jeden Abend"),
    Figure("demo_lucia", "Lucía", "oposiciones 2027"),
    Figure("demo_mei", "Mei", "linear algebra"),
    Figure("demo_sofiane", "Sofiane", "mémoire de master"),
    Figure("demo_yuki", "Yuki", "漢字を毎日"),
    Figure("demo_ines", "Inês", "anatomia"),
    Figure("demo_tom", "Tom"),
    Figure("demo_oksana", "Oksana", "читаю повільно"),
)

HOSTS: Final = 6
"""So many of them found rooms: the others come to visit."""

ROOMS: Final = (
    Setting(
        "quiet-library", "Quiet library", "Cameras off, phones away, tea on. Say what you are working on, then vanish into it.", "en",
        ("silent", "anything", "newcomers"), "forest",
        (
            "Morning all. Thesis, chapter three, the bad part.",
            "Linear algebra problem set. See you at the break.",
            "Good luck! I am only here to finish one letter.",
            "That was a good round: two pages.",
            "Eigenvalues finally make sense, send help anyway.",
            "Tea break. Five minutes, then again.",
        ),
    ),
    Setting(
        "deep-work", "Deep work, 50 minutes", "Long rounds for things that need a whole thought.", "en", ("deep-work", "coding", "writing"),
        "night",
        (
            "Starting a 50 now, join whenever.",
            "In. Refactoring a parser that nobody loves.",
            "Writing the discussion section, no mercy.",
            "Down to one failing test.",
            "It was the empty list. It is always the empty list.",
        ),
        (50, 10),
    ),
    Setting(
        "statistik", "Statistik für die Klausur", "Wir rechnen alte Klausuren, eine Aufgabe pro Runde.", "de",
        ("statistik", "klausur", "mathe"), "paper",
        (
            "Heute Aufgabe 4: Konfidenzintervalle.",
            "Ich hänge an der Freiheitsgrad-Frage.",
            "n minus 1, weil der Mittelwert schon geschätzt ist.",
            "Ah! Danke, jetzt passt es.",
            "Nächste Runde: Hypothesentests?",
        ),
        (30, 5),
    ),
    Setting(
        "biblioteca", "Biblioteca nocturna", "Silencio, café y un tema cada noche.", "es", ("oposiciones", "silencio"), "dusk",
        (
            "Buenas noches. Hoy tema 14, por fin.",
            "Yo repaso derecho administrativo.",
            "¿Pausa larga después de esta ronda?",
            "Sí, que ya no leo, solo miro.",
            "Ánimo, una más y a dormir.",
        ),
    ),
    Setting(
        "maths-cafe", "Maths café", "Ask, explain, draw. Wrong answers welcome.", "en", ("maths", "homework", "questions"), "ocean",
        (
            "Anyone up for the compactness exercise?",
            "Yes, but only with pictures.",
            "Every open cover… draw blobs, lots of blobs.",
            "Finitely many blobs suffice. Got it!",
            "Next: why is (0, 1) not compact?",
            "Because blobs 1/n never reach the end.",
        ),
    ),
    Setting(
        "redaction", "Atelier de rédaction", "Mémoires, articles, lettres : on écrit d'abord, on corrige après.", "fr",
        ("écriture", "mémoire"), "plain",
        (
            "Objectif du jour : 400 mots, même mauvais.",
            "Je relis ma bibliographie, courage à moi.",
            "350. Presque !",
            "On compte aussi les notes de bas de page ?",
            "Évidemment.",
        ),
    ),
    Setting(
        "kanji", "毎日漢字", "毎日十字。ゆっくりでいい。", "ja", ("漢字", "日本語"), "paper",
        ("おはようございます。今日は十字やります。", "私は復習だけ。", "「鬱」に負けました。", "みんな負けます。", "休憩しましょう。"),
        (15, 5),
    ),
    Setting(
        "anatomia", "Anatomia sem drama", "Cartões, desenhos e muita paciência.", "pt", ("medicina", "anatomia"), "forest",
        (
            "Hoje: plexo braquial. Outra vez.",
            "Desenhei três vezes, agora sai de olhos fechados.",
            "Raízes, troncos, divisões, fascículos, ramos.",
            "Alguém tem uma mnemónica que não seja vergonhosa?",
            "Nenhuma é.",
        ),
    ),
    Setting(
        "small-group", "Thesis circle", "Four people, one hour, honest goals.", "en", ("thesis", "small-group"), "dusk",
        (
            "Goal for this hour: the table on page 40.",
            "Mine: reply to my supervisor. All of it.",
            "Sent. I feel lighter than air.",
            "Table done, numbers agree. Suspicious.",
        ),
        (60, 10),
        4,
    ),
    Setting(
        "chytalnia", "Тиха читальня", "Читаємо разом, кожен своє.", "uk", ("читання", "тиша"), "night",
        ("Добрий вечір. Сьогодні роман, просто так.", "А я статтю, дванадцять сторінок.", "Перерва?", "Ще одна сторінка."),
    ),
    Setting(
        "code-review", "Open source evening", "Pick an issue, keep us posted, celebrate merges.", "en", ("coding", "open-source"), "ocean",
        (
            "I took the flaky test. Wish me luck.",
            "Docs for me: somebody has to.",
            "It was a race, of course.",
            "Merged! Cake in the break.",
        ),
        (45, 10),
    ),
    Setting(
        "sunday-plan", "Sunday planning", "Ten quiet minutes to put the week in order.", "en", ("planning", "weekly"), "plain",
        ("Three things for next week, no more.", "Mine: sleep, sleep, exam.", "Written down. That helped."), (10, 5),
    ),
)  # fmt: skip
