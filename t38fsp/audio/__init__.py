"""The seconds of audio before the switch to T.38: G.711, RTP, CNG sent; CNG, CED and V.21 heard."""
