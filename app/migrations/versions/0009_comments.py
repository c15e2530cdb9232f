"""Comments between an annotator and adjudicators: which of them wait for an answer, or to be read.

The comments themselves lie in the history.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("assignment", sa.Column("question_id", sa.BigInteger()))
    op.add_column("assignment", sa.Column("answer_id", sa.BigInteger()))
