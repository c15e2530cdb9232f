"""The history of the schema, one revision a file; run by :meth:`app.store.database.Store.open`."""
