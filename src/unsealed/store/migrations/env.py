"""What alembic runs for each command: the revisions, on the connection that `store.migrate` hands over."""

from __future__ import annotations

from alembic import context

from unsealed.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # Alembic believes that SQLite cannot roll DDL back. It can, once the driver leaves transactions to us.
    transactional_ddl=True,
)
context.run_migrations()
