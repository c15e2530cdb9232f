"""Whose words are kept is said, and statements follow from the choice.

Until now the page put the judge's words into the field of those that are kept, also where the
annotator then called them wrong, and the statement was a text of its own. What was stored stays in
the history; each final decision that stands gets an event after it, of nobody, that says it anew:

- the judge's words that were not called right, or are for another choice, are nobody's: the
  person's first reason stands again (none, where the person changed sides since);
- a statement that is none of the six, names the chosen response as better and is not the judge's
  was written by the person: it goes before the reason. Any other is dropped.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NEITHER = -100
_DEGREES = {1: "slightly better", 2: "better", 3: "much better"}
_BATCH = 500
_INSERT = sa.text(
    "INSERT INTO event (project_id, task_id, assignment_id, at, kind, data, reason)"
    " VALUES (:project_id, :task_id, :assignment_id, :at, 'final', :data, :reason) RETURNING id"
).bindparams(sa.bindparam("at", type_=sa.DateTime(timezone=True)))
_REASON = "said anew by the migration 0003"


def upgrade() -> None:
    connection = op.get_bind()
    for row in _decided(connection):
        final = json.loads(row.final)
        if "words" in final:  # of this program already
            continue
        said = _anew(final, json.loads(row.choice), row.judgment)
        values = {
            "project_id": row.project_id,
            "task_id": row.task_id,
            "assignment_id": row.id,
            "at": datetime.now(UTC),
            "data": json.dumps(said),
            "reason": _REASON,
        }
        made = connection.execute(_INSERT, values).scalar_one()
        connection.execute(
            sa.text("UPDATE assignment SET final_id = :made WHERE id = :id"),
            {"made": made, "id": row.id},
        )
    _change_drafts(connection)


def _decided(connection: sa.Connection) -> Iterator[Any]:
    """Yield every assignment with a final decision, its choice and the judge's judgment."""
    query = sa.text(
        "SELECT a.id, a.project_id, a.task_id, f.data AS final, c.data AS choice, t.judgment"
        " FROM assignment a JOIN event f ON f.id = a.final_id JOIN event c ON c.id = a.choice_id"
        " JOIN task t ON t.id = a.task_id WHERE a.id > :after ORDER BY a.id LIMIT :most"
    )
    after = 0
    while rows := connection.execute(query, {"after": after, "most": _BATCH}).all():
        yield from rows
        after = rows[-1].id


def _anew(final: dict[str, Any], choice: dict[str, Any], judgment: str | None) -> dict[str, Any]:
    """Return a final decision in the new shape; everything is in the pair's own order."""
    judged = json.loads(judgment) if judgment else {}
    judges, theirs = judged.get("elaboration") or "", judged.get("statement") or ""
    strength, explanation = final["strength"], final.get("explanation")
    statement, text = final.get("statement", "").strip(), final.get("elaboration", "").strip()
    own = choice.get("justification", "").strip()
    moved = not _same_side(strength, choice["strength"])
    written = _written(statement, strength, theirs)
    said = {"strength": strength, "explanation": explanation, "words": "own", "elaboration": ""}
    is_judges = bool(text) and _words(text) == _words(judges) and _words(text) != _words(own)
    if is_judges and explanation == "right":
        if _same_side(strength, judged.get("strength") or 0):
            return {**said, "words": "judge", "elaboration": judges}
    elif explanation == "wrong":
        is_judges |= _mostly(text, judges) and not _mostly(text, own)
    if is_judges or not text:
        text = "" if moved else own
    whole = " ".join(part for part in (written, text) if part)
    if whole == own and not moved:
        return said
    return {**said, "words": "edited", "elaboration": whole}


def _written(statement: str, strength: int, theirs: str) -> str:
    """Return a statement that the person wrote and that says what the strength says; else none."""
    drawn = {
        f"@Response {one} is {degree} than @Response {3 - one}."
        for one in (1, 2)
        for degree in _DEGREES.values()
    }
    if not statement or statement in drawn or statement == theirs.strip() or strength == _NEITHER:
        return ""
    chosen = 1 if strength < 0 else 2
    named = re.search(r"response ([12])\b[^.]*?\bbetter", statement, re.IGNORECASE)
    return statement if named and int(named[1]) == chosen else ""


def _change_drafts(connection: sa.Connection) -> None:
    """Keep in drafts what a person wrote after the reveal, and no words of the judge's."""
    rows = connection.execute(
        sa.text(
            "SELECT d.assignment_id, d.data, t.judgment FROM draft d"
            " JOIN assignment a ON a.id = d.assignment_id JOIN task t ON t.id = a.task_id"
        )
    ).all()
    for number, data, judgment in rows:
        said = json.loads(data)
        said.pop("statement", None)
        judges = (json.loads(judgment).get("elaboration") or "") if judgment else ""
        nobodys = [_words(judges), _words(said.get("justification", ""))]
        if _words(said.get("elaboration", "")) in nobodys:
            said["elaboration"] = ""
        said.setdefault("words", "edited" if said.get("elaboration") else None)
        connection.execute(
            sa.text("UPDATE draft SET data = :data WHERE assignment_id = :id"),
            {"data": json.dumps(said), "id": number},
        )


def _same_side(one: int, other: int) -> bool:
    if _NEITHER in (one, other):
        return one == other
    return one * other > 0


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())


def _mostly(text: str, theirs: str) -> bool:
    """Return whether more than half of a text's runs of six words stand in another text."""
    one, other = _words(text), _words(theirs)
    size = min(6, len(one), len(other))
    if not size:
        return False
    runs = [{tuple(w[i : i + size]) for i in range(len(w) - size + 1)} for w in (one, other)]
    return len(runs[0] & runs[1]) * 2 > len(runs[0])
