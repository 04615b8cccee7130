"""T.30 over G.711: modems from libspandsp with the interface of the T.38 terminal."""
