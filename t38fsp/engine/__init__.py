"""The shell that runs fax calls: sockets, pacer, image workers, in this process or in one of its own."""
