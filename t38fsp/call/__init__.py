"""One fax call as one sans-IO object: line events, the switch to T.38, audio, terminal, T.30."""
