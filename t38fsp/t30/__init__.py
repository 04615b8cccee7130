"""T.30: frames, capabilities, the transmitter and receiver machines. Speaks in bursts, never in packets."""
