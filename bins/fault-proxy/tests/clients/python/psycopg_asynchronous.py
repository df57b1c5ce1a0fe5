"""What psycopg learns from the server while the proxy replaces an error. Arguments: port of a proxy that responds to COMMIT with an error,
and the port of the server.

Prints the error, the notifications, and whether the client has the time zone of the server.
"""

import sys

import psycopg


def connect(port):
    return psycopg.connect(host="127.0.0.1", port=port, user="postgres", sslmode="disable", autocommit=True)


proxy, server = sys.argv[1:]
connection = connect(proxy)
connection.add_notify_handler(lambda notification: print("notified", notification.payload))
connection.execute("listen orders")
connection.autocommit = False
connection.execute("set timezone = 'Asia/Tokyo'")
connect(server).execute("notify orders, 'paid'")
try:
    connection.commit()
except psycopg.Error as error:
    print(error.sqlstate)
known = connection.info.timezone
print(known.key == connection.execute("show timezone").fetchone()[0])
