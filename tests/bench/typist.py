"""Someone who types at random, and knows what the text must be."""

import string
from collections import Counter
from difflib import SequenceMatcher
from random import Random

from playwright.sync_api import Page

from tests.bench.studio import SOURCE, key_of, text_box

LONGEST, PASTED, BURST, FASTEST = 2500, 400, 30, 20.0
KEYS = string.ascii_letters + string.digits + string.punctuation + "      \n\n"
STRANGE = ("\U0001f600", "\u00e9", "\u2192", "\u05e9", "\t")
CHOICES = {"burst": 30, "paste": 16, "delete": 14, "type_over": 8, "backspace": 8, "undo": 8, "redo": 4, "move": 10}
EMPTYING = 2


def units(text: str) -> int:
    """Return how long a text is as a browser counts: in UTF-16 units."""
    return len(text.encode("utf-16-le")) // 2


def missing(wanted: str, found: str) -> int:
    """Return how many characters of a text are not where they should be, those too many included."""
    if wanted == found:
        return 0
    same = sum(block.size for block in SequenceMatcher(None, wanted, found, autojunk=False).get_matching_blocks())
    return max(len(wanted), len(found)) - same


class Typist:
    """Types, pastes, deletes, undoes and walks about in the live page's text field, all by one seed.

    `text` is what the field must hold: worked out from what was done, read from the page only after undo and redo.
    """

    def __init__(self, page: Page, seed: int) -> None:
        self._page, self._random = page, Random(seed)
        self._box = text_box(page)
        self.counts: Counter[str] = Counter()
        self._first = self._last = 0  # the selection, in characters
        self.reread()

    def reread(self) -> None:
        """Take the page's text for what it must be."""
        self.text = self._box.input_value()
        start = self._box.evaluate("box => box.selectionStart")
        self._first = self._last = len(self.text.encode("utf-16-le")[: 2 * start].decode("utf-16-le"))

    def act(self) -> str:
        """Do one thing; returns what it was."""
        kinds = dict(CHOICES)
        if len(self.text) > LONGEST - 150:
            kinds = {"delete": 10, "undo": 1, "move": 1, "empty": EMPTYING}
        elif not self.text:
            kinds = {"burst": 1, "paste": 1, "undo": 1}
        (kind,) = self._random.choices(list(kinds), list(kinds.values()))
        getattr(self, f"_{kind}")()
        self.counts["actions"] += 1
        return kind

    def _select(self, first: int, last: int) -> None:
        self._first, self._last = first, last
        ends = [units(self.text[:first]), units(self.text[:last])]
        self._box.evaluate("(box, ends) => box.setSelectionRange(...ends)", ends)

    def _select_some(self, most: int) -> None:
        first = self._random.randrange(len(self.text) + 1)
        self._select(first, min(len(self.text), first + self._random.randint(1, most)))

    def _replace(self, new: str) -> None:
        """Note that the selection has given way to something new."""
        self.text = self.text[: self._first] + new + self.text[self._last :]
        self._first = self._last = self._first + len(new)

    def _press(self, keys: str) -> None:
        rate = self._random.uniform(3, FASTEST)
        for character in keys:
            self._page.keyboard.press(key_of(character))
            self._replace(character)
            self._page.wait_for_timeout(1000 / rate)
        self.counts["typed"] += len(keys)

    def _keys(self) -> str:
        room = min(BURST, LONGEST - len(self.text))
        return "".join(self._random.choices(KEYS, k=self._random.randint(1, room)))

    def _burst(self) -> None:
        """Type on, or somewhere else."""
        if self._random.random() < 0.5:
            self._select_some(1)
            self._select(self._first, self._first)
        else:
            self._select(self._last, self._last)
        self._press(self._keys())

    def _type_over(self) -> None:
        self._select_some(60)
        self.counts["deleted"] += self._last - self._first
        self._press(self._keys())

    def _paste(self) -> None:
        self._select_some(1)
        self._select(self._first, self._first)
        start, size = self._random.randrange(len(SOURCE) - PASTED), self._random.randint(1, PASTED)
        new = SOURCE[start : start + min(size, LONGEST - len(self.text))]
        if self._random.random() < 0.3:
            new = new[:-1] + self._random.choice(STRANGE)
        self._page.keyboard.insert_text(new)
        self._replace(new)
        self.counts["pasted"] += len(new)

    def _delete(self) -> None:
        self._select_some(350)
        if self._first < self._last:
            self.counts["deleted"] += self._last - self._first
            self._page.keyboard.press(self._random.choice(("Delete", "Backspace")))
            self._replace("")

    def _backspace(self) -> None:
        self._select(self._last, self._last)
        for _ in range(min(self._random.randint(1, 10), self._first)):
            self._page.keyboard.press("Backspace")
            self._first -= 1
            self._replace("")
            self._page.wait_for_timeout(1000 / FASTEST)
            self.counts["deleted"] += 1

    def _empty(self) -> None:
        self._page.keyboard.press("Control+a")
        self._page.keyboard.press("Delete")
        self.counts["deleted"] += len(self.text)
        self._first, self._last = 0, len(self.text)
        self._replace("")

    def _undo(self) -> None:
        self._step_back("Control+z", "undone")

    def _redo(self) -> None:
        self._step_back("Control+Shift+z", "redone")

    def _step_back(self, keys: str, name: str) -> None:
        before = self.text
        for _ in range(self._random.randint(1, 4)):
            self._page.keyboard.press(keys)
        self.reread()
        self.counts[name] += missing(before, self.text)

    def _move(self) -> None:
        """Walk about with the arrow keys; where lines are wrapped only the page knows."""
        for _ in range(self._random.randint(1, 6)):
            self._page.keyboard.press(
                self._random.choice(("ArrowUp", "ArrowDown", "ArrowLeft", "End", "Shift+ArrowRight"))
            )
        self._select_some(1)
