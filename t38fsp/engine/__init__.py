"""The I/O shell of fax calls: sockets, pacer, image workers; in this process or in separate ones."""
