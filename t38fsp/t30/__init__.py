"""T.30: frames, capabilities, the transmitter and receiver machines. Its units are bursts, never packets."""
