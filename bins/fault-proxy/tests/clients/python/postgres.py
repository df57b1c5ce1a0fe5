"""Asks a PostgreSQL server what 6 * 7 is, with each driver, in each sslmode: postgres.py PORT SSLMODE..."""

import asyncio
import ssl
import sys

import asyncpg
import pg8000.dbapi
import psycopg
import psycopg2

HOST, PORT, MODES = "127.0.0.1", int(sys.argv[1]), sys.argv[2:]


def libpq(driver):
    def ask(mode):
        settings = f"host={HOST} port={PORT} user=postgres password=secret dbname=postgres sslmode={mode}"
        connection = driver.connect(settings)
        cursor = connection.cursor()
        cursor.execute("select 6 * 7")
        (answer,) = cursor.fetchone()
        connection.close()
        return answer

    return ask


def ask_pg8000(mode):
    context = ssl._create_unverified_context() if mode == "require" else None
    connection = pg8000.dbapi.connect("postgres", HOST, "postgres", PORT, "secret", ssl_context=context)
    cursor = connection.cursor()
    cursor.execute("select 6 * 7")
    (answer,) = cursor.fetchone()
    connection.close()
    return answer


def ask_asyncpg(mode):
    async def ask():
        connection = await asyncpg.connect(
            host=HOST, port=PORT, user="postgres", password="secret", database="postgres", ssl=mode
        )
        answer = await connection.fetchval("select 6 * 7")
        await connection.close()
        return answer

    return asyncio.run(ask())


for mode in MODES:
    for name, ask in {
        "psycopg": libpq(psycopg),
        "psycopg2": libpq(psycopg2),
        "pg8000": ask_pg8000,
        "asyncpg": ask_asyncpg,
    }.items():
        print(mode, name, ask(mode), flush=True)
