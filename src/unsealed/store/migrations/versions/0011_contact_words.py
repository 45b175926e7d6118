"""An index of the words of contacts, so that nobody's search goes through all of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# Words are letters and digits with a space before each, so that quotes around them hold.
FILL = {
    "sqlite": "INSERT OR IGNORE INTO contact_words (user_id, word, mailbox)"
    " SELECT contacts.user_id, each.value, contacts.mailbox FROM contacts,"
    """ json_each('["' || replace(ltrim(contacts.words), ' ', '","') || '"]') AS each"""
    " WHERE contacts.words <> '' ORDER BY 1, 2, 3",
    "postgresql": "INSERT INTO contact_words (user_id, word, mailbox)"
    " SELECT user_id, unnest(string_to_array(ltrim(words), ' ')), mailbox FROM contacts WHERE words <> ''"
    " ON CONFLICT DO NOTHING",
}


def upgrade() -> None:
    op.create_table(
        "contact_words",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("word", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_contact_words_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "word", "mailbox", name=op.f("pk_contact_words")),
        sqlite_with_rowid=False,
    )
    op.execute(FILL[op.get_bind().dialect.name])
