"""Decisions and drafts may hold spans that were marked in the texts.

They lie in the JSON of ``event`` and ``draft``, so no table changes, and what was stored before
says that nothing was marked. The revision is there so that an older program, which could not read
such a decision, says that the database is newer instead of failing at the first of them.
"""

from __future__ import annotations

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
