"""Audio before the switch to T.38: G.711, RTP, sending of CNG and CED, detection of CNG, CED and V.21."""
