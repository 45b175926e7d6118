"""The six processes of `unsealed serve`. Their parent loads these modules, which starts nothing: no thread, no socket.

    collect   pixels and links -> journal                       knows no database
    judge     journal -> hits -> events, counts, live feed      the only reader of the journal
    hot       messages that are asked for without end           apart, so that no other waits for them
    mail      submission and delivery
    observe   the senders' own mailboxes                        apart: it reads what strangers wrote, and waits a lot
    web       pages, live updates, JSON API

Each `run` takes the settings, the sockets that listen and a function to call once it is ready, and works until SIGTERM.
"""
