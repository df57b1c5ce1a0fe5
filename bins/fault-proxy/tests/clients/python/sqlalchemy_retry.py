"""A transaction of SQLAlchemy that is repeated until it succeeds. Arguments: port of the proxy, port of the server.

Prints, for each attempt, the SQLSTATE of its error, whether the pool has invalidated its connections, and how many rows are there; at the
end, whether the pool still has its first connection.
"""

import sys

import sqlalchemy
from sqlalchemy import text


def engine(port, **options):
    return sqlalchemy.create_engine(
        f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres?sslmode=disable", **options
    )


def rows():
    with direct.connect() as connection:
        return connection.scalar(text("select count(*) from orders"))


def backend():
    with pool.connect() as connection:
        return connection.scalar(text("select pg_backend_pid()"))


def attempt():
    try:
        with pool.begin() as connection:
            connection.execute(text("insert into orders values (1)"))
    except sqlalchemy.exc.OperationalError as error:
        print(error.orig.sqlstate, error.connection_invalidated, rows())
        return False
    print("ok", rows())
    return True


proxy, server = sys.argv[1:]
direct = engine(server, isolation_level="AUTOCOMMIT")
with direct.connect() as connection:
    connection.execute(text("create table orders (id int)"))
pool = engine(proxy, pool_size=1, max_overflow=0)
first = backend()
while not attempt():
    pass
print("kept" if backend() == first else "replaced")
