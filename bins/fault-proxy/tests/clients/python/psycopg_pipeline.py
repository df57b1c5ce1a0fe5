"""Pipelines of psycopg whose middle a fault acts on. Arguments: ports of proxies with one fault each, and the port of the server.

Prints, for each fault, the error of the pipeline, what its statements give, which rows the server has, and whether the connection can be
used again. If it can, its state before that is printed too.
"""

import sys

import psycopg


def connect(port, **options):
    return psycopg.connect(host="127.0.0.1", port=port, user="postgres", sslmode="disable", **options)


def seen(cursor):
    try:
        return cursor.fetchone()[0]
    except psycopg.Error as error:
        return error.sqlstate or type(error).__name__


*proxies, server = sys.argv[1:]
direct = connect(server, autocommit=True)
for port in proxies:
    direct.execute("drop table if exists orders")
    direct.execute("create table orders (id int)")
    connection = connect(port, autocommit=True)
    cursors = [connection.cursor() for _ in range(7)]
    try:
        with connection.pipeline():
            for cursor, statement in zip(
                cursors,
                [
                    "begin",
                    "insert into orders values (1) returning id",
                    "select 10",
                    "insert into orders values (2) returning id",
                    "commit",
                    "insert into orders values (3) returning id",
                    "select 20",
                ],
            ):
                cursor.execute(statement)
        result = "ok"
    except psycopg.Error as error:
        result = error.sqlstate or type(error).__name__
    results = [seen(cursor) for cursor in cursors if cursor.description]
    status = connection.info.transaction_status.name
    rows = [id for (id,) in direct.execute("select id from orders order by id")]
    try:
        connection.rollback()
        again = connection.execute("select 30").fetchone()[0]
        again = f"{status} {again}"
    except psycopg.Error:
        # Depending on when libpq notices the reset, the connection is closed or still in the pipeline.
        again = "unusable"
    print(result, results, rows, again)
