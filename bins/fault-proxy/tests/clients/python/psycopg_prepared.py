"""A prepared statement of psycopg that fails once. Arguments: port of a proxy that responds to the first update with a deadlock, or port of a
server and the word `trigger`, which makes the first update fail in the server.

Prints, for each attempt, what the client sees, and how many statements the server has prepared for the connection.
"""

import sys

import psycopg

TRIGGER = """
create sequence attempts;
create function fail() returns trigger language plpgsql as $$
begin
    if nextval('attempts') = 1 then raise exception using errcode = '40P01'; end if;
    return new;
end $$;
create trigger fail before update on accounts for each row execute function fail();
"""

port, *fails = sys.argv[1:]
connection = psycopg.connect(host="127.0.0.1", port=port, user="postgres", sslmode="disable")
connection.execute("drop table if exists accounts")
connection.execute("create table accounts (id int, amount int)")
connection.execute("insert into accounts values (1, 0)")
if fails:
    connection.execute(TRIGGER)
connection.commit()
pid = connection.info.backend_pid
for _ in range(3):
    try:
        query = "update accounts set amount = amount + %s where id = 1 returning amount"
        print(connection.execute(query, [1], prepare=True).fetchone()[0])
        connection.commit()
    except psycopg.errors.DeadlockDetected:
        print("40P01", connection.info.transaction_status.name)
        connection.rollback()
    prepared = "select count(*) from pg_prepared_statements where statement like 'update%'"
    print("prepared", connection.execute(prepared).fetchone()[0])
    connection.commit()
print("same connection", connection.execute("select pg_backend_pid()").fetchone()[0] == pid)
