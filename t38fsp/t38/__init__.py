"""T.38: IFP, UDPTL, the terminal between bursts and packets, and the attributes in SDP."""
