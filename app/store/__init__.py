"""The database: the only part, with the migrations, that knows SQLAlchemy.

Functions take the transaction they run in (``tx``, of :meth:`app.store.database.Store.writing` or
``reading``) and give plain values back. Locks are always taken in the order task, assignment, so
that no two transactions wait for each other. The statements that every decision asks are built once
(``@cache``): building them took longer than the database needs to answer.
"""
