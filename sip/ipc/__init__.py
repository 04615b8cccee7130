"""Communication between our processes: message codec, pipes, child processes, ending signals."""
